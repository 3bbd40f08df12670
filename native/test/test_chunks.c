/*
 * Every way in which a convolution kernel divides a sum or its work, on whole numbers, with one
 * part, two, eight, and many of different sizes.
 */
#include "conv_solution.h"
#include "conv_variants.h"
#include "depthwise_plan.h"
#include "parts.h"
#include "sum_plan.h"
#include "winograd_plan.h"

enum { MOST_PRODUCTS = 12000000 };

typedef division (*divide)(const conv_call *call);

typedef struct kernel {
  int32_t algorithm, pass;
  conv_run_index run;
} kernel;

/* With 0 groups, every channel is a group. */
typedef struct form {
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, groups, layout, halo;
} form;

/* One way to divide a pass, of which the search chooses the sizes from lists that end in 0. */
typedef struct cut {
  const char *name;
  const kernel *kernel;
  const form *form;
  divide of;
  int32_t absent; /* bits 1 << wanted: what the plan never does */
  const int32_t *n, *c, *k, *h, *w;
} cut;

/* ---- Divisions ------------------------------------------------------------------------------- */

static weights_plan weights_of(const conv_call *call) {
  const conv_shape s = shape_of_call(call);
  return weights_plan_of(&s);
}

static int64_t pixel_blocks(const weights_plan *p) { return p->row_blocks * p->image_blocks; }

static division weights_chunks(const conv_call *call) {
  const weights_plan p = weights_of(call);
  return in_parts(pixel_blocks(&p), p.chunks);
}

/* Blocks of pixels of the only chunk, in runs of SUM_BLOCKS. */
static division weights_runs(const conv_call *call) {
  const weights_plan p = weights_of(call);
  return p.chunks > 1 ? (division){0, false} : in_pieces(pixel_blocks(&p), SUM_BLOCKS);
}

static division weights_rows(const conv_call *call) {
  const weights_plan p = weights_of(call);
  return in_pieces(p.shape.y.h, p.rows);
}

static division weights_images(const conv_call *call) {
  const weights_plan p = weights_of(call);
  return in_pieces(p.shape.n, p.images);
}

/* The sums of a bias: pieces of a row, and leaves of the rows of a block of pixels. */
static division bias_pieces(const conv_call *call) {
  return in_pieces(weights_of(call).shape.y.w, BIAS_PIECE);
}

static division bias_leaves(const conv_call *call) {
  const weights_plan p = weights_of(call);
  return in_pieces(p.images * p.rows, LEAF_TERMS);
}

static division weights_x_panels(const conv_call *call) {
  const weights_plan p = weights_of(call);
  return in_pieces(p.shape.x_blocks, p.panel_blocks);
}

static division weights_y_panels(const conv_call *call) {
  const weights_plan p = weights_of(call);
  return in_pieces(ceil_div(p.shape.y_blocks, 2), p.panel_pairs);
}

static sweep plan_of_sweep(const conv_call *call) {
  if (call->pass == CN_BACKWARD_DATA && call->conv->dx.layout == CN_PLAIN) {
    const conv_shape s = plain_gradient_shape_of(call->conv, call->n);
    return sweep_of(&s, true);
  }
  return sweep_of_call(call);
}

static division sweep_chunks(const conv_call *call) {
  const sweep p = plan_of_sweep(call);
  return in_pieces(p.src_blocks, p.chunk);
}

static division sweep_rows(const conv_call *call) {
  const sweep p = plan_of_sweep(call);
  return in_pieces(p.total_rows, p.rows);
}

static division sweep_columns(const conv_call *call) {
  const sweep p = plan_of_sweep(call);
  return in_pieces(p.total_cols, p.cols);
}

static division samples_bands(const conv_call *call) {
  return in_pieces(call->conv->dx.h, samples_plan_of(call->conv, call->n).rows);
}

/* Vectors of samples, of which the last may be incomplete. */
static division samples_vectors(const conv_call *call) { return in_pieces(call->n, CN_BLOCK); }

static division pixels_bands(const conv_call *call) {
  return in_pieces(call->conv->dx.h, pixels_plan_of(call->conv, call->n).rows);
}

static division depthwise_strips(const conv_call *call) {
  const depthwise_plan p = depthwise_plan_of(call->conv, call->pass, call->n);
  return in_pieces(p.dst.h, p.strip_rows);
}

static division depthwise_chunks(const conv_call *call) {
  return in_parts(call->n, depthwise_plan_of(call->conv, call->pass, call->n).chunks);
}

static division depthwise_groups(const conv_call *call) {
  const depthwise_plan p = depthwise_plan_of(call->conv, call->pass, call->n);
  return in_parts(p.sv.planes, p.block_groups);
}

static division winograd_chunks(const conv_call *call) {
  const winograd_weights_plan p = winograd_weights_plan_of(call->conv, call->n);
  return in_parts(call->n * p.tile_rows, p.chunks);
}

/* Rows of tiles of the only chunk, a few of which are transformed at a time. */
static division winograd_runs(const conv_call *call) {
  const winograd_weights_plan p = winograd_weights_plan_of(call->conv, call->n);
  return p.chunks > 1 ? (division){0, false} : in_pieces(call->n * p.tile_rows, p.rows);
}

static division winograd_shares(const conv_call *call) {
  const winograd_weights_plan p = winograd_weights_plan_of(call->conv, call->n);
  return in_parts(ceil_div(p.shape.y_blocks, 2), p.y_shares);
}

static division winograd_units(const conv_call *call) {
  const winograd_plan p = winograd_plan_of_call(call);
  return in_parts(call->n * p.tile_rows, p.units);
}

static division winograd_filter_shares(const conv_call *call) {
  const winograd_plan p = winograd_plan_of_call(call);
  return in_parts(ceil_div(p.dst_blocks, 2), p.shares);
}

/* ---- The cuts -------------------------------------------------------------------------------- */

static const kernel sums = {CN_DIRECT, CN_BACKWARD_WEIGHTS, RUN_sums_backward_weights};
static const kernel forward = {CN_DIRECT, CN_FORWARD, RUN_sweep_forward};
static const kernel data = {CN_DIRECT, CN_BACKWARD_DATA, RUN_sweep_backward_data};
static const kernel samples = {CN_DIRECT, CN_BACKWARD_DATA, RUN_samples_backward_data};
static const kernel pixels = {CN_DIRECT, CN_BACKWARD_DATA, RUN_pixels_backward_data};
static const kernel depth_forward = {CN_DIRECT, CN_FORWARD, RUN_depthwise_forward};
static const kernel depth_data = {CN_DIRECT, CN_BACKWARD_DATA, RUN_depthwise_backward_data};
static const kernel depth_weights = {CN_DIRECT, CN_BACKWARD_WEIGHTS,
                                     RUN_depthwise_backward_weights};
static const kernel tiles_2 = {CN_WINOGRAD_2, CN_FORWARD, RUN_winograd};
static const kernel tiles_4 = {CN_WINOGRAD_4, CN_BACKWARD_DATA, RUN_winograd};
static const kernel weights_2 = {CN_WINOGRAD_2, CN_BACKWARD_WEIGHTS, RUN_winograd_weights};
static const kernel weights_4 = {CN_WINOGRAD_4, CN_BACKWARD_WEIGHTS, RUN_winograd_weights};

enum { P = CN_PLAIN, T = CN_BLOCKED };

static const form same = {3, 3, 1, 1, 1, 1, 1, T, 1};
static const form packed = {3, 3, 1, 1, 1, 1, 1, T, 0};
static const form half = {3, 3, 2, 2, 1, 1, 1, T, 1};
static const form wide = {5, 5, 1, 1, 2, 2, 1, T, 2};
static const form wide_packed = {5, 5, 1, 1, 2, 2, 1, T, 0};
static const form wide_half = {5, 5, 2, 2, 2, 2, 1, T, 0};
static const form uneven = {5, 3, 2, 1, 2, 1, 1, T, 0};
static const form point = {1, 1, 1, 1, 0, 0, 1, T, 0};
static const form groups = {3, 3, 1, 1, 1, 1, 2, T, 1};
static const form stem = {3, 3, 1, 1, 1, 1, 1, P, 0};
static const form stem_half = {3, 3, 2, 2, 1, 1, 1, P, 1};
static const form stem_wide = {5, 5, 1, 1, 2, 2, 1, P, 2};
static const form depth = {3, 3, 1, 1, 1, 1, 0, T, 1};
static const form depth_half = {5, 3, 2, 1, 2, 1, 0, T, 1};

static const int32_t few[] = {1, 2, 3, 5, 8, 11, 17, 33, 64, 0};
static const int32_t sizes[] = {1, 2, 3, 5, 8, 13, 21, 40, 75, 140, 0};
static const int32_t blocks[] = {5, 40, 100, 150, 230, 300, 420, 600, 720, 1000, 0};
static const int32_t rows[] = {1, 5, 13, 40, 60, 66, 75, 100, 140, 280, 0};
static const int32_t tall[] = {1, 13, 40, 140, 200, 0};
static const int32_t some[] = {3, 16, 33, 0};
static const int32_t one[] = {1, 0};
static const int32_t two[] = {1, 2, 0};
static const int32_t three[] = {1, 3, 0};
static const int32_t many[] = {1, 70, 128, 140, 200, 450, 512, 0};
static const int32_t images[] = {4, 6, 9, 0};
static const int32_t block[] = {32, 0};
static const int32_t block_2[] = {32, 64, 0};
static const int32_t planes[] = {1, 3, 0};
static const int32_t planes_2[] = {5, 15, 0};
static const int32_t filters[] = {1, 9, 0};
static const int32_t narrow[] = {6, 0};
static const int32_t deep[] = {5, 40, 100, 150, 0};
static const int32_t beyond[] = {9, 33, 100, 0};
static const int32_t short_h[] = {1, 5, 13, 16, 0};
static const int32_t long_w[] = {5, 13, 40, 84, 240, 0};
static const int32_t pieces[] = {5, 400, 700, 2000, 0};
static const int32_t lanes[] = {16, 31, 53, 64, 128, 0};
static const int32_t channels[] = {1, 3, 8, 0};
static const int32_t wide_w[] = {20, 33, 75, 140, 240, 0};

/* Fewer than eight parts; and Winograd's tiles are divided into at least four chunks. */
enum { FEWER = 1 << EIGHT_PARTS, NOT_TWO = 1 << TWO_PARTS };

/* name, kernel, form, division, absent, lists of n, c, k, h, w */
static const cut cuts[] = {
    {"chunks of dw", &sums, &same, weights_chunks, 0, few, some, some, sizes, sizes},
    {"chunks of dw, packed", &sums, &uneven, weights_chunks, 0, few, some, some, sizes, sizes},
    {"chunks of dw, 1x1", &sums, &point, weights_chunks, 0, few, some, some, sizes, sizes},
    {"chunks of dw, groups", &sums, &groups, weights_chunks, 0, few, block, block_2, sizes, sizes},
    {"chunks of dw, stem", &sums, &stem_half, weights_chunks, 0, few, planes, some, sizes, sizes},
    {"chunks of dw, narrow", &sums, &stem_wide, weights_chunks, 0, few, planes, narrow, sizes,
     sizes},
    {"runs of dw", &sums, &packed, weights_runs, 0, many, one, one, two, three},
    {"runs of dw, stem", &sums, &stem, weights_runs, 0, many, one, filters, two, three},
    {"rows of dw", &sums, &same, weights_rows, 0, two, some, some, sizes, sizes},
    {"images of dw", &sums, &same, weights_images, 0, few, some, some, images, images},
    {"pieces of bias rows", &sums, &same, bias_pieces, 0, two, planes, some, two, pieces},
    {"leaves of bias rows", &sums, &point, bias_leaves, FEWER, many, planes, some, two, two},
    {"panels of x", &sums, &same, weights_x_panels, 0, two, blocks, some, three, three},
    {"panels of y", &sums, &same, weights_y_panels, 0, two, deep, blocks, three, three},
    {"chunks of x", &forward, &wide, sweep_chunks, 0, two, blocks, deep, three, three},
    {"chunks of x, packed", &forward, &wide_packed, sweep_chunks, 0, two, blocks, deep, three,
     three},
    {"chunks of dy", &data, &wide, sweep_chunks, 0, two, beyond, blocks, three, three},
    {"chunks of dy, packed", &data, &wide_half, sweep_chunks, 0, two, beyond, blocks, three, three},
    {"rows of y", &forward, &same, sweep_rows, 0, two, deep, one, rows, sizes},
    {"rows of y, stem", &forward, &stem, sweep_rows, 0, two, planes_2, filters, rows, long_w},
    {"rows of dx", &data, &half, sweep_rows, 0, two, planes, deep, rows, sizes},
    {"columns of y", &forward, &point, sweep_columns, 0, two, deep, some, short_h, long_w},
    {"columns of dx", &data, &point, sweep_columns, 0, two, beyond, some, short_h, long_w},
    {"bands of samples", &samples, &same, samples_bands, 0, lanes, channels, some, rows, sizes},
    {"vectors of samples", &samples, &half, samples_vectors, 0, lanes, channels, some, images,
     images},
    {"bands of pixels", &pixels, &same, pixels_bands, 0, two, two, some, tall, wide_w},
    {"strips of y", &depth_forward, &depth, depthwise_strips, 0, few, some, one, rows, three},
    {"strips of dx", &depth_data, &depth_half, depthwise_strips, 0, few, some, one, rows, three},
    {"chunks, depthwise", &depth_weights, &depth, depthwise_chunks, 0, few, some, one, images,
     images},
    {"groups, depthwise", &depth_weights, &depth, depthwise_groups, 0, few, blocks, one, images,
     images},
    {"chunks of tiles, 2x2", &weights_2, &same, winograd_chunks, NOT_TWO, few, some, some, sizes,
     sizes},
    {"chunks of tiles, 4x4", &weights_4, &same, winograd_chunks, NOT_TWO, few, some, some, sizes,
     sizes},
    {"chunks of tiles, groups", &weights_2, &groups, winograd_chunks, NOT_TWO, few, block, block,
     sizes, sizes},
    {"runs of tiles", &weights_2, &same, winograd_runs, FEWER, few, some, some, sizes, sizes},
    {"shares of dw", &weights_2, &same, winograd_shares, FEWER, two, some, blocks, images, images},
    {"units of y", &tiles_2, &same, winograd_units, 0, few, some, some, sizes, sizes},
    {"units of dx", &tiles_4, &same, winograd_units, 0, few, some, some, sizes, sizes},
    {"shares of filters", &tiles_2, &same, winograd_filter_shares, FEWER, one, blocks, blocks,
     three, two},
};

/* ---- The search ------------------------------------------------------------------------------ */

static bool conv_exists(const conv_case *t) {
  const cn_conv2d conv = conv_of(t);
  return conv.y.h > 0 && conv.y.w > 0;
}

static int64_t products(const conv_case *t) {
  const cn_conv2d conv = conv_of(t);
  return (int64_t)t->n * (t->c / t->groups) * t->k * t->kernel_h * t->kernel_w * conv.y.h *
         conv.y.w;
}

static division divided(const cut *u, const conv_case *t) {
  const cn_context context = context_of(0, THREADS);
  const cn_epilogue epilogue = {.size = sizeof epilogue};
  cn_conv2d conv = conv_of(t);
  conv.algorithm = u->kernel->algorithm;
  const conv_call call = {.context = &context,
                          .conv = &conv,
                          .epilogue = &epilogue,
                          .pass = u->kernel->pass,
                          .n = t->n};
  const conv_variant *v = variant_of(&call);
  return v != NULL && v->run == u->kernel->run ? u->of(&call) : (division){0, false};
}

/* The sizes that index `i` selects from the lists; false beyond the last. */
static bool case_at(const cut *u, int64_t i, conv_case *t) {
  const int32_t *const lists[] = {u->n, u->c, u->k, u->h, u->w};
  int32_t sizes_of[5];
  for (int j = 4; j >= 0; j--) {
    int64_t count = 0;
    while (lists[j][count] > 0) count++;
    sizes_of[j] = lists[j][i % count];
    i /= count;
  }
  if (i > 0) return false;
  const bool depthwise = u->form->groups == 0;
  *t = (conv_case){.name = u->name,
                   .n = sizes_of[0],
                   .c = sizes_of[1],
                   .k = depthwise ? sizes_of[1] : sizes_of[2],
                   .h = sizes_of[3],
                   .w = sizes_of[4],
                   .kernel_h = u->form->kernel_h,
                   .kernel_w = u->form->kernel_w,
                   .stride_h = u->form->stride_h,
                   .stride_w = u->form->stride_w,
                   .pad_h = u->form->pad_h,
                   .pad_w = u->form->pad_w,
                   .dilation_h = 1,
                   .dilation_w = 1,
                   .groups = depthwise ? sizes_of[1] : u->form->groups,
                   .flags = CN_BIAS | RELU,
                   .layout = u->form->layout,
                   .x_halo = u->form->halo,
                   .dy_halo = u->form->halo};
  return true;
}

/* The cheapest cases with what is wanted; no samples if there is none. */
static void find_cases(const cut *u, conv_case found[WANTED]) {
  int64_t least[WANTED] = {0};
  conv_case t;
  for (int64_t i = 0; case_at(u, i, &t); i++) {
    if (!conv_exists(&t) || products(&t) > MOST_PRODUCTS) continue;
    const division d = divided(u, &t);
    for (int k = 0; k < WANTED; k++)
      if (is_wanted(d, k) && (found[k].n == 0 || products(&t) < least[k])) {
        found[k] = t;
        least[k] = products(&t);
      }
  }
}

static void run_case(const conv_case *t, int32_t algorithm) {
  for (int tail = 0; tail < (algorithm == CN_DIRECT ? 2 : 1); tail++) {
    problem p = problem_of(t, algorithm, true, tail == 1);
    solution sums = sums_of(&p), s = finished(&sums, &p);
    for (int set = 0; set < instruction_sets(); set++) {
      const cn_context context = context_of(set, THREADS);
      outputs o = run_passes(&context, &p);
      check_outputs(&context, &p, &s, &o, true);
      free_outputs(&o);
    }
    free_solution(&sums);
    free_solution(&s);
    free_problem(&p);
  }
}

int main(void) {
  for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
    const cut *u = &cuts[i];
    conv_case found[WANTED] = {{.n = 0}};
    find_cases(u, found);
    for (int k = 0; k < WANTED; k++) {
      const bool absent = (u->absent >> k & 1) != 0;
      CHECK(absent == (found[k].n == 0), "%s: %s shape has %s", u->name, absent ? "a" : "no",
            wanted_names[k]);
      if (found[k].n > 0) run_case(&found[k], u->kernel->algorithm);
    }
  }
  return verdict("chunks");
}
