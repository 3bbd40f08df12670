/*
 * Queries of a million random descriptors, valid and not, with sizes up to every limit: the result
 * is a status exactly if the descriptor breaks a rule of convnet.h or its sizes are beyond any
 * memory. Else sizes follow the layouts that convnet.h documents, computed here in double
 * precision. The work of a query is bounded: this test would not end if one looped over pixels,
 * taps or strides.
 */
#include "descriptors.h"

enum { ROUNDS = 250000, EXTREMES = 100000 };

/* Bytes up to which a size must be answered. Beyond it may be "too large". */
static const double certain = 1099511627776.0; /* 2^40 */

static int64_t queries, answered; /* and those whose answer is no status */

static int64_t answer(int64_t result) {
  queries++;
  answered += result >= 0;
  return result;
}

/* ---- The rules ------------------------------------------------------------------------------- */

static double blocks(int32_t c) { return ceil((double)c / CN_BLOCK); }

static bool is_between(int64_t value, int64_t least, int64_t most) {
  return value >= least && value <= most;
}

/* Bytes of a sample without a stride. */
static double sample_bytes(const cn_tensor *t) {
  const double plane = ((double)t->h + 2.0 * t->halo) * ((double)t->w + 2.0 * t->halo);
  return sizeof(float) * plane * (t->layout == CN_PLAIN ? t->c : CN_BLOCK * blocks(t->c));
}

static double tensor_bytes(const cn_tensor *t, int32_t n) {
  const double sample = sample_bytes(t);
  return t->sample_stride == 0 ? n * sample : (n - 1.0) * (double)t->sample_stride + sample;
}

/* What a tensor of n samples may be refused for: the samples with all that is between them. */
static double reach_of(const cn_tensor *t, int32_t n) {
  return n * fmax(sample_bytes(t), (double)t->sample_stride);
}

static bool is_tensor(const cn_tensor *t, int32_t n) {
  if (!is_between(t->c, 1, CN_MOST_SIZE) || !is_between(t->h, 1, CN_MOST_SIZE) ||
      !is_between(t->w, 1, CN_MOST_SIZE) || (int64_t)t->h * t->w > CN_MOST_SIZE ||
      !is_between(n, 1, CN_MOST_SIZE) || !is_between(t->layout, CN_PLAIN, CN_FLAT) ||
      !is_between(t->halo, 0, t->layout == CN_FLAT ? 0 : CN_MOST_HALO) || t->type != CN_FLOAT32)
    return false;
  const int64_t unit = t->layout == CN_BLOCKED ? CN_BLOCK * sizeof(float) : sizeof(float);
  return t->sample_stride == 0 || (t->layout != CN_FLAT && t->sample_stride % unit == 0 &&
                                   (double)t->sample_stride >= sample_bytes(t));
}

static bool is_same(const cn_tensor *a, const cn_tensor *b) {
  return a->c == b->c && a->h == b->h && a->w == b->w && a->layout == b->layout;
}

/* Windows of `taps` pixels on `in` pixels, of which `out` are computed. */
static bool is_axis(int64_t taps, int64_t stride, int64_t before, int64_t behind, int64_t dilation,
                    int64_t in, int64_t out) {
  if (taps < 1 || dilation < 1 || !is_between(stride, 1, CN_MOST_WINDOW) ||
      !is_between(before, 0, CN_MOST_WINDOW) || !is_between(behind, 0, CN_MOST_WINDOW) ||
      !is_between(taps * dilation, 1, CN_MOST_WINDOW))
    return false;
  const int64_t room = in + before + behind - dilation * (taps - 1) - 1;
  return room >= 0 && out <= room / stride + 1;
}

static bool is_window(const cn_window *w, const cn_tensor *x, const cn_tensor *y) {
  return is_axis(w->kernel_h, w->stride_h, w->pad_top, w->pad_bottom, w->dilation_h, x->h, y->h) &&
         is_axis(w->kernel_w, w->stride_w, w->pad_left, w->pad_right, w->dilation_w, x->w, y->w) &&
         (int64_t)w->kernel_h * w->kernel_w <= CN_MOST_SIZE;
}

typedef enum form { STEM, FULL, DEPTHWISE, OTHER } form;

static form form_of(const cn_conv2d *c) {
  if (c->x.layout == CN_PLAIN) return STEM;
  if (c->groups == 1) return FULL;
  if (c->groups == c->x.c && c->groups == c->y.c) return DEPTHWISE;
  return c->x.c / c->groups % CN_BLOCK == 0 && c->y.c / c->groups % CN_BLOCK == 0 ? FULL : OTHER;
}

/* What all queries require. Winograd algorithms are restricted further, by fits_algorithm. */
static bool is_conv(const cn_conv2d *c, int32_t n) {
  if (!is_tensor(&c->x, n) || !is_tensor(&c->y, n) || c->y.layout != CN_BLOCKED) return false;
  if (c->groups < 1 || c->x.c % c->groups != 0 || c->y.c % c->groups != 0) return false;
  if (c->x.layout == CN_PLAIN ? c->x.c >= CN_BLOCK || c->groups != 1 : c->x.layout != CN_BLOCKED)
    return false;
  return is_between(c->algorithm, 0, CN_ALGORITHMS - 1) && is_between(c->transformed, 0, 1) &&
         is_window(&c->window, &c->x, &c->y);
}

static bool has_gradients(const cn_conv2d *c, int32_t pass, int32_t n) {
  if (pass != CN_FORWARD && !(is_tensor(&c->dy, n) && is_same(&c->dy, &c->y))) return false;
  return pass != CN_BACKWARD_DATA || (is_tensor(&c->dx, n) && is_same(&c->dx, &c->x));
}

static bool fits_algorithm(const cn_conv2d *c) {
  const cn_window *w = &c->window;
  return c->algorithm == CN_DIRECT ||
         (w->kernel_h == 3 && w->kernel_w == 3 && w->stride_h == 1 && w->stride_w == 1 &&
          w->dilation_h == 1 && w->dilation_w == 1 && form_of(c) == FULL);
}

static double weight_bytes(const cn_conv2d *c) {
  const double taps = (double)c->window.kernel_h * c->window.kernel_w * sizeof(float);
  const double lanes = CN_BLOCK, groups = c->groups;
  switch (form_of(c)) {
  case STEM:
    return taps * blocks(c->y.c) * c->x.c * lanes;
  case FULL:
    return taps * groups * blocks(c->y.c / c->groups) * blocks(c->x.c / c->groups) * lanes * lanes;
  case DEPTHWISE:
    return taps * blocks(c->x.c) * lanes;
  default:
    return taps * c->y.c * (c->x.c / c->groups);
  }
}

/* The largest of the sizes that a convolution may be refused for. */
static double largest_bytes(const cn_conv2d *c, int32_t n) {
  const cn_tensor *tensors[] = {&c->x, &c->y, &c->dx, &c->dy};
  double most = weight_bytes(c);
  for (int i = 0; i < 4; i++) most = fmax(most, reach_of(tensors[i], n));
  const cn_window *w = &c->window;
  const double rows = (double)c->x.h + w->pad_top + w->pad_bottom;
  const double columns = (double)c->x.w + w->pad_left + w->pad_right;
  const double lanes = CN_BLOCK * sizeof(float);
  return fmax(most, n * rows * columns * lanes * (blocks(c->x.c) + blocks(c->y.c)));
}

/* A query of a size, given whether the descriptor is valid, and the size. */
static void check_size(const char *query, int64_t got, bool is_valid, double expected,
                       double reach) {
  answer(got);
  if (!is_valid)
    CHECK(got < 0 && got >= CN_NO_MEMORY, "%s: %lld for an invalid descriptor", query,
          (long long)got);
  else if (got < 0)
    CHECK(got == CN_BAD_SHAPE && reach > certain, "%s: %lld instead of %.0f", query, (long long)got,
          expected);
  else
    CHECK((double)got == expected, "%s: %lld instead of %.0f", query, (long long)got, expected);
}

/* ---- Convolutions ---------------------------------------------------------------------------- */

static int64_t extremes, described; /* extreme convolutions, and those that can be run */

/* Whether a pass copies rows of its source, whose halo is too small, into whole rows. */
static double copied_row_bytes(const cn_conv2d *c, int32_t pass, const cn_conv2d_variant *v) {
  const bool backward = pass == CN_BACKWARD_DATA;
  const cn_tensor *source = backward ? &c->dy : &c->x;
  const double pixel = source->layout == CN_PLAIN ? sizeof(float) : CN_BLOCK * sizeof(float);
  if (c->algorithm != CN_DIRECT || source->halo >= v->halo) return 0.0;
  if (backward)
    return c->dx.h > c->window.stride_h ? pixel * ceil((double)c->dx.w / c->window.stride_w) : 0.0;
  return c->y.h > 1 ? pixel * ((c->y.w - 1.0) * c->window.stride_w + 1.0) : 0.0;
}

static void check_variant(const cn_context *context, const cn_conv2d *c, int32_t pass, int32_t n,
                          const cn_conv2d_variant *v) {
  const bool winograd = c->algorithm != CN_DIRECT, weights = pass == CN_BACKWARD_WEIGHTS;
  const double filters = weight_bytes(c), groups = c->groups;
  CHECK(v->name != NULL && v->name[0] != '\0', "a variant without a name");
  CHECK(v->halo >= 0, "%s: a halo of %d", v->name, (int)v->halo);
  CHECK(v->chunks >= 1, "%s: %d chunks", v->name, (int)v->chunks);
  CHECK(v->updates == (weights && form_of(c) != OTHER), "%s: updates %d", v->name, (int)v->updates);
  CHECK(v->workspace >= 0 && (double)v->workspace <= 0x1p60, "%s: a workspace of %lld", v->name,
        (long long)v->workspace);
  const double rows = context->threads * copied_row_bytes(c, pass, v);
  CHECK((double)v->workspace >= rows, "%s: %lld bytes for copied rows of %.0f", v->name,
        (long long)v->workspace, rows);
  const double points = c->algorithm == CN_WINOGRAD_2 ? 16.0 : 36.0;
  if (!winograd || weights)
    CHECK(v->transformed == 0, "%s: %lld transformed bytes", v->name, (long long)v->transformed);
  else
    CHECK((double)v->transformed >= filters / 9.0 * points, "%s: %lld transformed bytes", v->name,
          (long long)v->transformed);
  const double operations = 2.0 * n * c->y.c * c->y.h * c->y.w * (c->x.c / groups) *
                            c->window.kernel_h * c->window.kernel_w;
  CHECK(fabs(v->operations - operations) <= 1e-9 * operations, "%s: %g operations instead of %g",
        v->name, v->operations, operations);
  CHECK(v->nanoseconds >= 0.0 && isfinite(v->nanoseconds), "%s: %g ns", v->name, v->nanoseconds);
}

static void describe(const cn_conv2d *c, int32_t n, bool is_valid) {
  const cn_context context = context_of(below(instruction_sets()), 1 + below(64));
  const int32_t pass = below(3);
  cn_conv2d_variant v = {.size = sizeof v};
  const int64_t got = answer(cn_conv2d_describe(&context, c, NULL, pass, n, &v));
  if (!is_valid || !has_gradients(c, pass, n)) {
    CHECK(got < 0 && got >= CN_NO_MEMORY, "an invalid convolution: %lld", (long long)got);
    return;
  }
  const bool transformable = c->algorithm != CN_DIRECT && pass != CN_BACKWARD_WEIGHTS;
  const int32_t expected = c->transformed == 1 && !transformable ? CN_BAD_VALUE
                           : fits_algorithm(c)                   ? CN_OK
                                                                 : CN_UNSUPPORTED;
  if (got == CN_BAD_SHAPE) {
    CHECK(largest_bytes(c, n) > certain, "a convolution of %.0f bytes is refused",
          largest_bytes(c, n));
    return;
  }
  CHECK(got == expected, "algorithm %d, transformed %d: %lld", (int)c->algorithm,
        (int)c->transformed, (long long)got);
  if (got == CN_OK) check_variant(&context, c, pass, n, &v);
  described += got == CN_OK;
}

static void query_conv(cn_conv2d c) {
  const int32_t n = any_batch();
  if (chance(10)) c.transformed = 1;
  if (chance(30)) SPOIL(&c, cn_conv2d, groups, window);
  if (chance(20)) spoil(&c.window, sizeof c.window / sizeof(int32_t));
  const bool is_valid = is_conv(&c, 1);
  const int64_t bytes = answer(cn_conv2d_weight_bytes(&c));
  if (is_valid && bytes >= 0)
    CHECK((double)bytes == weight_bytes(&c), "%lld bytes of weights instead of %.0f",
          (long long)bytes, weight_bytes(&c));
  else if (is_valid)
    CHECK(bytes == CN_BAD_SHAPE && largest_bytes(&c, 1) > certain,
          "%lld instead of %.0f bytes of weights", (long long)bytes, weight_bytes(&c));
  else
    CHECK(bytes < 0, "an invalid convolution has %lld bytes of weights", (long long)bytes);
  CHECK((cn_conv2d_weight_order(&c) != NULL) == (bytes >= 0), "the order of %lld bytes",
        (long long)bytes);
  const int64_t layout = answer(cn_conv2d_layout(&c));
  CHECK(layout < CN_FLAT && layout >= CN_NO_MEMORY, "layout %lld", (long long)layout);
  describe(&c, n, is_conv(&c, n));
}

/* ---- Other layers ---------------------------------------------------------------------------- */

static void query_tensor(void) {
  const int32_t n = any_batch();
  cn_tensor t = any_tensor(below(3));
  if (chance(20)) t = any_extreme_conv().y;
  if (chance(70)) spoil(&t, sizeof t / sizeof(int32_t));
  check_size("cn_tensor_bytes", cn_tensor_bytes(&t, n), is_tensor(&t, n), tensor_bytes(&t, n),
             reach_of(&t, n));
  const double rows = (double)n * blocks(t.c) * t.h * 2.0 * CN_BLOCK * sizeof(float);
  const int64_t statistics = answer(cn_row_statistics_bytes(&t, n));
  if (!is_tensor(&t, n) || t.layout != CN_BLOCKED)
    CHECK(statistics < 0, "%lld bytes of statistics", (long long)statistics);
  else if (statistics >= 0 || reach_of(&t, n) <= certain)
    CHECK((double)statistics == rows, "%lld bytes of statistics instead of %.0f",
          (long long)statistics, rows);
}

/* Whether every window holds a pixel of the image. */
static bool is_pool_axis(int64_t taps, int64_t stride, int64_t before, int64_t behind,
                         int64_t dilation, int64_t in, int64_t out) {
  if (!is_between(taps, 1, CN_MOST_SIZE) || !is_between(stride, 1, CN_MOST_WINDOW) ||
      !is_between(dilation, 1, CN_MOST_WINDOW) || !is_between(before, 0, CN_MOST_WINDOW) ||
      !is_between(behind, 0, CN_MOST_WINDOW))
    return false;
  const int64_t reach = (taps - 1) * dilation + 1, room = in + before + behind - reach;
  if (before >= reach || behind >= reach || room < 0 || out > (room + stride - 1) / stride + 1 ||
      (out - 1) * stride >= in + before)
    return false;
  for (int64_t i = 0; i < out && i * stride < before; i++) {
    const int64_t missing = before - i * stride, first = (missing + dilation - 1) / dilation;
    if (first * dilation - missing >= in) return false;
  }
  return true;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* The size of the largest window along an axis. */
static int64_t window_size(const cn_pool2d *p, int64_t taps, int64_t in, int64_t out) {
  if (p->adaptive == 0) return taps;
  return in % out == 0 ? in / out : least(in, in / out + 2);
}

static int64_t window_pixels(const cn_pool2d *p) {
  return window_size(p, p->window.kernel_h, p->x.h, p->y.h) *
         window_size(p, p->window.kernel_w, p->x.w, p->y.w);
}

static bool is_pool(const cn_pool2d *p, int32_t n) {
  const cn_window *w = &p->window;
  if (!is_tensor(&p->x, n) || !is_tensor(&p->y, n) || p->x.layout != CN_BLOCKED ||
      p->y.layout != CN_BLOCKED || p->x.c != p->y.c)
    return false;
  if (!is_between(p->adaptive, 0, 1) || p->divisor < 0) return false;
  const bool dense = w->dilation_h == 1 && w->dilation_w == 1;
  if (p->kind == CN_POOL_AVERAGE && p->adaptive == 0 && !dense) return false;
  if (p->adaptive == 0 && (!is_pool_axis(w->kernel_h, w->stride_h, w->pad_top, w->pad_bottom,
                                         w->dilation_h, p->x.h, p->y.h) ||
                           !is_pool_axis(w->kernel_w, w->stride_w, w->pad_left, w->pad_right,
                                         w->dilation_w, p->x.w, p->y.w)))
    return false;
  if (!is_between(p->kind, 0, 1) || !is_between(p->count_include_pad, 0, 1) ||
      !is_between(p->winners, 0, 1))
    return false;
  const bool max = p->kind == CN_POOL_MAX;
  const int64_t inside = least(window_size(p, w->kernel_h, p->x.h, p->y.h), p->x.h) *
                         least(window_size(p, w->kernel_w, p->x.w, p->y.w), p->x.w);
  if (max && inside > CN_MOST_MAXIMUM) return false;
  if (p->winners == 0) return true;
  return max && window_pixels(p) <= CN_NO_WINNER &&
         is_between(p->activation.kind, CN_IDENTITY, CN_RELU6);
}

static void query_pool(void) {
  const int32_t n = any_batch();
  const cn_tensor x = any_tensor(CN_BLOCKED);
  cn_pool2d p = chance(50) ? any_pool(&x) : any_extreme_pool();
  if (chance(60)) SPOIL(&p, cn_pool2d, kind, activation);
  const bool recorded =
      is_pool(&p, n) && p.kind == CN_POOL_MAX && window_pixels(&p) <= CN_NO_WINNER;
  const double bytes = recorded ? (double)n * blocks(p.y.c) * CN_BLOCK * p.y.h * p.y.w : 0.0;
  const int64_t got = answer(cn_pool2d_winner_bytes(&p, n));
  if (!is_pool(&p, n))
    CHECK(got < 0, "%lld bytes of winners of an invalid pool", (long long)got);
  else if (got < 0)
    CHECK(fmax(reach_of(&p.x, n), reach_of(&p.y, n)) > certain, "winners: %lld", (long long)got);
  else
    CHECK((double)got == bytes, "%lld bytes of winners instead of %.0f", (long long)got, bytes);
}

static void query_linear(void) {
  const cn_context context = context_of(below(instruction_sets()), 1 + below(64));
  const int32_t n = any_batch(), pass = below(3);
  cn_linear d = {.size = sizeof d,
                 .c = ONE_OF(1, 16, 17, 1 << 20, (1 << 24) + 1, CN_MOST_SIZE),
                 .h = ONE_OF(1, 1, 3, 1 << 10, 1 << 15),
                 .w = ONE_OF(1, 1, 5, 1 << 10, 1 << 16),
                 .outputs = ONE_OF(1, 10, 16, 33, 1 << 20, CN_MOST_SIZE)};
  if (chance(50)) SPOIL(&d, cn_linear, type, outputs);
  const cn_tensor x = {.c = d.c, .h = d.h, .w = d.w, .layout = CN_FLAT, .type = d.type};
  const cn_tensor y = {.c = d.outputs, .h = 1, .w = 1, .layout = CN_FLAT};
  const double row = blocks(d.c) * d.h * d.w, lanes = CN_BLOCK * CN_BLOCK * sizeof(float);
  const double bytes = blocks(d.outputs) * row * lanes;
  const bool is_valid = is_tensor(&x, 1) && is_tensor(&y, 1);
  const int64_t got = answer(cn_linear_weight_bytes(&d));
  if (is_valid && got >= 0)
    CHECK((double)got == bytes || (double)got == bytes + blocks(d.outputs) * lanes,
          "%lld bytes of weights instead of %.0f", (long long)got, bytes);
  else
    CHECK(got < 0 && (!is_valid || bytes > certain), "%lld bytes of weights instead of %.0f",
          (long long)got, bytes);
  const int64_t room = answer(cn_linear_workspace_bytes(&context, &d, pass, n));
  const double most = fmax(bytes, fmax(tensor_bytes(&x, n), tensor_bytes(&y, n)));
  if (!is_valid || !is_between(n, 1, CN_MOST_SIZE))
    CHECK(room < 0, "an invalid layer has a workspace of %lld", (long long)room);
  else
    CHECK(room >= 0 || (room == CN_BAD_SHAPE && most > certain), "a workspace of %lld",
          (long long)room);
}

static void query_norm(void) {
  const cn_context context = context_of(below(instruction_sets()), 1 + below(64));
  const int32_t n = any_batch();
  cn_tensor t = any_tensor(CN_BLOCKED);
  if (chance(50)) t = any_extreme_conv().y;
  if (chance(50)) spoil(&t, sizeof t / sizeof(int32_t));
  const cn_batch_norm b = {
      .size = sizeof b, .epsilon = 1e-5f, .x = t, .y = t, .dx = t, .dy = t, .momentum = 0.1f};
  const int64_t room = answer(cn_batch_norm_workspace_bytes(&context, &b, n));
  if (!is_tensor(&t, n) || t.layout != CN_BLOCKED)
    CHECK(room < 0, "an invalid normalisation has a workspace of %lld", (long long)room);
  else
    CHECK(room > 0 || (room == CN_BAD_SHAPE && reach_of(&t, n) > certain), "a workspace of %lld",
          (long long)room);
}

static void query_sample_norm(void) {
  const cn_context context = context_of(below(instruction_sets()), 1 + below(64));
  const int32_t n = any_batch();
  cn_tensor t = any_tensor(CN_BLOCKED);
  if (chance(50)) t = any_extreme_conv().y;
  if (chance(50)) spoil(&t, sizeof t / sizeof(int32_t));
  const cn_sample_norm d = {
      .size = sizeof d, .epsilon = 1e-5f, .x = t, .y = t, .dx = t, .dy = t, .groups = chance(50)};
  const cn_lrn lrn = {.size = sizeof lrn,
                      .neighbours = chance(50) ? INT32_MAX : 5,
                      .x = t,
                      .y = t,
                      .dx = t,
                      .dy = t,
                      .k = 1.0f};
  const int64_t sizes[] = {answer(cn_sample_norm_statistics_bytes(&d, n)),
                           answer(cn_sample_norm_workspace_bytes(&context, &d, n)),
                           answer(cn_lrn_workspace_bytes(&context, &lrn, n))};
  for (int i = 0; i < 3; i++)
    if (!is_tensor(&t, n) || t.layout != CN_BLOCKED)
      CHECK(sizes[i] < 0, "an invalid normalisation needs %lld", (long long)sizes[i]);
    else
      CHECK(sizes[i] > 0 || (sizes[i] == CN_BAD_SHAPE && reach_of(&t, n) > certain), "%lld bytes",
            (long long)sizes[i]);
}

/* ---- Cases that once overflowed, or took seconds --------------------------------------------- */

static cn_tensor tensor(int32_t layout, int32_t c, int32_t h, int32_t w) {
  return (cn_tensor){.c = c, .h = h, .w = w, .layout = layout};
}

static int64_t workspace_of(int32_t threads, const cn_conv2d *c, int32_t pass, int32_t n) {
  const cn_context context = context_of(0, threads);
  cn_conv2d_variant v = {.size = sizeof v};
  const int64_t status = answer(cn_conv2d_describe(&context, c, NULL, pass, n, &v));
  return status < 0 ? status : v.workspace;
}

/* The gradient of plain rows is computed in a block of channels per thread. */
static void wide_rows(void) {
  cn_conv2d c = {.size = sizeof c, .groups = 1, .window = {1, 3, 1, 1, 0, 1, 0, 1, 1, 1}};
  for (int32_t width = 1 << 20; width <= 1 << 29; width *= 2)
    for (int32_t n = 1; n <= 16; n += 15) {
      c.x = c.dx = tensor(CN_PLAIN, 3, 1, width);
      c.y = c.dy = tensor(CN_BLOCKED, 16, 1, width);
      const int64_t one = workspace_of(1, &c, CN_BACKWARD_DATA, n);
      const int64_t more = workspace_of(2, &c, CN_BACKWARD_DATA, n) - one;
      CHECK(one >= more && more >= 64LL * width, "%d wide: %lld, and %lld more for a thread",
            (int)width, (long long)one, (long long)more);
    }
  c.window = (cn_window){3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  c.x = c.dx = tensor(CN_PLAIN, 1, 1 << 24, 64);
  c.y = c.dy = tensor(CN_BLOCKED, 16, 1 << 24, 64);
  CHECK(workspace_of(2, &c, CN_BACKWARD_DATA, 16) > 0, "16M rows");
  c.window = (cn_window){1, 1, 1, 1, 0, 0, 0, 0, 1, 1};
  c.x = c.dx = tensor(CN_BLOCKED, 8, 1, 9300000);
  c.y = c.dy = tensor(CN_BLOCKED, 1, 1, 9300000);
  CHECK(workspace_of(2, &c, CN_BACKWARD_DATA, 16) > 0, "16 samples of a long row");
}

/* Taps, residues and windows are not counted one by one. */
static void far_windows(void) {
  enum { FAR = CN_MOST_WINDOW };
  const cn_window windows[] = {{1, 1, FAR, FAR, 0, 0, 0, 0, 1, 1},
                               {1, FAR, 1, FAR, 0, FAR, 0, FAR, 1, 1},
                               {1, FAR, 1, FAR - 1, 0, 0, 0, 0, 1, 1},
                               {1, FAR / 2, 1, 20000, 0, 0, 0, 0, 1, 2},
                               {1, 3, 1, FAR, 0, FAR, 0, FAR, 1, FAR / 3}};
  for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++)
    for (int32_t w = FAR; w <= 2 * FAR; w += FAR - 3) {
      cn_conv2d c = {.size = sizeof c, .groups = 1, .window = windows[i]};
      c.x = c.dx = tensor(CN_BLOCKED, 16, 1, w);
      c.y = c.dy = tensor(CN_BLOCKED, 32, 1, 1);
      for (int times = 0; times < 2000; times++)
        for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_WEIGHTS; pass++)
          CHECK(workspace_of(2, &c, pass, 3) >= 0, "window %d, pass %d", (int)i, (int)pass);
    }
}

int main(void) {
  wide_rows();
  far_windows();
  seed_values(20240917);
  for (int64_t i = 0; i < ROUNDS; i++) {
    query_tensor();
    query_conv(any_conv());
    query_pool();
    if (i % 4 == 0) query_linear();
    if (i % 4 == 1) query_norm();
    if (i % 4 == 2) query_sample_norm();
  }
  described = 0;
  for (extremes = 0; extremes < EXTREMES; extremes++) query_conv(any_extreme_conv());
  printf("%lld queries, %lld answered; %lld of %lld extreme convolutions described\n",
         (long long)queries, (long long)answered, (long long)described, (long long)extremes);
  CHECK(queries >= 1000000 && answered > queries / 3, "hardly a descriptor is valid");
  CHECK(described > EXTREMES / 10, "hardly an extreme convolution is valid");
  return verdict("queries");
}
