#define _DEFAULT_SOURCE
#include "descriptors.h"

#include <sys/mman.h>

bool chance(int percent) { return (int)(next_random() % 100) < percent; }

int32_t below(int32_t most) { return (int32_t)(next_random() % (uint64_t)most); }

int32_t one_of(const int32_t *values, int32_t count) { return values[below(count)]; }

void spoil(void *numbers, size_t count) {
  int32_t *fields = numbers;
  if (chance(50)) return;
  for (int32_t times = 1 + below(3); times > 0; times--) {
    const int32_t at = below((int32_t)count);
    switch (below(3)) {
    case 0:
      fields[at] =
          ONE_OF(INT32_MIN, -1, 0, 1, 2, 3, 4, 7, 15, 16, 17, 160, 255, 256, 20000, 1 << 15,
                 (1 << 15) + 1, 1 << 20, 1 << 23, (1 << 23) - 1, CN_MOST_WINDOW, CN_MOST_WINDOW + 1,
                 CN_MOST_SIZE, CN_MOST_SIZE + 1, 1 << 24, (1 << 24) + 1, INT32_MAX);
      break;
    case 1:
      if (fields[at] > -1000 && fields[at] < 1000) fields[at] += below(2) == 0 ? 1 : -1;
      break;
    default:
      fields[at] = fields[below((int32_t)count)];
    }
  }
}

/* ---- Descriptors in guarded memory ----------------------------------------------------------- */

enum { PAGE = 1 << 16 /* bytes; a multiple of the page size */ };

static char *slot_ends[SLOTS];

void make_slots(void) {
  for (int i = 0; i < SLOTS; i++) {
    char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory + PAGE, PAGE, PROT_NONE) != 0) abort();
    slot_ends[i] = memory + PAGE;
  }
}

/* `size` bytes, of which those beyond `known` have a value. */
static void *place(slot slot, const void *descriptor, uint32_t known, uint32_t size, int beyond) {
  const uint32_t room = (size + 7) / 8 * 8;
  char *p = slot_ends[slot] - room;
  memset(p, beyond, room);
  memcpy(p, descriptor, size < known ? size : known);
  if (size >= sizeof size) memcpy(p, &size, sizeof size);
  return p;
}

void *placed(slot slot, const void *descriptor, uint32_t size) {
  return place(slot, descriptor, size, size, 0);
}

void *offered(slot slot, const void *descriptor, uint32_t size) {
  if (chance(97)) return placed(slot, descriptor, size);
  const uint32_t others[] = {4, 8, size - 8, size - 4, size + 4, size + 8, size + 64, 4096};
  return place(slot, descriptor, size, others[below(8)], chance(50) ? 0 : 1);
}

/* ---- Contexts -------------------------------------------------------------------------------- */

enum { POOLS = 4 };

static cn_threads *pools[POOLS]; /* the first is null: that of the library */

/* Threads of a caller that has only one, and runs the last part first. */
static void run_backwards(void *caller, int32_t count, void (*body)(void *state, int32_t index),
                          void *state) {
  (void)caller;
  for (int32_t i = count - 1; i >= 0; i--) body(state, i);
}

void make_pools(void) {
  const cn_threads_options options[POOLS - 1] = {
      {.size = sizeof(cn_threads_options), .spin_microseconds = -1},
      {.size = sizeof(cn_threads_options)},
      {.size = sizeof(cn_threads_options), .run = run_backwards}};
  for (int i = 1; i < POOLS; i++)
    CHECK(cn_threads_create(&options[i - 1], &pools[i]) == CN_OK, "pool %d", i);
}

void free_pools(void) {
  for (int i = 0; i < POOLS; i++) CHECK(cn_threads_destroy(pools[i]) == CN_OK, "pool %d", i);
}

cn_context any_context(void) {
  const uint64_t all = cn_cpu_features();
  cn_context c = {.size = sizeof c,
                  .threads = 1 + below(4),
                  .features = chance(60) ? all : all & next_random(),
                  .pool = pools[below(POOLS)],
                  .serial_operations = ONE_OF(0, 1, 1, 1, 10000)};
  if (chance(98)) return c;
  if (chance(30)) c.threads = ONE_OF(INT32_MIN, -1, 0, 1024, 1025, INT32_MAX);
  if (chance(30)) c.features |= (uint64_t)1 << below(64);
  if (chance(30)) c.serial_operations = chance(50) ? -1 : INT64_MIN;
  return c;
}

int32_t any_batch(void) {
  if (chance(2)) return ONE_OF(INT32_MIN, -1, 0, 1 << 24, (1 << 24) + 1, INT32_MAX);
  return ONE_OF(1, 1, 2, 3, 5, 16, 17);
}

/* ---- Tensors and layers ---------------------------------------------------------------------- */

/* Makes a slice of the tensor: its samples have `more` smallest units between them. */
static void spread(cn_tensor *t, int32_t more) {
  const int64_t unit = (t->layout == CN_PLAIN ? 1 : CN_BLOCK) * (int64_t)sizeof(float);
  t->sample_stride = 0;
  t->sample_stride = cn_tensor_bytes(t, 1) + more * unit;
}

cn_tensor any_tensor(int32_t layout) {
  cn_tensor t = {.c = ONE_OF(1, 2, 3, 5, 8, 15, 16, 17, 32, 33),
                 .h = 1 + below(9),
                 .w = 1 + below(9),
                 .halo = layout == CN_FLAT ? 0 : below(3),
                 .layout = layout};
  if (chance(10)) { /* rows that are divided into columns */
    t.h = 1;
    t.w = 150 + below(400);
    t.halo = 0;
  }
  if (layout != CN_FLAT && chance(20)) spread(&t, below(20));
  return t;
}

void other_halo(cn_tensor *t) {
  if (t->layout == CN_FLAT) return;
  t->halo = below(3);
  if (t->sample_stride != 0) spread(t, below(20));
}

static int32_t window_size(int32_t in, int32_t kernel, int32_t stride, int32_t pads,
                           int32_t dilation) {
  return (in + pads - dilation * (kernel - 1) - 1) / stride + 1;
}

/* The same for a pool, now and then rounded up. */
static int32_t pooled_size(int32_t in, int32_t kernel, int32_t stride, int32_t before,
                           int32_t behind, int32_t dilation) {
  const int32_t down = window_size(in, kernel, stride, before + behind, dilation);
  const bool rest = (in + before + behind - dilation * (kernel - 1) - 1) % stride != 0;
  return rest && down * stride < in + before && chance(50) ? down + 1 : down;
}

/* One that every epilogue takes. */
cn_activation any_activation(void) {
  return valid_activation(ONE_OF(CN_IDENTITY, CN_RELU, CN_RELU6, CN_LEAKY_RELU, CN_CLIP, CN_ELU,
                                 CN_CELU, CN_SELU, CN_TANH));
}

/* A convolution of x by some filters in one of the packed forms, without a window and outputs. */
static cn_conv2d any_form(void) {
  cn_conv2d c = {.size = sizeof c, .x = any_tensor(CN_BLOCKED), .groups = 1};
  c.y = (cn_tensor){.c = ONE_OF(1, 3, 6, 8, 15, 16, 17, 32, 33), .layout = CN_BLOCKED};
  const int32_t form = below(8);
  if (form < 2 && c.x.c < CN_BLOCK) {
    c.x.layout = CN_PLAIN;
    if (c.x.sample_stride != 0) spread(&c.x, below(20));
  }
  if (form == 2) c.groups = c.y.c = c.x.c;
  if (form == 3) {
    c.groups = 2;
    c.x.c = 32;
    if (c.x.sample_stride != 0) spread(&c.x, below(20));
    c.y.c = chance(50) ? 32 : 64;
  }
  if (form == 4) {
    c.groups = c.x.c;
    c.y.c = 2 * c.x.c;
  }
  return c;
}

/* Sets y to the results of the window on x, or a row less, and the gradients. */
static void complete(cn_conv2d *c) {
  const cn_window *v = &c->window;
  c->y.h = window_size(c->x.h, v->kernel_h, v->stride_h, v->pad_top + v->pad_bottom, v->dilation_h);
  c->y.w = window_size(c->x.w, v->kernel_w, v->stride_w, v->pad_left + v->pad_right, v->dilation_w);
  c->y.halo = below(2);
  if (c->y.h > 1 && chance(10)) c->y.h--;
  c->dx = c->x;
  c->dy = c->y;
  other_halo(&c->dx);
  other_halo(&c->dy);
  const bool winograd =
      v->kernel_h == 3 && v->kernel_w == 3 && v->stride_h == 1 && v->stride_w == 1;
  if (chance(winograd ? 70 : 5)) c->algorithm = CN_WINOGRAD_2 + below(2);
}

/* Gives a convolution some window, and what depends on it. */
static cn_conv2d with_window(cn_conv2d c) {
  static const int32_t kernels[] = {1, 1, 2, 3, 3, 3, 5, 7};
  cn_window *v = &c.window;
  v->kernel_h = one_of(kernels, 8);
  v->kernel_w = chance(70) ? v->kernel_h : one_of(kernels, 8);
  v->stride_h = chance(60) ? 1 : 1 + below(4);
  v->stride_w = chance(70) ? v->stride_h : 1 + below(4);
  v->dilation_h = chance(70) ? 1 : 1 + below(3);
  v->dilation_w = chance(70) ? v->dilation_h : 1 + below(3);
  if (chance(25)) {
    v->kernel_h = v->kernel_w = 3;
    v->stride_h = v->stride_w = v->dilation_h = v->dilation_w = 1;
  }
  v->pad_top = v->dilation_h * (v->kernel_h - 1) / 2 + below(2);
  v->pad_left = v->dilation_w * (v->kernel_w - 1) / 2 + below(2);
  v->pad_bottom = chance(60) ? v->pad_top : v->pad_top + below(3);
  v->pad_right = chance(60) ? v->pad_left : v->pad_left + below(3);
  complete(&c);
  return c;
}

cn_conv2d any_conv(void) { return with_window(any_form()); }

cn_conv2d any_large_conv(void) {
  cn_conv2d c = any_form();
  if (c.groups == 1) { /* few products */
    c.x.c = ONE_OF(1, 3, 6, 8);
    c.y.c = ONE_OF(1, 6, 8, 16);
  }
  c.x.h = 10 + below(20);
  c.x.w = 10 + below(20);
  if (c.x.sample_stride != 0) spread(&c.x, below(20));
  return with_window(c);
}

static int32_t any_extreme(int32_t most) {
  const int32_t near = ONE_OF(1, 1 << 10, 1 << 15, 1 << 20, 1 << 23, 1 << 24, 9300000, 1 << 30);
  const int32_t value = near - 2 + below(4);
  return value < 1 ? 1 : value > most ? most : value;
}

cn_conv2d any_extreme_conv(void) {
  cn_conv2d c = any_form();
  cn_window *v = &c.window;
  c.x.sample_stride = 0;
  c.x.halo = chance(70) ? below(3) : CN_MOST_HALO - below(3);
  c.x.w = any_extreme(CN_MOST_SIZE);
  c.x.h = 1 + below(3) * below(1 << 10);
  if ((int64_t)c.x.h * c.x.w > CN_MOST_SIZE) c.x.h = CN_MOST_SIZE / c.x.w;
  if (chance(20)) c.y.c = any_extreme(CN_MOST_SIZE);
  if (c.groups > 1) c.groups = 1;
  const bool small = chance(50);
  v->kernel_w = small ? 1 + below(5) : any_extreme(CN_MOST_WINDOW < c.x.w ? CN_MOST_WINDOW : c.x.w);
  v->kernel_h = small ? 1 + below(5) : 1;
  v->dilation_h = v->dilation_w = 1;
  if (small && chance(30)) v->dilation_w = any_extreme(CN_MOST_WINDOW / v->kernel_w);
  v->stride_w = chance(50) ? 1 : any_extreme(CN_MOST_WINDOW);
  v->stride_h = chance(50) ? 1 : any_extreme(CN_MOST_WINDOW);
  const int32_t reach = v->dilation_w * (v->kernel_w - 1);
  v->pad_left = v->pad_right = chance(50) ? (reach + 1) / 2 : any_extreme(CN_MOST_WINDOW);
  v->pad_top = v->pad_bottom = chance(50) ? v->kernel_h / 2 : any_extreme(CN_MOST_WINDOW);
  complete(&c);
  return c;
}

/* Sets y and the gradients of a pool with a window on x. */
static void complete_pool(cn_pool2d *p) {
  const cn_window *v = &p->window;
  int32_t h =
      pooled_size(p->x.h, v->kernel_h, v->stride_h, v->pad_top, v->pad_bottom, v->dilation_h);
  int32_t w =
      pooled_size(p->x.w, v->kernel_w, v->stride_w, v->pad_left, v->pad_right, v->dilation_w);
  if (p->adaptive != 0) h = 1 + below(12), w = 1 + below(20);
  p->y = (cn_tensor){.c = p->x.c, .h = h, .w = w, .halo = below(2), .layout = CN_BLOCKED};
  p->dx = p->x;
  p->dy = p->y;
  other_halo(&p->dx);
  other_halo(&p->dy);
  const int64_t area = p->adaptive != 0 ? (p->x.h / h + 2) * (int64_t)(p->x.w / w + 2)
                                        : v->kernel_h * (int64_t)v->kernel_w;
  p->winners = p->kind == CN_POOL_MAX && area <= CN_NO_WINNER && chance(70);
  if (p->winners == 1 && chance(40)) p->activation.kind = CN_RELU + below(2);
}

cn_pool2d any_pool(const cn_tensor *x) {
  cn_pool2d p = {
      .size = sizeof p,
      .kind = chance(70) ? CN_POOL_MAX : CN_POOL_AVERAGE,
      .x = *x,
      .window = {1 + below(3), 1 + below(3), 1 + below(3), 1 + below(3), 0, 0, 0, 0, 1, 1},
      .count_include_pad = below(2)};
  cn_window *v = &p.window;
  if (chance(50)) {
    v->kernel_h = v->kernel_w = v->stride_h = v->stride_w = 2;
  } else {
    if (chance(50)) {
      v->pad_top = v->pad_bottom = below(v->kernel_h);
      v->pad_left = v->pad_right = below(v->kernel_w);
    }
    if (chance(30)) v->pad_bottom = below(v->kernel_h);
    if (chance(30)) v->pad_right = below(v->kernel_w);
    if (chance(30) && p.kind == CN_POOL_MAX)
      v->dilation_h = 1 + below(3), v->dilation_w = 1 + below(3);
  }
  p.adaptive = chance(20);
  p.divisor = chance(20) ? below(9) : 0;
  complete_pool(&p);
  return p;
}

cn_pool2d halving_pool(const cn_tensor *x) {
  cn_pool2d p = {.size = sizeof p, .x = *x, .window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1}};
  complete_pool(&p);
  p.winners = 1;
  return p;
}

cn_pool2d any_extreme_pool(void) {
  cn_tensor x = any_tensor(CN_BLOCKED);
  x.sample_stride = 0;
  x.w = any_extreme(CN_MOST_SIZE);
  if ((int64_t)x.h * x.w > CN_MOST_SIZE) x.h = CN_MOST_SIZE / x.w;
  cn_pool2d p = {.size = sizeof p,
                 .kind = chance(50) ? CN_POOL_MAX : CN_POOL_AVERAGE,
                 .x = x,
                 .window = {.dilation_h = 1, .dilation_w = 1}};
  p.window.kernel_h = 1 + below(x.h);
  p.window.kernel_w = chance(30) ? x.w : any_extreme(x.w);
  p.window.stride_h = any_extreme(CN_MOST_WINDOW);
  p.window.stride_w = any_extreme(CN_MOST_WINDOW);
  p.window.pad_left =
      below(p.window.kernel_w < CN_MOST_WINDOW ? p.window.kernel_w : CN_MOST_WINDOW);
  complete_pool(&p);
  return p;
}

static const void *const nowhere = (const void *)(uintptr_t)68; /* misaligned, too */

cn_epilogue any_epilogue(const cn_tensor *result, int32_t operations, const cn_pool2d *pool) {
  cn_epilogue e = {.size = sizeof e, .add = *result, .outputs = *result, .pool = pool};
  const int32_t asked = (int32_t)next_random();
  e.operations = chance(98) ? asked & operations : asked & 127;
  other_halo(&e.add);
  other_halo(&e.outputs);
  e.activation = any_activation();
  if (chance(3)) e.activation.kind = ONE_OF(-1, CN_SIGMOID, CN_ACTIVATIONS, INT32_MAX);
  if (chance(1)) e.activation.b = 1.0f;
  SPOIL(&e, cn_epilogue, add, activation);
  e.bias = nowhere;
  e.add_values = e.output_values = nowhere;
  e.statistics = (float *)(uintptr_t)nowhere;
  e.winners = (uint8_t *)(uintptr_t)nowhere;
  return e;
}

cn_optimizer any_optimizer(void) {
  cn_optimizer o = {.kind = below(2),
                    .flags = chance(90) ? 0 : below(4),
                    .step = 1 + below(5),
                    .momentum = chance(50) ? 0.9 : 0.0,
                    .beta1 = 0.9,
                    .beta2 = 0.999,
                    .epsilon = 1e-8};
  if (chance(97)) return o;
  if (chance(40)) o.kind = ONE_OF(-1, 2, INT32_MAX);
  if (chance(40)) o.step = 0;
  if (chance(40)) o.reserved[below(4)] = 1.0;
  if (chance(40)) o.momentum = 1.0;
  return o;
}
