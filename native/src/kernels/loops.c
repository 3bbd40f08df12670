/*
 * Convolution with groups that do not fill blocks of channels: plain loops, weights in OIHW order,
 * sums in double precision. Correct for any shape, but slow; the other forms have optimised
 * kernels.
 */
#include "conv.h"

typedef struct loops_job {
  const cn_conv2d *conv;
  view xv, yv; /* of the tensors of this pass */
  int64_t n;
  const float *x, *w, *bias, *dy;
  cn_activation activation;
  float *y, *dx, *dw, *db;
} loops_job;

static int64_t value_offset(const view *v, int64_t sample, int64_t channel, int64_t y, int64_t x) {
  return plane_offset(v, sample, channel / CN_BLOCK) + y * v->row + x * v->pixel +
         channel % CN_BLOCK;
}

/* Offset of w[k][c][r][s], c counted within the group. */
static int64_t weight_offset(const cn_conv2d *conv, int64_t k, int64_t c, int64_t r, int64_t s) {
  return ((k * (conv->x.c / conv->groups) + c) * conv->window.kernel_h + r) *
             conv->window.kernel_w +
         s;
}

static double output_value(const loops_job *job, int64_t sample, int64_t k, int64_t oy,
                           int64_t ox) {
  const cn_conv2d *conv = job->conv;
  const int64_t channels = conv->x.c / conv->groups;
  const int64_t c0 = k / (conv->y.c / conv->groups) * channels;
  double sum = job->bias != NULL ? job->bias[k] : 0.0;
  for (int64_t c = 0; c < channels; c++)
    for (int64_t r = 0; r < conv->window.kernel_h; r++)
      for (int64_t s = 0; s < conv->window.kernel_w; s++) {
        const int64_t iy =
            oy * conv->window.stride_h + r * conv->window.dilation_h - conv->window.pad_top;
        const int64_t ix =
            ox * conv->window.stride_w + s * conv->window.dilation_w - conv->window.pad_left;
        if (iy < 0 || iy >= conv->x.h || ix < 0 || ix >= conv->x.w) continue;
        sum += (double)job->w[weight_offset(conv, k, c, r, s)] *
               job->x[value_offset(&job->xv, sample, c0 + c, iy, ix)];
      }
  return sum;
}

static double input_gradient(const loops_job *job, int64_t sample, int64_t c, int64_t iy,
                             int64_t ix) {
  const cn_conv2d *conv = job->conv;
  const int64_t channels = conv->x.c / conv->groups, filters = conv->y.c / conv->groups;
  const int64_t k0 = c / channels * filters;
  double sum = 0.0;
  for (int64_t k = k0; k < k0 + filters; k++)
    for (int64_t r = 0; r < conv->window.kernel_h; r++)
      for (int64_t s = 0; s < conv->window.kernel_w; s++) {
        const int64_t py = iy + conv->window.pad_top - r * conv->window.dilation_h;
        const int64_t px = ix + conv->window.pad_left - s * conv->window.dilation_w;
        if (py < 0 || px < 0 || py % conv->window.stride_h != 0 || px % conv->window.stride_w != 0)
          continue;
        const int64_t oy = py / conv->window.stride_h, ox = px / conv->window.stride_w;
        if (oy >= conv->dy.h || ox >= conv->dy.w) continue;
        sum += (double)job->w[weight_offset(conv, k, c % channels, r, s)] *
               job->dy[value_offset(&job->yv, sample, k, oy, ox)];
      }
  return sum;
}

static double weight_gradient(const loops_job *job, int64_t k, int64_t c, int64_t r, int64_t s) {
  const cn_conv2d *conv = job->conv;
  double sum = 0.0;
  for (int64_t i = 0; i < job->n; i++)
    for (int64_t oy = 0; oy < conv->dy.h; oy++)
      for (int64_t ox = 0; ox < conv->dy.w; ox++) {
        const int64_t iy =
            oy * conv->window.stride_h + r * conv->window.dilation_h - conv->window.pad_top;
        const int64_t ix =
            ox * conv->window.stride_w + s * conv->window.dilation_w - conv->window.pad_left;
        if (iy < 0 || iy >= conv->x.h || ix < 0 || ix >= conv->x.w) continue;
        sum += (double)job->dy[value_offset(&job->yv, i, k, oy, ox)] *
               job->x[value_offset(&job->xv, i, c, iy, ix)];
      }
  return sum;
}

/* Items are (sample, block of y). */
BODY(loop_forward_items) {
  const loops_job *job = state;
  const cn_tensor *t = &job->conv->y;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / job->yv.planes, block = item % job->yv.planes;
    float *plane = job->y + plane_offset(&job->yv, sample, block);
    for (int64_t i = 0; i < (int64_t)t->h * t->w * CN_BLOCK; i++) {
      const int64_t k = block * CN_BLOCK + i % CN_BLOCK;
      const int64_t oy = i / CN_BLOCK / t->w, ox = i / CN_BLOCK % t->w;
      plane[oy * job->yv.row + ox * CN_BLOCK + i % CN_BLOCK] =
          k < t->c ? (float)output_value(job, sample, k, oy, ox) : 0.0f;
    }
    for (int64_t oy = 0; oy < t->h; oy++)
      for (int64_t i = 0; i < (int64_t)t->w * CN_BLOCK; i += VEC) {
        float *at = plane + oy * job->yv.row + i;
        vec v = vec_load(at);
        activate(job->activation, &v, 1);
        vec_store(at, v);
      }
    zero_border(t, &job->yv, plane, 0, t->h);
  }
}

/* Items are (sample, block of dx). */
BODY(loop_data_items) {
  const loops_job *job = state;
  const cn_tensor *t = &job->conv->dx;
  (void)thread;
  for (int64_t item = first; item < last; item++) {
    const int64_t sample = item / job->xv.planes, block = item % job->xv.planes;
    float *plane = job->dx + plane_offset(&job->xv, sample, block);
    for (int64_t i = 0; i < (int64_t)t->h * t->w * CN_BLOCK; i++) {
      const int64_t c = block * CN_BLOCK + i % CN_BLOCK;
      const int64_t iy = i / CN_BLOCK / t->w, ix = i / CN_BLOCK % t->w;
      plane[iy * job->xv.row + ix * CN_BLOCK + i % CN_BLOCK] =
          c < t->c ? (float)input_gradient(job, sample, c, iy, ix) : 0.0f;
    }
    zero_border(t, &job->xv, plane, 0, t->h);
  }
}

/* Items are output channels, including the padding of the last block, so that its lanes of db
 * become zero. */
BODY(loop_weights_items) {
  const loops_job *job = state;
  const cn_conv2d *conv = job->conv;
  const int64_t channels = conv->x.c / conv->groups, filters = conv->y.c / conv->groups;
  (void)thread;
  for (int64_t k = first; k < last; k++) {
    double bias = 0.0;
    for (int64_t i = 0; i < job->n && k < conv->y.c; i++)
      for (int64_t p = 0; p < (int64_t)conv->dy.h * conv->dy.w; p++)
        bias += job->dy[value_offset(&job->yv, i, k, p / conv->dy.w, p % conv->dy.w)];
    if (job->db != NULL) job->db[k] = (float)bias;
    for (int64_t c = 0; c < channels && k < conv->y.c; c++)
      for (int64_t r = 0; r < conv->window.kernel_h; r++)
        for (int64_t s = 0; s < conv->window.kernel_w; s++)
          job->dw[weight_offset(conv, k, c, r, s)] =
              (float)weight_gradient(job, k, k / filters * channels + c, r, s);
  }
}

static double operations(const cn_conv2d *conv, int64_t n) {
  return 2.0 * n * conv->y.c * conv->y.h * conv->y.w * (conv->x.c / conv->groups) *
         conv->window.kernel_h * conv->window.kernel_w;
}

void ISA_NAME(conv_loops_forward)(const conv_call *call) {
  const cn_conv2d *conv = call->conv;
  const tail t = tail_of(call);
  const loops_job job = {.conv = conv,
                         .xv = view_of(&conv->x, call->n),
                         .yv = view_of(&conv->y, call->n),
                         .x = call->x,
                         .w = call->w,
                         .bias = bias_of(call),
                         .activation = activation_of(call),
                         .y = call->out};
  run_parallel(call->context, operations(conv, call->n), loop_forward_items,
               call->n * job.yv.planes, &job);
  run_tail(call->context, &t, &conv->y, call->n, call->out);
}

void ISA_NAME(conv_loops_backward_data)(const conv_call *call) {
  const cn_conv2d *conv = call->conv;
  const tail t = tail_of(call);
  const loops_job job = {.conv = conv,
                         .xv = view_of(&conv->dx, call->n),
                         .yv = view_of(&conv->dy, call->n),
                         .w = call->w,
                         .dy = call->dy,
                         .dx = call->out};
  run_parallel(call->context, operations(conv, call->n), loop_data_items, call->n * job.xv.planes,
               &job);
  run_tail(call->context, &t, &conv->dx, call->n, call->out);
}

void ISA_NAME(conv_loops_backward_weights)(const conv_call *call) {
  const cn_conv2d *conv = call->conv;
  const gradient_use use = gradient_use_of(call->gradients, call_does(call, CN_BIAS));
  const loops_job job = {.conv = conv,
                         .xv = view_of(&conv->x, call->n),
                         .yv = view_of(&conv->dy, call->n),
                         .n = call->n,
                         .x = call->x,
                         .dy = call->dy,
                         .dw = use.dw,
                         .db = use.db};
  run_parallel(call->context, operations(conv, call->n), loop_weights_items,
               blocks_of(conv->y.c) * CN_BLOCK, &job);
}
