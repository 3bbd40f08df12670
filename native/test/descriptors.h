/* Random numbers and descriptors. The descriptors are valid unless they are spoilt. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "harness.h"

/* True with this probability. */
bool chance(int percent);

/* A number from 0 to most - 1. */
int32_t below(int32_t most);

int32_t one_of(const int32_t *values, int32_t count);

/* Overwrites some of `count` numbers with limits of ranges, with neighbours of their old values, or
 * with one another. */
void spoil(void *description, int32_t count);

/* Now and then invalid. */
cn_context any_context(void);

/* Now and then invalid. */
int32_t any_batch(void);

cn_tensor any_tensor(int32_t layout);

/* Changes the halo, and with it the distance between samples. */
void other_halo(cn_tensor *t);

/* One that kernels end in. */
cn_activation any_activation(void);

cn_conv2d any_conv(void);

cn_pool2d any_pool(const cn_tensor *x);

cn_optimizer any_optimizer(void);

/* One of the given numbers. */
#define ONE_OF(...)                                                                                \
  one_of((const int32_t[]){__VA_ARGS__},                                                           \
         (int32_t)(sizeof(int32_t[]){__VA_ARGS__} / sizeof(int32_t)))

#endif
