#include "check.h"

#include "cpu.h"

#include <float.h>
#include <math.h>

/* Far below the overflow of 64-bit offsets, far above the memory of any machine. */
static const int64_t most_floats = (int64_t)1 << 46;
enum { MOST_THREADS = 1024, ALIGNMENT = 64 };

enum { MOST_STRUCT = 4096 }; /* bytes of any struct of any version */

const void *sized(const void *given, void *room, uint32_t bytes) {
  uint32_t size;
  memcpy(&size, given, sizeof size);
  if (size == bytes) return given;
  if (size < sizeof size || size > MOST_STRUCT) return NULL;
  for (uint32_t i = bytes; i < size; i++)
    if (((const unsigned char *)given)[i] != 0) return NULL;
  memset(room, 0, bytes);
  memcpy(room, given, size < bytes ? size : bytes);
  return room;
}

int32_t give_sized(const void *all, uint32_t bytes, void *to) {
  uint32_t size;
  memcpy(&size, to, sizeof size);
  if (size < sizeof size || size > MOST_STRUCT) return CN_BAD_SIZE;
  memset(to, 0, size);
  memcpy(to, all, size < bytes ? size : bytes);
  memcpy(to, &size, sizeof size);
  return CN_OK;
}

int32_t check_context(const cn_context *context) {
  if ((context->features & ~cn_cpu_features()) != 0) return CN_BAD_CONTEXT;
  if (context->serial_operations < 0) return CN_BAD_VALUE;
  return context->threads < 1 || context->threads > MOST_THREADS ? CN_BAD_CONTEXT : CN_OK;
}

int32_t check_tensor(const cn_tensor *t) {
  if (t == NULL) return CN_NULL_POINTER;
  if (t->layout != CN_PLAIN && t->layout != CN_BLOCKED && t->layout != CN_FLAT)
    return CN_BAD_LAYOUT;
  if (t->type != CN_FLOAT32) return CN_BAD_LAYOUT;
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
  const int64_t value = sizeof(float), unit = t->layout == CN_BLOCKED ? CN_BLOCK * value : value;
  if (t->sample_stride < sample_floats(t) * value) return CN_BAD_SHAPE;
  if (t->sample_stride % unit != 0) return CN_BAD_SHAPE;
  return check_total((double)n * (double)t->sample_stride / (double)value);
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

int32_t check_like(const cn_tensor *x, const cn_tensor *other, int32_t n) {
  TRY(check_batch(other, n));
  return check_same(x, other);
}

int32_t check_layout(const cn_tensor *t, cn_layout layout) {
  return t->layout != (int32_t)layout ? CN_BAD_LAYOUT : CN_OK;
}

int32_t check_blocked(const cn_tensor *t, int64_t n) {
  TRY(check_batch(t, n));
  return check_layout(t, CN_BLOCKED);
}

static int32_t check_pointer(const void *p, uintptr_t alignment) {
  if (p == NULL) return CN_NULL_POINTER;
  return (uintptr_t)p % alignment != 0 ? CN_MISALIGNED : CN_OK;
}

int32_t check_floats(const void *p) { return check_pointer(p, sizeof(float)); }
int32_t check_doubles(const void *p) { return check_pointer(p, sizeof(double)); }
int32_t check_aligned(const void *p) { return check_pointer(p, ALIGNMENT); }

int32_t check_values(const cn_tensor *t, const void *values) {
  return t->layout == CN_PLAIN ? check_floats(values) : check_aligned(values);
}

int32_t check_workspace(const void *workspace, int64_t bytes, int64_t needed) {
  if (needed == 0) return CN_OK;
  if (bytes / (int64_t)sizeof(float) < needed) return CN_WORKSPACE_TOO_SMALL;
  return check_aligned(workspace);
}

static bool is_fraction(double value) { return value >= 0.0 && value < 1.0; }

int32_t check_optimizer(const cn_optimizer *o) {
  for (size_t i = 0; i < sizeof o->reserved / sizeof o->reserved[0]; i++)
    if (o->reserved[i] != 0.0) return CN_BAD_VALUE;
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

static bool is_at_least(float value, float least) { return value >= least && isfinite(value); }

/* Whether the parameters of an activation are in range. Those that its kind does not use are 0. */
static bool are_parameters(const cn_activation *f) {
  const bool alone = f->slope == 0.0f;
  switch (f->kind) {
  case CN_LEAKY_RELU:
    return is_at_least(f->slope, 0.0f) && f->a == 0.0f && f->b == 0.0f;
  case CN_CLIP:
    return alone && isfinite(f->a) && isfinite(f->b) && f->a < f->b;
  case CN_ELU:
    return alone && is_at_least(f->a, 0.0f) && f->b == 0.0f;
  case CN_CELU:
    return alone && is_at_least(f->a, FLT_TRUE_MIN) && f->b == 0.0f;
  case CN_SOFTPLUS:
    return alone && is_at_least(f->a, FLT_TRUE_MIN) && is_at_least(f->b, 0.0f);
  case CN_POW:
    return alone && isfinite(f->a) && (f->b == -1.0f || f->b == 0.0f || f->b == 1.0f);
  case CN_THRESHOLD:
    return alone && isfinite(f->a) && isfinite(f->b);
  default:
    return alone && f->a == 0.0f && f->b == 0.0f;
  }
}

int32_t check_activation(const cn_activation *f) {
  if (f->kind < 0 || f->kind >= CN_ACTIVATIONS) return CN_BAD_VALUE;
  return are_parameters(f) ? CN_OK : CN_BAD_VALUE;
}

int32_t check_fused(const cn_activation *f) {
  TRY(check_activation(f));
  return keeps_zero(f) ? CN_OK : CN_BAD_VALUE;
}

int32_t check_slope(const cn_activation *f) {
  TRY(check_fused(f));
  const bool first = f->kind <= CN_LEAKY_RELU, second = f->kind >= CN_CLIP && f->kind < CN_SILU;
  return first || second ? CN_OK : CN_BAD_VALUE;
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

/* Whether a window that begins before the image steps over it: the taps around it are further apart
 * than its size. */
static bool steps_over(const window_axis *a, int64_t in, int64_t out) {
  const int64_t last = min_i64(-1, (out - 1) * a->stride - a->before);
  for (int64_t start = -a->before; a->dilation > in && start <= last; start += a->stride)
    if (start + ceil_div(-start, a->dilation) * a->dilation >= in) return true;
  return false;
}

/* Every window holds a pixel: the last begins before the end of the image, the first ends in it. */
static int32_t check_pool_axis(window_axis a, int64_t in, int64_t out) {
  int64_t room;
  TRY(check_axis(&a, in, &room));
  const int64_t reach = (a.kernel - 1) * a.dilation + 1;
  if (a.before >= reach || a.behind >= reach) return CN_BAD_SHAPE;
  if (out > ceil_div(room, a.stride) + 1) return CN_BAD_SHAPE;
  if ((out - 1) * a.stride >= in + a.before) return CN_BAD_SHAPE;
  return steps_over(&a, in, out) ? CN_BAD_SHAPE : CN_OK;
}

static int32_t check_pool_windows(const cn_pool2d *pool, const cn_tensor *x, const cn_tensor *y) {
  if (pool->adaptive != 0) return pool->adaptive == 1 ? CN_OK : CN_BAD_VALUE;
  TRY(check_pool_axis(rows_of_window(&pool->window), x->h, y->h));
  TRY(check_pool_axis(columns_of_window(&pool->window), x->w, y->w));
  const bool dense = pool->window.dilation_h == 1 && pool->window.dilation_w == 1;
  return pool->kind == CN_POOL_AVERAGE && !dense ? CN_BAD_SHAPE : CN_OK;
}

int32_t check_pool(const cn_pool2d *pool, const cn_tensor *x, const cn_tensor *y, int32_t n) {
  TRY(check_blocked(x, n));
  TRY(check_blocked(y, n));
  if (x->c != y->c) return CN_BAD_SHAPE;
  if (pool->kind != CN_POOL_MAX && pool->kind != CN_POOL_AVERAGE) return CN_BAD_VALUE;
  TRY(check_pool_windows(pool, x, y));
  const int64_t inside =
      min_i64(pool_kernel_h(pool, y), x->h) *
      min_i64(pool_kernel_w(pool, y), x->w); /* pixels of a window inside the image */
  if (pool->kind == CN_POOL_MAX && inside > CN_MOST_MAXIMUM) return CN_BAD_SHAPE;
  if (pool->count_include_pad != 0 && pool->count_include_pad != 1) return CN_BAD_VALUE;
  if (pool->divisor < 0) return CN_BAD_VALUE;
  if (pool->winners == 0) return CN_OK;
  if (pool->winners != 1 || !has_winners(pool, y)) return CN_BAD_VALUE;
  TRY(check_fused(&pool->activation));
  return pool->activation.kind <= CN_RELU6 ? CN_OK : CN_BAD_VALUE; /* they record no slope */
}

/* ---- Epilogues and gradients ----------------------------------------------------------------- */

enum {
  EPILOGUE = CN_BIAS | CN_ADD | CN_ACTIVATE | CN_SLOPE | CN_STATISTICS | CN_POOL,
  GRADIENTS = CN_STORE | CN_UPDATE
};

int32_t adopt_epilogue(const cn_epilogue **epilogue, epilogue_room *room) {
  static const cn_epilogue none = {.size = sizeof none};
  if (*epilogue == NULL) *epilogue = &none;
  const cn_epilogue *e = sized(*epilogue, &room->epilogue, sizeof *e);
  if (e == NULL) return CN_BAD_SIZE;
  *epilogue = e;
  if ((e->operations & CN_POOL) == 0) return CN_OK;
  if (e->pool == NULL) return CN_NULL_POINTER;
  const cn_pool2d *pool = sized(e->pool, &room->pool, sizeof *pool);
  if (pool == NULL) return CN_BAD_SIZE;
  if (pool == e->pool) return CN_OK;
  room->own = *e;
  room->own.pool = pool;
  *epilogue = &room->own;
  return CN_OK;
}

int32_t check_epilogue(const cn_epilogue *e, int32_t supported, const cn_tensor *result,
                       int32_t n) {
  if ((e->operations & ~EPILOGUE) != 0) return CN_BAD_VALUE;
  if ((e->operations & ~supported) != 0) return CN_UNSUPPORTED;
  if ((e->operations & CN_ADD) != 0) TRY(check_like(result, &e->add, n));
  if ((e->operations & CN_ACTIVATE) != 0) TRY(check_fused(&e->activation));
  if ((e->operations & CN_SLOPE) != 0) TRY(check_slope(&e->activation));
  return (e->operations & CN_SLOPE) != 0 ? check_like(result, &e->outputs, n) : CN_OK;
}

int32_t check_operands(const cn_epilogue *e, int32_t operations) {
  const int32_t asked = e->operations & operations;
  if ((asked & CN_BIAS) != 0) TRY(check_aligned(e->bias));
  if ((asked & CN_ADD) != 0) TRY(check_values(&e->add, e->add_values));
  if ((asked & CN_SLOPE) != 0) TRY(check_values(&e->outputs, e->output_values));
  if ((asked & CN_STATISTICS) != 0) TRY(check_aligned(e->statistics));
  return (asked & CN_POOL) != 0 && e->pool->winners != 0 ? check_aligned(e->winners) : CN_OK;
}

static int32_t check_parameter(const cn_optimizer *o, const cn_parameter *p) {
  TRY(check_rates(p->learning_rate, p->weight_decay));
  TRY(check_aligned(p->values));
  for (int i = 0; i < optimizer_states(o); i++) TRY(check_aligned(p->states[i]));
  return CN_OK;
}

int32_t check_gradients(const cn_gradients *g, bool bias, bool aligned) {
  if (g->operations == 0 || (g->operations & ~GRADIENTS) != 0) return CN_BAD_VALUE;
  if ((g->operations & CN_STORE) != 0) {
    TRY(aligned ? check_aligned(g->dw) : check_floats(g->dw));
    if (bias) TRY(check_aligned(g->db));
  }
  if ((g->operations & CN_UPDATE) == 0) return CN_OK;
  TRY(check_optimizer(&g->optimizer));
  TRY(check_parameter(&g->optimizer, &g->weights));
  return bias ? check_parameter(&g->optimizer, &g->bias) : CN_OK;
}
