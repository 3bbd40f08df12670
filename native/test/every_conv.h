/* The convolutions of every_kernel.h: one for each way of computing a pass. */
#ifndef CN_TEST_EVERY_CONV_H
#define CN_TEST_EVERY_CONV_H

#include "conv_problem.h"
#include "operands.h"

extern const conv_case narrow, stem, stem_samples, samples, pixels_data, blocks, strided, pixels,
    grouped, loops, depthwise, depthwise_strided;

/* Three passes, with an epilogue behind the first two; then gradients with an update. */
void convolve(run *r, const conv_case *t, int32_t algorithm);

/* A convolution and the pool behind it; then the gradient of the weights, if a kernel computes it
 * from that of the pool. */
void convolve_and_pool(run *r, const conv_case *t, int32_t algorithm);

void conv2d_pack(run *r);
void conv2d_transform(run *r);

#endif
