#include "descriptors.h"

bool chance(int percent) { return (int)(next_random() % 100) < percent; }

int32_t below(int32_t most) { return (int32_t)(next_random() % (uint64_t)most); }

int32_t one_of(const int32_t *values, int32_t count) { return values[below(count)]; }

void spoil(void *description, int32_t count) {
  int32_t *fields = description;
  if (chance(50)) return;
  for (int32_t times = 1 + below(3); times > 0; times--) {
    const int32_t at = below(count);
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
      fields[at] = fields[below(count)];
    }
  }
}

cn_context any_context(void) {
  cn_context c = context_of(below(cn_cpu_isa() + 1), 1 + below(4));
  if (chance(2)) spoil(&c, sizeof c / sizeof(int32_t));
  return c;
}

int32_t any_batch(void) {
  if (chance(2)) return ONE_OF(INT32_MIN, -1, 0, 1 << 24, (1 << 24) + 1, INT32_MAX);
  return ONE_OF(1, 1, 2, 3, 5, 16, 17);
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
  if (layout != CN_FLAT && chance(20))
    t.sample_stride = cn_tensor_floats(&t, 1) + below(20) * (layout == CN_PLAIN ? 1 : CN_BLOCK);
  return t;
}

void other_halo(cn_tensor *t) {
  if (t->layout == CN_FLAT) return;
  t->halo = below(3);
  if (t->sample_stride == 0) return;
  t->sample_stride = 0;
  t->sample_stride = cn_tensor_floats(t, 1) + below(20) * CN_BLOCK;
}

static int32_t window_size(int32_t in, int32_t kernel, int32_t stride, int32_t pads,
                           int32_t dilation) {
  return (in + pads - dilation * (kernel - 1) - 1) / stride + 1;
}

/* The same for a pool, now and then rounded up. */
static int32_t pooled_size(int32_t in, int32_t kernel, int32_t stride, int32_t before,
                           int32_t behind) {
  const int32_t down = window_size(in, kernel, stride, before + behind, 1);
  const bool rest = (in + before + behind - kernel) % stride != 0;
  return rest && down * stride < in + before && chance(50) ? down + 1 : down;
}

cn_activation any_activation(void) {
  const int32_t kind = CN_IDENTITY + below(CN_LEAKY_RELU + 1);
  return (cn_activation){kind, kind == CN_LEAKY_RELU ? (float)below(8) / 8.0f : 0.0f};
}

cn_conv2d any_conv(void) {
  static const int32_t kernels[] = {1, 1, 2, 3, 3, 3, 5, 7};
  cn_conv2d c = {.x = any_tensor(CN_BLOCKED), .groups = 1, .flags = below(2)};
  c.activation = any_activation();
  c.x_activation = any_activation();
  const int32_t form = below(8);
  int32_t filters = ONE_OF(1, 3, 6, 8, 15, 16, 17, 32, 33);
  if (form < 2 && c.x.c < CN_BLOCK) c.x.layout = CN_PLAIN;
  if (form == 2) c.groups = filters = c.x.c;
  if (form == 3) {
    c.groups = 2;
    c.x.c = 32;
    filters = chance(50) ? 32 : 64;
  }
  if (form == 4) {
    c.groups = c.x.c;
    filters = 2 * c.x.c;
  }
  c.window.kernel_h = one_of(kernels, 8);
  c.window.kernel_w = chance(70) ? c.window.kernel_h : one_of(kernels, 8);
  c.window.stride_h = chance(60) ? 1 : 1 + below(4);
  c.window.stride_w = chance(70) ? c.window.stride_h : 1 + below(4);
  c.window.dilation_h = chance(70) ? 1 : 1 + below(3);
  c.window.dilation_w = chance(70) ? c.window.dilation_h : 1 + below(3);
  c.window.pad_top = c.window.dilation_h * (c.window.kernel_h - 1) / 2 + below(2);
  c.window.pad_left = c.window.dilation_w * (c.window.kernel_w - 1) / 2 + below(2);
  c.window.pad_bottom = chance(60) ? c.window.pad_top : c.window.pad_top + below(3);
  c.window.pad_right = chance(60) ? c.window.pad_left : c.window.pad_left + below(3);
  const int32_t h = window_size(c.x.h, c.window.kernel_h, c.window.stride_h,
                                c.window.pad_top + c.window.pad_bottom, c.window.dilation_h);
  const int32_t w = window_size(c.x.w, c.window.kernel_w, c.window.stride_w,
                                c.window.pad_left + c.window.pad_right, c.window.dilation_w);
  c.y = (cn_tensor){filters, h, w, below(2), CN_BLOCKED, 0};
  if (h > 1 && chance(10)) c.y.h--;
  c.dx = c.x;
  c.dy = c.y;
  other_halo(&c.dx);
  other_halo(&c.dy);
  c.add = chance(50) ? c.y : c.dx;
  other_halo(&c.add);
  if (chance(40)) c.algorithm = CN_WINOGRAD_2 + below(2);
  return c;
}

cn_pool2d any_pool(const cn_tensor *x) {
  cn_pool2d p = {
      .x = *x,
      .window = {1 + below(3), 1 + below(3), 1 + below(3), 1 + below(3), 0, 0, 0, 0, 1, 1},
      .kind = chance(70) ? CN_POOL_MAX : CN_POOL_AVERAGE,
      .count_include_pad = below(2)};
  if (chance(40)) p.window.kernel_h = p.window.kernel_w = p.window.stride_h = p.window.stride_w = 2;
  cn_window *v = &p.window;
  if (chance(50)) {
    v->pad_top = v->pad_bottom = below(v->kernel_h);
    v->pad_left = v->pad_right = below(v->kernel_w);
  }
  if (chance(30)) v->pad_bottom = below(v->kernel_h);
  if (chance(30)) v->pad_right = below(v->kernel_w);
  const int32_t h = pooled_size(x->h, v->kernel_h, v->stride_h, v->pad_top, v->pad_bottom);
  const int32_t w = pooled_size(x->w, v->kernel_w, v->stride_w, v->pad_left, v->pad_right);
  p.y = (cn_tensor){x->c, h, w, below(2), CN_BLOCKED, 0};
  p.dx = p.x;
  p.dy = p.y;
  other_halo(&p.dx);
  other_halo(&p.dy);
  if (p.kind == CN_POOL_MAX && chance(30)) p.activation.kind = CN_RELU + below(2);
  return p;
}

cn_optimizer any_optimizer(void) {
  return (cn_optimizer){.kind = below(3),
                        .flags = chance(80) ? 0 : below(4),
                        .step = below(5),
                        .momentum = chance(50) ? 0.9 : 0.0,
                        .beta1 = 0.9,
                        .beta2 = 0.999,
                        .epsilon = 1e-8};
}
