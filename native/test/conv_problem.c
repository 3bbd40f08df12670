#include "conv_problem.h"

enum {
  P = CN_PLAIN,
  T = CN_BLOCKED,
  B = CN_BIAS,
  R = CN_BIAS | RELU,
  S = CN_BIAS | RELU6,
  L = CN_BIAS | LEAKY_RELU
};

const conv_case conv_cases[CONV_CASES] = {
    /* name, n, c, h, w, k, kernel, stride, pad, dilation, groups, flags, layout, halos x y dx dy */
    {"1x1 of one pixel", 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"3x3 same", 2, 16, 9, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, T, 1, 1, 1, 1, 0, 0},
    {"3x3 same, packed", 2, 16, 9, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1, S, T, 0, 0, 0, 0, 0, 0},
    {"3x3, wide halos", 1, 17, 5, 16, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0, T, 3, 2, 1, 3, 0, 0},
    {"3 channels blocked", 3, 3, 6, 8, 5, 3, 2, 1, 1, 1, 0, 1, 1, 1, B, T, 1, 0, 2, 1, 0, 0},
    {"three blocks", 1, 33, 5, 15, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, S, T, 1, 1, 1, 1, 0, 0},
    {"5x5 valid", 4, 6, 14, 14, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, R, T, 0, 0, 0, 4, 0, 0},
    {"5x5 valid, dy packed", 4, 6, 14, 14, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, L, T, 0, 0, 0, 0, 0, 0},
    {"3x3 valid", 3, 16, 7, 6, 20, 3, 3, 1, 1, 0, 0, 1, 1, 1, R, T, 0, 1, 0, 0, 0, 0},
    {"3x3, pad 2 and 3", 1, 20, 6, 13, 48, 3, 3, 1, 1, 2, 3, 1, 1, 1, B, T, 1, 0, 1, 0, 0, 0},
    {"3x3, unread border", 2, 16, 9, 10, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 1, 0, 0, 1, 1, 2},
    {"3x3 of many tiles", 3, 3, 30, 34, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, L, T, 1, 0, 1, 2, 0, 0},
    {"16 samples, 6 channels", 19, 6, 8, 9, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, L, T, 0, 0, 1, 0, 0, 0},
    {"16 samples, stride 2", 16, 8, 7, 6, 33, 3, 3, 2, 2, 1, 1, 1, 1, 1, S, T, 1, 0, 0, 1, 0, 0},
    {"16 samples, dilation 2", 17, 5, 9, 7, 18, 3, 2, 1, 1, 2, 1, 2, 2, 1, B, T, 2, 0, 0, 0, 0, 0},
    {"16 samples, stride 4", 33, 7, 9, 11, 5, 3, 2, 3, 4, 1, 0, 1, 1, 1, 0, T, 1, 0, 2, 0, 0, 0},
    {"pixels, wide padding", 2, 3, 9, 20, 18, 3, 3, 1, 1, 4, 5, 1, 1, 1, L, T, 1, 0, 2, 1, 0, 0},
    {"pixels, wide filter", 1, 2, 4, 40, 20, 2, 21, 1, 1, 0, 3, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"pixels in bands", 1, 7, 70, 70, 16, 5, 5, 1, 1, 0, 0, 1, 1, 1, R, T, 0, 0, 0, 0, -1, -2},
    {"1x1", 2, 64, 7, 7, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, S, T, 0, 0, 0, 0, 0, 0},
    {"1x1 with halos", 2, 32, 7, 5, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, T, 1, 2, 0, 1, 0, 0},
    {"1x1, x with a halo", 2, 32, 7, 5, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 1, 0, 1, 0, 0, 0},
    {"1x1, y with a halo", 2, 32, 7, 5, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 1, 0, 1, 0, 0},
    {"1x1 padded, unread", 2, 16, 6, 7, 16, 1, 1, 1, 1, 1, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 2, 0},
    {"1x1 of many columns", 1, 16, 30, 29, 16, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, T, 0, 0, 0, 0, 0, 0},
    {"1x1 of 17 channels", 3, 17, 19, 23, 17, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"1x1 stride 2", 2, 32, 9, 8, 16, 1, 1, 2, 2, 0, 0, 1, 1, 1, 0, T, 0, 0, 0, 0, 0, 0},
    {"3x3 stride 2", 2, 32, 12, 10, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1, B, T, 1, 1, 1, 1, 0, 0},
    {"3x3 stride 2, packed", 2, 32, 13, 9, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1, B, T, 0, 0, 1, 0, 0, 0},
    {"stride 3 and 1", 1, 20, 11, 9, 18, 3, 4, 3, 1, 2, 1, 1, 1, 1, B, T, 2, 0, 0, 2, 0, 0},
    {"stride > kernel", 2, 18, 11, 13, 18, 2, 1, 3, 4, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"stride 5, 4 wide", 2, 18, 16, 19, 18, 2, 3, 5, 5, 1, 2, 1, 1, 1, B, T, 0, 1, 2, 0, 0, 0},
    {"dilation 2", 2, 16, 11, 9, 16, 3, 3, 1, 1, 2, 2, 2, 2, 1, 0, T, 2, 0, 0, 2, 0, 0},
    {"dilation 2, stride 2", 1, 16, 12, 14, 16, 3, 3, 2, 2, 2, 1, 2, 2, 1, B, T, 2, 0, 0, 1, 0, 0},
    {"dilation 3, stride 2", 1, 16, 15, 14, 16, 3, 2, 2, 2, 3, 2, 3, 3, 1, B, T, 1, 0, 0, 1, 0, 0},
    {"dilation 2, stride 4", 1, 16, 16, 17, 16, 3, 3, 4, 4, 1, 3, 2, 2, 1, B, T, 3, 0, 1, 2, 0, 0},
    {"unread border", 2, 16, 9, 9, 16, 3, 3, 2, 2, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 1, 2},
    {"11x11", 1, 5, 12, 13, 3, 11, 11, 1, 1, 5, 5, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"pad > kernel", 1, 5, 4, 3, 7, 2, 2, 1, 1, 3, 4, 1, 1, 1, B, T, 4, 0, 0, 0, 0, 0},
    {"more rows than a unit", 1, 2, 110, 40, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 1, 1, 1, 1, 0, 0},
    {"large weights", 1, 145, 3, 4, 129, 3, 3, 1, 1, 1, 1, 1, 1, 1, L, T, 1, 1, 1, 1, 0, 0},
    {"large weights, packed", 2, 145, 3, 4, 129, 3, 3, 1, 1, 1, 1, 1, 1, 1, B, T, 0, 1, 1, 0, 0, 0},
    {"chunks", 3, 6, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, B, T, 2, 0, 0, 2, 0, 0},
    {"chunks, packed", 3, 6, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"stem 5x5", 3, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, R, P, 2, 1, 0, 0, 0, 0},
    {"stem 5x5, packed", 3, 1, 28, 28, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, S, P, 0, 1, 0, 0, 0, 0},
    {"stem 7x7 stride 2", 2, 3, 20, 23, 33, 7, 7, 2, 2, 3, 3, 1, 1, 1, B, P, 3, 1, 1, 0, 0, 0},
    {"stem 11x11 stride 4", 1, 3, 35, 31, 33, 11, 11, 4, 4, 2, 2, 1, 1, 1, B, P, 2, 0, 0, 0, 0, 0},
    {"stem 3x3 stride 3", 2, 15, 10, 11, 20, 3, 3, 3, 3, 1, 1, 1, 1, 1, B, P, 1, 1, 2, 1, 0, 0},
    {"stem 3x3", 4, 3, 32, 32, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, L, P, 1, 1, 0, 0, 0, 0},
    {"stem 1x1", 2, 2, 5, 6, 3, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, P, 0, 0, 0, 0, 0, 0},
    {"stem, dilation 2", 1, 4, 9, 12, 17, 3, 2, 1, 2, 2, 1, 2, 3, 1, 0, P, 1, 2, 1, 0, 0, 0},
    {"stem, 16 samples", 18, 3, 12, 11, 20, 5, 5, 2, 2, 2, 2, 1, 1, 1, B, P, 2, 0, 1, 0, 0, 0},
    {"stem of 1, 16 samples", 16, 1, 9, 9, 6, 5, 5, 1, 1, 2, 2, 1, 1, 1, R, P, 2, 1, 0, 0, 0, 0},
    {"stem of 3, 8 filters", 2, 3, 9, 41, 8, 3, 7, 1, 1, 1, 3, 1, 1, 1, L, P, 3, 1, 0, 0, 0, 0},
    {"stem of 6, odd parts", 3, 1, 75, 62, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, S, P, 1, 1, 0, 0, 0, 0},
    {"stem of 2, 2 filters", 5, 2, 11, 17, 2, 3, 2, 2, 1, 2, 1, 2, 3, 1, B, P, 0, 0, 0, 0, 0, 0},
    {"stem pooled in parts", 1, 1, 66, 64, 17, 3, 3, 1, 1, 1, 1, 1, 1, 1, R, P, 1, 1, 0, 0, 0, 0},
    {"stem 15 wide", 1, 2, 18, 20, 17, 2, 15, 1, 1, 0, 7, 1, 1, 1, 0, P, 7, 0, 0, 0, 0, 0},
    {"stem of 15, large", 1, 15, 17, 15, 97, 11, 11, 4, 4, 2, 2, 1, 1, 1, 0, P, 2, 0, 1, 0, 0, 0},
    {"two groups of 16", 2, 32, 6, 7, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 1, 1, 1, 1, 0, 0},
    {"three groups of 32", 1, 96, 5, 6, 144, 3, 3, 2, 2, 1, 1, 1, 1, 3, L, T, 0, 1, 1, 0, 0, 0},
    {"depthwise", 3, 20, 11, 13, 20, 3, 3, 1, 1, 1, 1, 1, 1, 20, R, T, 1, 1, 0, 0, 0, 0},
    /* dw: depthwise */
    {"dw 5x4 stride 2", 2, 17, 12, 19, 17, 5, 4, 2, 2, 2, 1, 1, 1, 17, B, T, 0, 2, 1, 1, 0, 0},
    {"depthwise dilation 2", 2, 16, 9, 30, 16, 3, 3, 1, 1, 2, 2, 2, 2, 16, 0, T, 0, 0, 0, 0, 0, 0},
    {"dw stride 2, even", 2, 33, 12, 14, 33, 3, 3, 2, 2, 1, 1, 1, 1, 33, L, T, 1, 0, 0, 0, 0, 0},
    {"dw stride 2, odd", 2, 33, 13, 15, 33, 3, 3, 2, 2, 1, 1, 1, 1, 33, B, T, 0, 1, 1, 0, 0, 0},
    {"dw 5x5", 2, 17, 9, 29, 17, 5, 5, 1, 1, 2, 2, 1, 1, 17, B, T, 0, 0, 0, 0, 0, 0},
    {"dw 5x5 stride 2", 1, 20, 11, 33, 20, 5, 5, 2, 2, 2, 2, 1, 1, 20, S, T, 0, 1, 0, 0, 0, 0},
    {"dw 7x7", 1, 20, 9, 29, 20, 7, 7, 1, 1, 3, 3, 1, 1, 20, B, T, 1, 0, 1, 0, 0, 0},
    {"dw 7x6, narrower", 1, 5, 3, 4, 5, 7, 6, 1, 1, 3, 4, 1, 1, 5, R, T, 0, 0, 0, 1, 0, 0},
    {"dw, pad > kernel", 1, 16, 4, 3, 16, 2, 2, 1, 1, 3, 4, 1, 1, 16, B, T, 0, 1, 0, 0, 0, 0},
    {"dw stride 5, 4 wide", 2, 18, 16, 19, 18, 2, 3, 5, 5, 1, 2, 1, 1, 18, B, T, 0, 0, 1, 0, 0, 0},
    {"dw dilation 2, 4", 1, 16, 17, 23, 16, 3, 3, 4, 4, 1, 3, 2, 2, 16, B, T, 0, 0, 0, 0, 0, 0},
    {"dw dilation 3, 2", 1, 16, 15, 14, 16, 3, 2, 2, 2, 3, 2, 3, 3, 16, B, T, 0, 0, 0, 0, 0, 0},
    {"dw, unread border", 2, 16, 9, 9, 16, 3, 3, 2, 2, 0, 0, 1, 1, 16, B, T, 0, 0, 0, 0, 1, 2},
    {"dw of long rows", 1, 2, 3, 600, 2, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 0, 0, 0, 0, 0, 0},
    {"dw, many samples", 35, 40, 5, 7, 40, 3, 3, 1, 1, 1, 1, 1, 1, 40, B, T, 0, 0, 0, 0, 0, 0},
    {"3x3, padded below", 2, 16, 9, 7, 32, 3, 3, 1, 1, 0, 1, 1, 1, 1, S, T, 1, 0, 0, 1, -2, -1},
    {"3x3 packed, below", 2, 17, 9, 7, 33, 3, 3, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, -2, -3},
    {"1x1, padded below", 2, 32, 7, 5, 48, 1, 1, 1, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, -1, -1},
    {"stride 2, on right", 2, 32, 12, 10, 40, 3, 3, 2, 2, 1, 0, 1, 1, 1, B, T, 1, 0, 0, 1, 0, -1},
    {"16 samples, at end", 17, 5, 9, 7, 18, 3, 2, 1, 1, 0, 0, 2, 2, 1, B, T, 0, 0, 0, 0, -2, -1},
    {"groups, padded below", 1, 32, 6, 7, 32, 3, 3, 2, 1, 0, 0, 1, 1, 2, L, T, 0, 0, 0, 0, -1, -2},
    {"stem, padded below", 3, 1, 28, 28, 6, 5, 5, 1, 1, 1, 2, 1, 1, 1, L, P, 2, 1, 0, 0, -2, -1},
    {"stem 7x7, at end", 17, 3, 8, 22, 17, 7, 7, 2, 2, 2, 2, 1, 1, 1, B, P, 0, 0, 0, 0, -1, -1},
    {"dw, padded below", 2, 17, 9, 12, 17, 3, 3, 1, 1, 0, 0, 1, 1, 17, S, T, 0, 0, 0, 0, -2, -2},
    {"dw stride 2 right", 2, 33, 12, 14, 33, 3, 3, 2, 2, 1, 0, 1, 1, 33, B, T, 1, 0, 0, 0, 0, -1},
    {"two groups of 3", 2, 6, 7, 8, 10, 3, 3, 2, 1, 1, 1, 1, 2, 2, L, T, 1, 2, 1, 0, 0, 0},
    {"2 groups, 16 to 5", 1, 32, 5, 6, 10, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 0, 0, 0, 0, 0, 0},
    {"2 groups, 5 to 16", 1, 10, 5, 6, 32, 3, 3, 1, 1, 1, 1, 1, 1, 2, B, T, 0, 0, 0, 0, 0, 0},
    {"channel multiplier", 1, 17, 5, 6, 34, 3, 3, 1, 1, 1, 1, 1, 1, 17, S, T, 0, 0, 0, 0, 0, 0},
    /* Shapes at which other libraries were wrong: see tests/history. */
    {"1x1 of 2x2, stride 2", 2, 32, 2, 2, 16, 1, 1, 2, 2, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"stride 1 and 2", 2, 18, 5, 9, 20, 3, 3, 1, 2, 1, 1, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"5x5 stride 2", 2, 20, 11, 10, 18, 5, 5, 2, 2, 2, 2, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"7x1 stride 3 and 1", 2, 17, 14, 5, 16, 7, 1, 3, 1, 0, 0, 1, 1, 1, B, T, 0, 0, 0, 0, 0, 0},
    {"four groups of 8", 2, 32, 5, 6, 32, 3, 3, 1, 1, 1, 1, 1, 1, 4, B, T, 0, 0, 0, 0, 0, 0},
    {"dw of 24, stride 2", 1, 24, 6, 6, 24, 3, 3, 2, 2, 1, 1, 1, 1, 24, 0, T, 0, 0, 0, 0, 0, 0},
    {"dw stride 3", 2, 17, 10, 11, 17, 3, 3, 3, 3, 1, 1, 1, 1, 17, B, T, 0, 0, 0, 0, 0, 0},
    {"dw, one wide, stride 2", 2, 32, 9, 1, 32, 3, 1, 2, 1, 1, 0, 1, 1, 32, B, T, 0, 0, 0, 0, 0, 0},
};

/* With weights and dy that are multiples of 24^2, the fractions in F(4x4, 3x3) are exact. */
enum { WINOGRAD_SCALE = 576 };

static int32_t output_size(int32_t in, int32_t kernel, int32_t stride, int32_t pad,
                           int32_t dilation) {
  return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}

cn_conv2d conv_of(const conv_case *t) {
  const int32_t h = output_size(t->h, t->kernel_h, t->stride_h, t->pad_h, t->dilation_h);
  const int32_t w = output_size(t->w, t->kernel_w, t->stride_w, t->pad_w, t->dilation_w);
  const cn_tensor y = {.c = t->k,
                       .h = h - t->unread_h,
                       .w = w - t->unread_w,
                       .halo = t->y_halo,
                       .layout = CN_BLOCKED};
  const int32_t more_h = t->stride_h * (t->unread_h < 0 ? -t->unread_h : 0);
  const int32_t more_w = t->stride_w * (t->unread_w < 0 ? -t->unread_w : 0);
  const cn_tensor x = {.c = t->c, .h = t->h, .w = t->w, .halo = t->x_halo, .layout = t->layout};
  cn_conv2d conv = {.size = sizeof conv,
                    .groups = t->groups,
                    .x = x,
                    .y = y,
                    .dx = x,
                    .dy = y,
                    .window = {.kernel_h = t->kernel_h,
                               .kernel_w = t->kernel_w,
                               .stride_h = t->stride_h,
                               .stride_w = t->stride_w,
                               .pad_top = t->pad_h,
                               .pad_left = t->pad_w,
                               .pad_bottom = t->pad_h + more_h,
                               .pad_right = t->pad_w + more_w,
                               .dilation_h = t->dilation_h,
                               .dilation_w = t->dilation_w}};
  conv.dx.halo = t->dx_halo;
  conv.dy.halo = t->dy_halo;
  if (strlen(t->name) % 2 == 0) return conv;
  cn_tensor *slices[] = {&conv.x, &conv.y, &conv.dx, &conv.dy};
  for (int i = 0; i < 4; i++) *slices[i] = as_slice(*slices[i]);
  return conv;
}

bool takes(const conv_case *t, int32_t algorithm) {
  cn_conv2d conv = conv_of(t);
  conv.algorithm = algorithm;
  const char *most = getenv("CN_TEST_PRODUCTS");
  const double products =
      (double)t->n * t->k * conv.y.h * conv.y.w * t->c / t->groups * t->kernel_h * t->kernel_w;
  if (most != NULL && products > strtod(most, NULL)) return false;
  const cn_context context = context_of(0, 1);
  int32_t fits[3];
  for (int32_t pass = CN_FORWARD; pass <= CN_BACKWARD_WEIGHTS; pass++) {
    cn_conv2d_variant v = {.size = sizeof v};
    fits[pass] = cn_conv2d_describe(&context, &conv, NULL, pass, t->n, &v);
    CHECK(fits[pass] == CN_OK || fits[pass] == CN_UNSUPPORTED, "%s, algorithm %d, pass %d: %s",
          t->name, (int)algorithm, (int)pass, cn_status_text(fits[pass]));
    CHECK(fits[pass] == fits[0], "%s: algorithm %d fits some passes only", t->name, (int)algorithm);
  }
  return fits[0] == CN_OK;
}

/* Derived from the name, so that a case has the same data wherever it is in the list. */
static uint64_t seed_of(const conv_case *t) {
  uint64_t seed = 1;
  for (const char *c = t->name; *c != '\0'; c++) seed = 31 * seed + (unsigned char)*c;
  return seed;
}

static float *new_scaled(int64_t count, int32_t most, int32_t scale) {
  float *values = new_integers(count, most);
  for (int64_t i = 0; i < count; i++) values[i] *= (float)scale;
  return values;
}

problem problem_of(const conv_case *t, int32_t algorithm, bool exact, bool tail) {
  const int32_t kinds[] = {RELU, RELU6, LEAKY_RELU};
  problem p = {.t = t,
               .conv = conv_of(t),
               .activation = activation_in(t->flags),
               .x_activation = activation_in(kinds[seed_of(t) % 3]),
               .n = t->n,
               .mask = tail,
               .statistics = tail && !exact};
  const int32_t scale = algorithm == CN_DIRECT ? 1 : WINOGRAD_SCALE;
  p.conv.algorithm = algorithm;
  const cn_conv2d *c = &p.conv;
  p.x_count = (int64_t)t->n * c->x.c * c->x.h * c->x.w;
  p.y_count = (int64_t)t->n * c->y.c * c->y.h * c->y.w;
  p.w_count = (int64_t)c->y.c * (c->x.c / c->groups) * c->window.kernel_h * c->window.kernel_w;
  seed_values(seed_of(t));
  p.x = exact ? new_integers(p.x_count, 4) : new_reals(p.x_count);
  p.w = exact ? new_scaled(p.w_count, 3, scale) : new_reals(p.w_count);
  p.dy = exact ? new_scaled(p.y_count, 3, scale) : new_reals(p.y_count);
  if ((t->flags & CN_BIAS) != 0) p.bias = exact ? new_integers(c->y.c, 9) : new_reals(c->y.c);
  if (tail) {
    p.y_add = exact ? new_integers(p.y_count, 50) : new_reals(p.y_count);
    if (seed_of(t) % 2 == 0) /* else only the mask */
      p.dx_add = exact ? new_scaled(p.x_count, 50, scale * scale) : new_reals(p.x_count);
  }
  return p;
}

void free_problem(problem *p) {
  float *values[] = {p->x, p->w, p->dy, p->bias, p->y_add, p->dx_add};
  for (int i = 0; i < 6; i++) free(values[i]);
}

cn_epilogue epilogue_of(const problem *p, const float *bias) {
  return (cn_epilogue){.size = sizeof(cn_epilogue),
                       .operations = operations_in(p->t->flags),
                       .activation = p->activation,
                       .bias = bias};
}

void *new_workspace(const cn_context *context, const cn_conv2d *conv, const cn_epilogue *epilogue,
                    int32_t pass, int32_t n, int64_t *bytes) {
  cn_conv2d_variant v = {.size = sizeof v};
  const int32_t status = cn_conv2d_describe(context, conv, epilogue, pass, n, &v);
  CHECK(status == CN_OK && v.workspace >= 0, "pass %d: %s, workspace %lld", (int)pass,
        cn_status_text(status), (long long)v.workspace);
  *bytes = v.workspace;
  return new_bytes(v.workspace);
}

/* A tensor of the shape of `values`, but with a halo that is wider by `more`, modulo 4. */
static cn_tensor other_halo(const cn_tensor *values, int32_t more) {
  cn_tensor other = *values;
  other.halo = (values->halo + more) % 4;
  return values->sample_stride != 0 ? as_slice(other) : other;
}

/* Moves the values of a plain image in their memory, which grows by so much. */
static float *moved(float *memory, const cn_tensor *t, const problem *p) {
  if (t->layout != CN_PLAIN || p->shift == 0) return memory;
  const int64_t floats = tensor_floats(t, p->n);
  float *more = new_floats(floats + p->shift);
  memcpy(more + p->shift, memory, (size_t)floats * sizeof(float));
  free(memory);
  return more;
}

static float *run_forward(const cn_context *context, const problem *p, const float *x,
                          const float *w, const float *bias, float *statistics) {
  const cn_conv2d *c = &p->conv;
  cn_epilogue e = epilogue_of(p, bias);
  float *add = NULL, *y = new_floats(tensor_floats(&c->y, p->n));
  if (p->y_add != NULL) {
    e.operations |= CN_ADD;
    e.add = other_halo(&c->y, 1);
    e.add_values = add = new_tensor(&e.add, p->n, p->y_add);
  }
  if (statistics != NULL) e.operations |= CN_STATISTICS;
  e.statistics = statistics;
  int64_t bytes;
  void *workspace = new_workspace(context, c, &e, CN_FORWARD, p->n, &bytes);
  const int32_t status = cn_conv2d_forward(context, c, &e, p->n, x, w, y, workspace, bytes);
  CHECK(status == CN_OK, "%s: forward: %s", p->t->name, cn_status_text(status));
  free(workspace);
  free(add);
  return y;
}

static float *run_backward_data(const cn_context *context, const problem *p, const float *dy,
                                const float *w) {
  const cn_conv2d *c = &p->conv;
  cn_epilogue e = {.size = sizeof e, .activation = p->x_activation};
  const int64_t shift = c->dx.layout == CN_PLAIN ? p->shift : 0;
  float *add = NULL, *outputs = NULL, *dx = new_floats(tensor_floats(&c->dx, p->n) + shift);
  if (p->dx_add != NULL) {
    e.operations |= CN_ADD;
    e.add = other_halo(&c->dx, 1);
    add = moved(new_tensor(&e.add, p->n, p->dx_add), &e.add, p);
    e.add_values = add + shift;
  }
  if (p->mask) {
    e.operations |= CN_SLOPE;
    e.outputs = other_halo(&c->dx, 2);
    outputs = moved(new_tensor(&e.outputs, p->n, p->x), &e.outputs, p);
    e.output_values = outputs + shift;
  }
  int64_t bytes;
  void *workspace = new_workspace(context, c, &e, CN_BACKWARD_DATA, p->n, &bytes);
  const int32_t status =
      cn_conv2d_backward_data(context, c, &e, p->n, dy, w, dx + shift, workspace, bytes);
  CHECK(status == CN_OK, "%s: backward data: %s", p->t->name, cn_status_text(status));
  memmove(dx, dx + shift, (size_t)tensor_floats(&c->dx, p->n) * sizeof(float));
  free(workspace);
  free(add);
  free(outputs);
  return dx;
}

static void run_backward_weights(const cn_context *context, const problem *p, const float *x,
                                 const float *dy, float *dw, float *db) {
  const cn_epilogue e = {.size = sizeof e, .operations = db != NULL ? CN_BIAS : 0};
  const cn_gradients g = {.size = sizeof g, .operations = CN_STORE, .dw = dw, .db = db};
  int64_t bytes;
  void *workspace = new_workspace(context, &p->conv, &e, CN_BACKWARD_WEIGHTS, p->n, &bytes);
  const int32_t status =
      cn_conv2d_backward_weights(context, &p->conv, &e, p->n, x, dy, &g, workspace, bytes);
  CHECK(status == CN_OK, "%s: backward weights: %s", p->t->name, cn_status_text(status));
  free(workspace);
}

outputs run_passes(const cn_context *context, const problem *p) {
  const cn_conv2d *c = &p->conv;
  outputs o = {.y_floats = tensor_floats(&c->y, p->n),
               .dx_floats = tensor_floats(&c->dx, p->n),
               .dw_floats = floats_in(cn_conv2d_weight_bytes(c)),
               .db_floats = (c->y.c + 15) / 16 * 16,
               .statistics_floats = floats_in(cn_row_statistics_bytes(&c->y, p->n))};
  o.dw = new_floats(o.dw_floats);
  o.db = p->bias != NULL ? new_floats(o.db_floats) : NULL;
  o.statistics = p->statistics ? new_floats(o.statistics_floats) : NULL;
  float *memory = moved(new_tensor(&c->x, p->n, p->x), &c->x, p);
  const float *x = memory + (c->x.layout == CN_PLAIN ? p->shift : 0);
  float *dy = new_tensor(&c->dy, p->n, p->dy);
  float *w = new_floats(o.dw_floats);
  float *bias = p->bias != NULL ? new_channels(c->y.c, p->bias) : NULL;
  CHECK(cn_conv2d_pack_weights(context, c, p->w, w) == CN_OK, "%s", p->t->name);
  o.y = run_forward(context, p, x, w, bias, o.statistics);
  o.dx = run_backward_data(context, p, dy, w);
  run_backward_weights(context, p, x, dy, o.dw, o.db);
  float *all[] = {memory, dy, w, bias};
  for (int i = 0; i < 4; i++) free(all[i]);
  return o;
}

void free_outputs(outputs *o) {
  free(o->y);
  free(o->dx);
  free(o->dw);
  free(o->db);
  free(o->statistics);
}
