#include "check.h"

#include "cpu.h"

#include <math.h>

/* Far below the overflow of 64-bit offsets, far above the memory of any machine. */
static const int64_t most_floats = (int64_t)1 << 46;
enum { MOST_THREADS = 1024, ALIGNMENT = 64 };

int32_t check_context(const cn_context *context) {
  if (context == NULL) return CN_NULL_POINTER;
  if (context->abi_version != CN_ABI_VERSION) return CN_BAD_CONTEXT;
  if (context->isa < CN_SCALAR || context->isa > cn_cpu_isa()) return CN_BAD_CONTEXT;
  return context->threads < 1 || context->threads > MOST_THREADS ? CN_BAD_CONTEXT : CN_OK;
}

int32_t check_tensor(const cn_tensor *t) {
  if (t == NULL) return CN_NULL_POINTER;
  if (t->layout != CN_PLAIN && t->layout != CN_BLOCKED && t->layout != CN_FLAT)
    return CN_BAD_LAYOUT;
  if (t->c < 1 || t->h < 1 || t->w < 1 || t->c > CN_MOST_SIZE) return CN_BAD_SHAPE;
  if (t->halo < 0 || t->halo > CN_MOST_HALO) return CN_BAD_SHAPE;
  if (t->layout == CN_FLAT && t->halo != 0) return CN_BAD_LAYOUT;
  return (int64_t)t->h * t->w > CN_MOST_SIZE ? CN_BAD_SHAPE : CN_OK;
}

int32_t check_batch(const cn_tensor *t, int64_t n) {
  TRY(check_tensor(t));
  if (n < 1 || n > CN_MOST_SIZE) return CN_BAD_SHAPE;
  const double plane = ((double)t->h + 2 * t->halo) * ((double)t->w + 2 * t->halo);
  const double channels = (double)blocks_of(t->c) * CN_BLOCK;
  TRY(check_total((double)n * channels * plane));
  if (t->sample_stride == 0) return CN_OK;
  if (t->layout == CN_FLAT) return CN_BAD_LAYOUT;
  if (t->sample_stride < sample_floats(t)) return CN_BAD_SHAPE;
  if (t->layout == CN_BLOCKED && t->sample_stride % CN_BLOCK != 0) return CN_BAD_SHAPE;
  return check_total((double)n * (double)t->sample_stride);
}

int32_t check_total(double floats) { return floats > (double)most_floats ? CN_BAD_SHAPE : CN_OK; }

int32_t check_count(int64_t count) {
  return count < 0 || count > most_floats ? CN_BAD_SHAPE : CN_OK;
}

int32_t check_pass(int32_t pass) {
  return pass == CN_FORWARD || pass == CN_BACKWARD_DATA || pass == CN_BACKWARD_WEIGHTS
             ? CN_OK
             : CN_BAD_VALUE;
}

int32_t check_same(const cn_tensor *a, const cn_tensor *b) {
  if (a->c != b->c || a->h != b->h || a->w != b->w) return CN_BAD_SHAPE;
  return a->layout != b->layout ? CN_BAD_LAYOUT : CN_OK;
}

int32_t check_layout(const cn_tensor *t, cn_layout layout) {
  return t->layout != (int32_t)layout ? CN_BAD_LAYOUT : CN_OK;
}

static int32_t check_pointer(const void *p, uintptr_t alignment) {
  if (p == NULL) return CN_NULL_POINTER;
  return (uintptr_t)p % alignment != 0 ? CN_MISALIGNED : CN_OK;
}

int32_t check_floats(const void *p) { return check_pointer(p, sizeof(float)); }
int32_t check_aligned(const void *p) { return check_pointer(p, ALIGNMENT); }

int32_t check_values(const cn_tensor *t, const float *values) {
  return t->layout == CN_PLAIN ? check_floats(values) : check_aligned(values);
}

int32_t check_workspace(const float *workspace, int64_t floats, int64_t needed) {
  if (needed == 0) return CN_OK;
  if (floats < needed) return CN_WORKSPACE_TOO_SMALL;
  return check_aligned(workspace);
}

static bool is_fraction(double value) { return value >= 0.0 && value < 1.0; }

int32_t check_optimizer(const cn_optimizer *o) {
  switch (o->kind) {
  case CN_SGD:
    if ((o->flags & ~CN_NESTEROV) != 0) return CN_BAD_VALUE;
    return o->momentum >= 0.0 && (float)o->momentum < 1.0f ? CN_OK : CN_BAD_VALUE;
  case CN_ADAM:
    if ((o->flags & ~CN_DECOUPLED) != 0 || o->step < 1) return CN_BAD_VALUE;
    if (!is_fraction(o->beta1) || !is_fraction(o->beta2)) return CN_BAD_VALUE;
    return (float)o->epsilon > 0.0f && isfinite((float)o->epsilon) ? CN_OK : CN_BAD_VALUE;
  default:
    return CN_BAD_VALUE;
  }
}

int32_t check_rates(float learning_rate, float weight_decay) {
  return isfinite(learning_rate) && weight_decay >= 0.0f && isfinite(weight_decay) ? CN_OK
                                                                                   : CN_BAD_VALUE;
}

int32_t check_activation(const cn_activation *a) {
  if (a->kind < 0 || a->kind >= CN_ACTIVATIONS) return CN_BAD_VALUE;
  if (a->kind != CN_LEAKY_RELU) return a->slope == 0.0f ? CN_OK : CN_BAD_VALUE;
  return a->slope >= 0.0f && isfinite(a->slope) ? CN_OK : CN_BAD_VALUE;
}

int32_t check_fused(const cn_activation *a) {
  TRY(check_activation(a));
  return a->kind <= CN_LEAKY_RELU ? CN_OK : CN_BAD_VALUE;
}

/* A window along one axis. */
typedef struct window_axis {
  int64_t kernel, stride, before, behind, dilation;
} window_axis;

/* `room` is how far it can move over `in` pixels; every size is in its range. */
static int32_t check_axis(const window_axis *a, int64_t in, int64_t *room) {
  if (a->kernel < 1 || a->stride < 1 || a->dilation < 1 || a->before < 0 || a->behind < 0)
    return CN_BAD_SHAPE;
  if (a->kernel > CN_MOST_SIZE || a->dilation > CN_MOST_WINDOW) return CN_BAD_SHAPE;
  if (a->stride > CN_MOST_WINDOW || a->before > CN_MOST_WINDOW || a->behind > CN_MOST_WINDOW)
    return CN_BAD_SHAPE;
  *room = in + a->before + a->behind - a->dilation * (a->kernel - 1) - 1;
  return *room < 0 ? CN_BAD_SHAPE : CN_OK;
}

static window_axis rows_of_window(const cn_window *w) {
  return (window_axis){w->kernel_h, w->stride_h, w->pad_top, w->pad_bottom, w->dilation_h};
}

static window_axis columns_of_window(const cn_window *w) {
  return (window_axis){w->kernel_w, w->stride_w, w->pad_left, w->pad_right, w->dilation_w};
}

static int32_t check_filter_axis(window_axis a, int64_t in, int64_t out) {
  int64_t room;
  TRY(check_axis(&a, in, &room));
  return out > room / a.stride + 1 ? CN_BAD_SHAPE : CN_OK;
}

int32_t check_window(const cn_window *w, const cn_tensor *x, const cn_tensor *y) {
  TRY(check_filter_axis(rows_of_window(w), x->h, y->h));
  return check_filter_axis(columns_of_window(w), x->w, y->w);
}

/* Every window holds a pixel: the last begins before the end of the image, the first ends in it. */
static int32_t check_pool_axis(window_axis a, int64_t in, int64_t out) {
  int64_t room;
  TRY(check_axis(&a, in, &room));
  if (a.dilation != 1 || a.before >= a.kernel || a.behind >= a.kernel) return CN_BAD_SHAPE;
  if (out > ceil_div(room, a.stride) + 1) return CN_BAD_SHAPE;
  return (out - 1) * a.stride >= in + a.before ? CN_BAD_SHAPE : CN_OK;
}

int32_t check_pool(const cn_pool2d *pool, const cn_tensor *x, const cn_tensor *y, int32_t n) {
  TRY(check_batch(x, n));
  TRY(check_batch(y, n));
  TRY(check_layout(x, CN_BLOCKED));
  TRY(check_layout(y, CN_BLOCKED));
  if (x->c != y->c) return CN_BAD_SHAPE;
  TRY(check_pool_axis(rows_of_window(&pool->window), x->h, y->h));
  TRY(check_pool_axis(columns_of_window(&pool->window), x->w, y->w));
  if (pool->kind != CN_POOL_MAX && pool->kind != CN_POOL_AVERAGE) return CN_BAD_VALUE;
  const int64_t inside =
      (int64_t)min_i32(pool->window.kernel_h, x->h) *
      min_i32(pool->window.kernel_w, x->w); /* pixels of a window inside the image */
  if (pool->kind == CN_POOL_MAX && inside > CN_MOST_MAXIMUM) return CN_BAD_SHAPE;
  TRY(check_fused(&pool->activation));
  const int32_t activation = pool->activation.kind;
  if (activation != CN_IDENTITY &&
      (pool->kind != CN_POOL_MAX ||
       activation == CN_LEAKY_RELU)) /* winners cannot record a slope */
    return CN_BAD_VALUE;
  return pool->count_include_pad != 0 && pool->count_include_pad != 1 ? CN_BAD_VALUE : CN_OK;
}

int32_t check_winners(const cn_pool2d *pool, const uint8_t *winners) {
  if (winners == NULL) return CN_OK;
  if (pool->kind != CN_POOL_MAX ||
      (int64_t)pool->window.kernel_h * pool->window.kernel_w > CN_NO_WINNER)
    return CN_BAD_VALUE;
  return check_aligned(winners);
}
