#include "images.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void fail(const char *message, const char *subject) {
  fprintf(stderr, "%s: %s\n", subject, message);
  exit(1);
}

/* splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t random_bits(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

float random_real(uint64_t *state, float bound) {
  return bound * ((float)(random_bits(state) >> 40) * 0x1p-23f - 1.0f);
}

void *allocate(int64_t bytes) {
  void *memory = malloc((size_t)bytes);
  if (memory == NULL) fail("out of memory", "lenet5");
  return memory;
}

/* An IDX file: 0, 0, type 8 (bytes), rank; the sizes as big-endian words; the values. */
static uint8_t *read_idx(const char *folder, const char *name, int rank, int32_t *count) {
  char path[4096];
  uint8_t head[16];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("cannot be opened", path);
  const size_t head_bytes = 4 + 4 * (size_t)rank;
  if (fread(head, 1, head_bytes, file) != head_bytes || head[2] != 8 || head[3] != rank)
    fail("is not an IDX file of bytes", path);
  int64_t bytes = 1;
  for (int i = 0; i < rank; i++) {
    const uint8_t *word = head + 4 + 4 * i;
    const int32_t size =
        (int32_t)((uint32_t)word[0] << 24 | word[1] << 16 | word[2] << 8 | word[3]);
    if (i == 0) *count = size;
    if (size < 1 || (i > 0 && size != SIDE)) fail("has no images of 28 x 28", path);
    bytes *= size;
  }
  uint8_t *values = allocate(bytes);
  if (fread(values, 1, (size_t)bytes, file) != (size_t)bytes) fail("is too short", path);
  fclose(file);
  return values;
}

image_set read_images(const char *folder, const char *images, const char *labels) {
  image_set set;
  int32_t label_count;
  set.images = read_idx(folder, images, 3, &set.count);
  set.labels = read_idx(folder, labels, 1, &label_count);
  if (label_count != set.count) fail("has another number of labels than images", folder);
  return set;
}

/* Each bar goes through a point near the centre. */
image_set draw_images(int32_t count, uint64_t seed) {
  image_set set = {count, allocate((int64_t)count * PIXELS), allocate(count)};
  for (int32_t i = 0; i < count; i++) {
    const int label = i % CLASSES;
    const float angle = (float)label * (3.14159265f / CLASSES);
    const float x0 = SIDE / 2 + random_real(&seed, 4.0f), y0 = SIDE / 2 + random_real(&seed, 4.0f);
    for (int p = 0; p < PIXELS; p++) {
      const float x = (float)(p % SIDE) - x0, y = (float)(p / SIDE) - y0;
      const float distance = x * sinf(angle) - y * cosf(angle);
      const float value = 90.0f + 100.0f * expf(-distance * distance / 4.0f);
      set.images[(int64_t)i * PIXELS + p] = (uint8_t)(value + random_real(&seed, 60.0f));
    }
    set.labels[i] = (uint8_t)label;
  }
  return set;
}
