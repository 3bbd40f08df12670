/*
 * How a depthwise convolution is divided into work; depends on shapes only, like conv_plan.h. The
 * source is read in place and row by row, as one memory stream.
 */
#ifndef CN_DEPTHWISE_PLAN_H
#define CN_DEPTHWISE_PLAN_H

#include "conv_plan.h"

enum { KEPT_AXES = 4 }; /* residues whose axes the plan stores */

typedef struct depthwise_plan {
  const cn_conv2d *conv;
  bool backward;
  cn_tensor src, dst; /* backward-weights, which reads both: x and dy */
  view sv, dv;
  int64_t n;
  int32_t src_stride_h, src_stride_w, dst_stride_h, dst_stride_w;
  axis y[KEPT_AXES], x[KEPT_AXES];
  int64_t strip_rows, strips; /* strips of rows that form a plane of dst */
  /*
   * Backward-weights: samples are divided into chunks with separate sums, and blocks into groups.
   */
  int64_t chunks, block_groups, chunk_floats; /* chunk_floats: weights, then bias */
  int64_t sum_floats;                         /* sums of a block, including its bias */
  int64_t own_floats;                         /* per thread: sums of a group of blocks */
} depthwise_plan;

depthwise_plan depthwise_plan_of(const cn_conv2d *conv, int32_t pass, int64_t n);

/* The axis of destination rows (columns) residue + t dst_stride. */
axis depthwise_axis_y(const depthwise_plan *p, int32_t residue);
axis depthwise_axis_x(const depthwise_plan *p, int32_t residue);

/* Floating-point operations: two per multiply-add. */
double depthwise_operations(const cn_conv2d *conv, int64_t n);

#endif
