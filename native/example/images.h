/* What the example needs besides the library: memory, random numbers and images. */
#ifndef IMAGES_H
#define IMAGES_H

#include <stdint.h>

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10 };

typedef struct image_set {
  int32_t count;
  uint8_t *images; /* PIXELS each */
  uint8_t *labels; /* 0..CLASSES - 1 */
} image_set;

/* Reads the images and labels of MNIST's or Fashion-MNIST's files. */
image_set read_images(const char *folder, const char *images, const char *labels);

/* Draws noisy bars. The label of a bar is its angle. */
image_set draw_images(int32_t count, uint64_t seed);

/* malloc, but ends the program if there is no memory. */
void *allocate(int64_t bytes);

uint64_t random_bits(uint64_t *state);
float random_real(uint64_t *state, float bound); /* uniform in -bound..bound */

/* Ends the program with exit code 1. */
void fail(const char *message, const char *subject);

#endif
