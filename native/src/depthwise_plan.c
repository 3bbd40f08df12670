#include "depthwise_plan.h"

enum {
  STRIPS = 32,     /* fewest strips offered to the threads, if there are enough rows */
  STRIP_ROWS = 8,  /* fewest rows of a strip, whose first rows the strip above reads too */
  CHUNKS = 16,     /* most chunks of samples */
  LEAST_ITEMS = 16 /* fewest items of backward-weights, if there are enough blocks */
};

/* The same sum with its taps in the order of the source. */
static axis ascending(axis a) {
  if (a.taps == 0 || a.src_tap > 0) return a;
  const int32_t last = a.taps - 1;
  return (axis){.dst = a.dst,
                .count = a.count,
                .taps = a.taps,
                .src = a.src + last * a.src_tap,
                .src_tap = -a.src_tap,
                .tap = a.tap + last * a.tap_step,
                .tap_step = -a.tap_step};
}

static axis new_axis_y(const depthwise_plan *p, int32_t residue) {
  const cn_conv2d *c = p->conv;
  if (!p->backward)
    return axis_forward(c->window.kernel_h, c->window.dilation_h, c->window.pad_top, p->dst.h);
  return ascending(axis_backward(c->window.kernel_h, c->window.stride_h, c->window.dilation_h,
                                 c->window.pad_top, p->dst.h, residue));
}

static axis new_axis_x(const depthwise_plan *p, int32_t residue) {
  const cn_conv2d *c = p->conv;
  if (!p->backward)
    return axis_forward(c->window.kernel_w, c->window.dilation_w, c->window.pad_left, p->dst.w);
  return ascending(axis_backward(c->window.kernel_w, c->window.stride_w, c->window.dilation_w,
                                 c->window.pad_left, p->dst.w, residue));
}

axis depthwise_axis_y(const depthwise_plan *p, int32_t residue) {
  return residue < KEPT_AXES ? p->y[residue] : new_axis_y(p, residue);
}

axis depthwise_axis_x(const depthwise_plan *p, int32_t residue) {
  return residue < KEPT_AXES ? p->x[residue] : new_axis_x(p, residue);
}

static void set_axes(depthwise_plan *p) {
  for (int32_t i = 0; i < min_i64(KEPT_AXES, p->dst_stride_h); i++) p->y[i] = new_axis_y(p, i);
  for (int32_t i = 0; i < min_i64(KEPT_AXES, p->dst_stride_w); i++) p->x[i] = new_axis_x(p, i);
}

static void set_strips(depthwise_plan *p) {
  const int64_t planes = p->n * p->dv.planes;
  p->strips = max_i64(1, min_i64(ceil_div(STRIPS, planes), p->dst.h / STRIP_ROWS));
  p->strip_rows = ceil_div(p->dst.h, p->strips);
  p->strips = ceil_div(p->dst.h, p->strip_rows);
}

static void set_chunks(depthwise_plan *p) {
  const int64_t taps = (int64_t)p->conv->window.kernel_h * p->conv->window.kernel_w;
  p->chunks = min_i64(p->n, CHUNKS);
  p->block_groups = min_i64(p->sv.planes, ceil_div(LEAST_ITEMS, p->chunks));
  p->sum_floats = (taps + 1) * CN_BLOCK;
  p->own_floats = ceil_div(p->sv.planes, p->block_groups) * p->sum_floats;
  p->chunk_floats = p->sv.planes * p->sum_floats;
}

depthwise_plan depthwise_plan_of(const cn_conv2d *conv, int32_t pass, int64_t n) {
  const bool backward = pass == CN_BACKWARD_DATA;
  depthwise_plan p = {.conv = conv,
                      .backward = backward,
                      .src = backward ? conv->dy : conv->x,
                      .dst = backward             ? conv->dx
                             : pass == CN_FORWARD ? conv->y
                                                  : conv->dy,
                      .n = n,
                      .src_stride_h = backward ? 1 : conv->window.stride_h,
                      .src_stride_w = backward ? 1 : conv->window.stride_w,
                      .dst_stride_h = backward ? conv->window.stride_h : 1,
                      .dst_stride_w = backward ? conv->window.stride_w : 1};
  p.sv = view_of(&p.src, n);
  p.dv = view_of(&p.dst, n);
  set_axes(&p);
  set_strips(&p);
  if (pass == CN_BACKWARD_WEIGHTS) set_chunks(&p);
  return p;
}

double depthwise_operations(const cn_conv2d *conv, int64_t n) {
  return 2.0 * n * conv->y.c * conv->y.h * conv->y.w * conv->window.kernel_h *
         conv->window.kernel_w;
}
