/*
 * Calls with random descriptors, valid and not, of every function. What a call does is compared
 * with what the queries say about it.
 */
#ifndef CN_TEST_FUZZ_H
#define CN_TEST_FUZZ_H

#include "descriptors.h"
#include "guarded.h"

/* Most multiply-adds of a call, but of a few that need more for several partial sums. */
enum { MOST_WORK = 300000 };

void fuzz_convolution(void);

/* Prints which variants of a convolution ran, and returns their number. */
int32_t print_variants(void);

void fuzz_linear(void);
void fuzz_pool(void);
void fuzz_resample(void);
void fuzz_rearrange(void);
void fuzz_norm(void);
void fuzz_sample_norm(void);
void fuzz_softmax(void);
void fuzz_lrn(void);
void fuzz_elementwise(void);
void fuzz_channel_scale(void);
void fuzz_channels(void);
void fuzz_vectors(void);
void fuzz_optimizer(void);
void fuzz_loss(void);
void fuzz_machine(void);

/* The gradients of parameters of this size, of a layer with or without a bias. */
cn_gradients any_gradients(int64_t weight_bytes, bool bias, int32_t channels);

/* Whether a step of the gradients is valid. */
bool takes_step(const cn_gradients *gradients);

#endif
