/* Random numbers and descriptors. The descriptors are valid unless a function says otherwise. */
#ifndef CN_TEST_DESCRIPTORS_H
#define CN_TEST_DESCRIPTORS_H

#include "harness.h"

#include <stddef.h>

/* True with this probability. */
bool chance(int percent);

/* A number from 0 to most - 1. */
int32_t below(int32_t most);

int32_t one_of(const int32_t *values, int32_t count);

/* One of the given numbers. */
#define ONE_OF(...)                                                                                \
  one_of((const int32_t[]){__VA_ARGS__},                                                           \
         (int32_t)(sizeof(int32_t[]){__VA_ARGS__} / sizeof(int32_t)))

/* Overwrites some of `count` numbers with limits of ranges, with neighbours of their old values, or
 * with one another. Half of the time it changes nothing. */
void spoil(void *numbers, size_t count);

/* Spoils the fields of a struct from `first` up to, and without, `last`. */
#define SPOIL(pointer, type, first, last)                                                          \
  spoil((char *)(pointer) + offsetof(type, first),                                                 \
        (offsetof(type, last) - offsetof(type, first)) / sizeof(int32_t))

/*
 * The struct in memory that ends at an inaccessible page, so that reading beyond its size is
 * noticed. Now and then the size is too small for the library, or so large that it includes fields
 * that the library lacks. Valid until `slot` is used again.
 */
typedef enum slot { CONTEXT, LAYER, POOL, EPILOGUE, GRADIENTS, OPTIONS, SLOTS } slot;
void make_slots(void);
void *offered(slot slot, const void *descriptor, uint32_t size);

/* The same, always with the right size. */
void *placed(slot slot, const void *descriptor, uint32_t size);

/* Threads of the library, and threads that the test brings, for any_context. */
void make_pools(void);
void free_pools(void);

/* Now and then invalid. */
cn_context any_context(void);

/* Now and then invalid. */
int32_t any_batch(void);

cn_tensor any_tensor(int32_t layout);

/* Changes the halo, and with it the distance between samples. */
void other_halo(cn_tensor *t);

/* One that kernels can fuse. */
cn_activation any_activation(void);

cn_conv2d any_conv(void);

/* One with enough pixels for several partial sums. */
cn_conv2d any_large_conv(void);

/* One whose sizes are near the limits; most of its tensors fit no memory. */
cn_conv2d any_extreme_conv(void);

cn_pool2d any_pool(const cn_tensor *x);

/* The maximum of 2x2 pixels, with winners. x has at least as many. */
cn_pool2d halving_pool(const cn_tensor *x);

cn_pool2d any_extreme_pool(void);

/* An epilogue of some of these operations, and rarely of any. Pointers that the operations do not
 * ask for are invalid, and so are the others until they are set. */
cn_epilogue any_epilogue(const cn_tensor *result, int32_t operations, const cn_pool2d *pool);

/* Now and then invalid. */
cn_optimizer any_optimizer(void);

#endif
