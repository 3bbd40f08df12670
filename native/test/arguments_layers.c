/* The arguments of linear layers, pooling, batch normalisation, resampling and rearrangement. */
#include "arguments.h"

static cn_tensor blocked(int32_t c, int32_t h, int32_t w) {
  return (cn_tensor){.c = c, .h = h, .w = w, .layout = CN_BLOCKED};
}

/* ---- Linear layers --------------------------------------------------------------------------- */

FUNCTION(cn_linear_weight_bytes, a.by_linear);
FUNCTION(cn_linear_workspace_bytes, a.in, a.by_linear, a.pass, a.n);
FUNCTION(cn_linear_pack_weights, a.in, a.by_linear, a.x, a.w);
FUNCTION(cn_linear_unpack_weights, a.in, a.by_linear, a.w, a.y);
FUNCTION(cn_linear_forward, a.in, a.by_linear, a.behind, a.n, a.x, a.w, a.y, a.workspace, a.room);
FUNCTION(cn_linear_backward_data, a.in, a.by_linear, a.n, a.dy, a.w, a.dx, a.workspace, a.room);
FUNCTION(cn_linear_backward_weights, a.in, a.by_linear, a.behind, a.n, a.x, a.dy, a.into,
         a.workspace, a.room);

static void linear_rows(const function *f, int64_t valid_result) {
  cn_linear *d = &a.linear;
  ROW(f, valid_result, (void)0);
  DESCRIPTOR(f, a.linear, a.by_linear);
  int32_t *sizes[] = {&d->c, &d->h, &d->w, &d->outputs};
  for (int i = 0; i < 4; i++) {
    ROW(f, CN_BAD_SHAPE, *sizes[i] = 0);
    ROW(f, CN_BAD_SHAPE, *sizes[i] = -1);
    ROW(f, CN_BAD_SHAPE, *sizes[i] = CN_MOST_SIZE + 1);
  }
  ROW(f, CN_BAD_SHAPE, d->c = d->outputs = 1 << 24);
  ROW(f, CN_BAD_SHAPE, d->h = d->w = 1 << 16);
  ROW(f, CN_BAD_LAYOUT, d->type = 1);
  ROW(f, CN_BAD_LAYOUT, d->type = -1);
}

/* The workspace of a pass, so that the call has all that it needs. */
static void linear_pass(int32_t pass) {
  a = valid;
  valid.room = cn_linear_workspace_bytes(a.in, a.by_linear, pass, a.n);
  CHECK(valid.room >= 0 && valid.room <= PIECE, "%lld bytes", (long long)valid.room);
  if (valid.room > 0) return;
  valid.room = -1;
  valid.workspace = nowhere;
}

static void linear(void) {
  begin_table();
  valid.linear = (cn_linear){
      .size = sizeof valid.linear, .type = CN_FLOAT32, .c = 16, .h = 2, .w = 2, .outputs = 10};
  valid.by_linear = &a.linear;
  valid.epilogue = (cn_epilogue){
      .size = sizeof valid.epilogue, .operations = CN_BIAS, .bias = piece(0), .winners = nowhere};
  valid.behind = &a.epilogue;
  valid.n = 3;
  valid.x = piece(1);
  valid.w = piece(2);
  valid.y = piece(3);
  valid.dy = piece(4);
  valid.dx = piece(5);
  valid.workspace = piece(6);
  valid.gradients = gradients_in(PIECES - GRADIENT_PIECES);
  valid.into = &a.gradients;
  a = valid;
  const int64_t bytes = cn_linear_weight_bytes(a.by_linear);
  CHECK(bytes >= 4 * 256 * 4, "%lld bytes", (long long)bytes);
  linear_rows(&cn_linear_weight_bytes_row, bytes);
  const function *workspace = &cn_linear_workspace_bytes_row;
  for (valid.pass = CN_FORWARD; valid.pass <= CN_BACKWARD_WEIGHTS; valid.pass++) {
    a = valid;
    linear_rows(workspace, cn_linear_workspace_bytes(a.in, a.by_linear, a.pass, a.n));
    batch_rows(workspace);
    ROW(workspace, CN_BAD_VALUE, a.pass = 3);
    ROW(workspace, CN_BAD_VALUE, a.pass = -1);
    ROW(workspace, CN_BAD_CONTEXT, a.context.threads = 0);
    ROW(workspace, CN_NULL_POINTER, a.in = NULL);
  }
  const function *pack = &cn_linear_pack_weights_row, *unpack = &cn_linear_unpack_weights_row;
  context_rows(pack);
  linear_rows(pack, CN_OK);
  REQUIRED(pack, a.x);
  ALIGNED(pack, a.w);
  context_rows(unpack);
  linear_rows(unpack, CN_OK);
  ALIGNED(unpack, a.w);
  REQUIRED(unpack, a.y);
  const function *f = &cn_linear_forward_row;
  linear_pass(CN_FORWARD);
  context_rows(f);
  batch_rows(f);
  linear_rows(f, CN_OK);
  ALIGNED(f, a.x);
  ALIGNED(f, a.w);
  ALIGNED(f, a.y);
  operation_rows(f, CN_BIAS | CN_ACTIVATE);
  epilogue_rows(f, CN_BIAS | CN_ACTIVATE);
  f = &cn_linear_backward_data_row;
  valid.workspace = piece(6);
  linear_pass(CN_BACKWARD_DATA);
  context_rows(f);
  batch_rows(f);
  linear_rows(f, CN_OK);
  ALIGNED(f, a.dy);
  ALIGNED(f, a.w);
  ALIGNED(f, a.dx);
  if (valid.room > 0) workspace_rows(f);
  f = &cn_linear_backward_weights_row;
  valid.workspace = piece(6);
  linear_pass(CN_BACKWARD_WEIGHTS);
  context_rows(f);
  batch_rows(f);
  linear_rows(f, CN_OK);
  ALIGNED(f, a.x);
  ALIGNED(f, a.dy);
  operation_rows(f, CN_BIAS);
  gradient_rows(f);
  if (valid.room > 0) workspace_rows(f);
}

/* ---- Pooling --------------------------------------------------------------------------------- */

FUNCTION(cn_pool2d_winner_bytes, a.by_pool, a.n);
FUNCTION(cn_pool2d_forward, a.in, a.by_pool, a.n, a.x, a.y, a.winners);
FUNCTION(cn_pool2d_backward, a.in, a.by_pool, a.n, a.x, a.winners, a.dy, a.dx);

/* x and y are those of the pass. */
static void pool_rows(const function *f, int64_t valid_result, cn_tensor *x, cn_tensor *y) {
  cn_pool2d *p = &a.pool;
  ROW(f, valid_result, (void)0);
  DESCRIPTOR(f, a.pool, a.by_pool);
  batch_rows(f);
  tensor_rows(f, x);
  same_shape_rows(f, y);
  ROW(f, CN_BAD_LAYOUT, x->layout = CN_PLAIN);
  ROW(f, CN_BAD_LAYOUT, y->layout = CN_PLAIN);
  ROW(f, CN_BAD_SHAPE, p->window.kernel_h = 0);
  ROW(f, CN_BAD_SHAPE, p->window.kernel_w = -1);
  ROW(f, CN_BAD_SHAPE, p->window.stride_h = 0);
  ROW(f, CN_BAD_SHAPE, p->window.stride_w = CN_MOST_WINDOW + 1);
  ROW(f, CN_BAD_SHAPE, p->window.pad_top = 2);
  ROW(f, CN_BAD_SHAPE, p->window.pad_left = -1);
  ROW(f, CN_BAD_SHAPE, p->window.pad_bottom = 2);
  ROW(f, CN_BAD_SHAPE, p->window.pad_right = 2);
  ROW(f, valid_result, p->window.dilation_h = 2);
  ROW(f, CN_BAD_SHAPE, p->window.dilation_h = 8);
  ROW(f, CN_BAD_SHAPE, p->window.dilation_h = 2, p->kind = CN_POOL_AVERAGE);
  ROW(f, CN_BAD_SHAPE, y->h = 1, p->window.dilation_h = 9, p->window.pad_top = 1,
      p->window.pad_bottom = 1); /* the window steps over the image */
  ROW(f, CN_BAD_VALUE, p->divisor = -1);
  ROW(f, CN_BAD_VALUE, p->adaptive = 2);
  ROW(f, CN_BAD_VALUE, p->adaptive = -1);
  ROW(f, valid_result, p->adaptive = 1, p->window.kernel_h = 0);
  ROW(f, CN_BAD_SHAPE, p->window.dilation_w = 0);
  ROW(f, CN_BAD_SHAPE, y->h = 5, p->window.pad_bottom = 1); /* a window without a pixel */
  ROW(f, CN_BAD_VALUE, p->kind = 2);
  ROW(f, CN_BAD_VALUE, p->kind = -1);
  ROW(f, CN_BAD_VALUE, p->count_include_pad = 2);
  ROW(f, CN_BAD_VALUE, p->winners = 2);
  ROW(f, CN_BAD_VALUE, p->winners = -1);
  ROW(f, CN_BAD_VALUE, p->kind = CN_POOL_AVERAGE);
  ROW(f, CN_BAD_VALUE, p->activation.kind = CN_LEAKY_RELU);
  ROW(f, CN_BAD_VALUE, p->activation.kind = CN_TANH);
  fused_rows(f, &p->activation);
}

static void pooling(void) {
  begin_table();
  const cn_tensor x = blocked(16, 8, 8), y = blocked(16, 4, 4);
  valid.pool = (cn_pool2d){.size = sizeof valid.pool,
                           .kind = CN_POOL_MAX,
                           .x = x,
                           .y = y,
                           .dx = x,
                           .dy = y,
                           .window = {2, 2, 2, 2, 0, 0, 0, 0, 1, 1},
                           .winners = 1};
  valid.by_pool = &a.pool;
  valid.x = piece(0);
  valid.y = piece(1);
  valid.dy = piece(2);
  valid.dx = piece(3);
  uint8_t *winners = valid.winners = new_bytes(PIECE);
  memset(winners, 0, PIECE);
  const function *bytes = &cn_pool2d_winner_bytes_row;
  pool_rows(bytes, 2 * 16 * 16, &a.pool.x, &a.pool.y);
  ROW(bytes, 0, a.pool.kind = CN_POOL_AVERAGE, a.pool.winners = 0);
  valid.pool.winners = 0;
  const cn_tensor map = blocked(16, 4100, 4100), mean = blocked(16, 1, 1);
  const cn_window whole = {4100, 4100, 1, 1, 0, 0, 0, 0, 1, 1};
  ROW(bytes, 0, a.pool.x = map, a.pool.y = mean, a.pool.window = whole,
      a.pool.kind = CN_POOL_AVERAGE);
  ROW(bytes, CN_BAD_SHAPE, a.pool.x = map, a.pool.y = mean, a.pool.window = whole);
  valid.pool.winners = 1;
  const function *f = &cn_pool2d_forward_row;
  context_rows(f);
  pool_rows(f, CN_OK, &a.pool.x, &a.pool.y);
  ALIGNED(f, a.x);
  ALIGNED(f, a.y);
  REQUIRED(f, a.winners);
  IGNORED(f, a.winners, a.pool.winners = 0, a.pool.activation.kind = -1);
  ROW(f, CN_OK, a.pool.dx.c = 0, a.pool.dy.type = 1);
  ROW(f, CN_BAD_SHAPE, a.pool.y.h = 5); /* of 8 rows; of 9 the last begins in the image */
  ROW(f, CN_OK, a.pool.y.h = 5, a.pool.x.h = 9);
  f = &cn_pool2d_backward_row;
  context_rows(f);
  pool_rows(f, CN_OK, &a.pool.dx, &a.pool.dy);
  IGNORED(f, a.x, (void)0);
  ALIGNED(f, a.dy);
  ALIGNED(f, a.dx);
  REQUIRED(f, a.winners);
  ROW(f, CN_BAD_SHAPE, a.pool.winners = 0, a.pool.x.w = 9);
  IGNORED(f, a.winners, a.pool.winners = 0);
  valid.pool.winners = 0;
  ALIGNED(f, a.x);
  IGNORED(f, a.x, a.pool.kind = CN_POOL_AVERAGE, a.winners = nowhere);
  free(winners);
}

/* ---- Batch normalisation --------------------------------------------------------------------- */

FUNCTION(cn_batch_norm_workspace_bytes, a.in, a.by_norm, a.n);
FUNCTION(cn_batch_norm_forward, a.in, a.by_norm, a.behind, a.n, a.x, a.dscale, a.scale, a.shift,
         a.y, a.mean, a.inverse_std, a.running_mean, a.running_variance, a.workspace, a.room);
FUNCTION(cn_batch_norm_infer, a.in, a.by_norm, a.behind, a.n, a.x, a.scale, a.shift, a.running_mean,
         a.running_variance, a.y);
FUNCTION(cn_batch_norm_apply, a.in, a.by_norm, a.behind, a.n, a.x, a.scale, a.shift, a.mean,
         a.inverse_std, a.y);
FUNCTION(cn_batch_norm_backward, a.in, a.by_norm, a.behind, a.n, a.x, a.dy, a.scale, a.shift,
         a.mean, a.inverse_std, a.dx, a.dscale, a.dshift, a.workspace, a.room);
FUNCTION(cn_batch_norm_moments, a.in, a.by_norm, a.n, a.dscale, a.sums, a.workspace, a.room);
FUNCTION(cn_batch_norm_forward_shared, a.in, a.by_norm, a.behind, a.n, a.x, a.shared, a.sums,
         a.scale, a.shift, a.y, a.mean, a.inverse_std, a.running_mean, a.running_variance);
FUNCTION(cn_batch_norm_backward_sums, a.in, a.by_norm, a.behind, a.n, a.x, a.dy, a.scale, a.shift,
         a.mean, a.inverse_std, a.sums, a.dscale, a.dshift, a.workspace, a.room);
FUNCTION(cn_batch_norm_backward_shared, a.in, a.by_norm, a.behind, a.n, a.x, a.dy, a.scale, a.shift,
         a.mean, a.inverse_std, a.shared, a.sums, a.dx, a.workspace, a.room);

static void norm_rows(const function *f, int64_t valid_result) {
  ROW(f, valid_result, (void)0);
  DESCRIPTOR(f, a.norm, a.by_norm);
  batch_rows(f);
  tensor_rows(f, &a.norm.x);
  ROW(f, CN_BAD_LAYOUT, a.norm.x.layout = CN_FLAT);
  ROW(f, CN_BAD_LAYOUT, a.norm.x.layout = CN_PLAIN);
  const float epsilons[] = {0.0f, -1.0f, NAN, INFINITY}, momenta[] = {-0.1f, 1.5f, NAN};
  for (int i = 0; i < 4; i++) ROW(f, CN_BAD_VALUE, a.norm.epsilon = epsilons[i]);
  for (int i = 0; i < 3; i++) ROW(f, CN_BAD_VALUE, a.norm.momentum = momenta[i]);
}

/* Vectors of doubles, aligned to a double, and the number of values of a shared batch. */
static void shared_rows(const function *f, bool counts) {
  REQUIRED(f, a.sums);
  ROW(f, CN_MISALIGNED, a.sums = beside(a.sums, 4));
  const double counts_that_are_not[] = {valid.shared - 1.0, 0.0, -1.0, NAN, INFINITY};
  for (int i = 0; counts && i < 5; i++) ROW(f, CN_BAD_VALUE, a.shared = counts_that_are_not[i]);
}

static void normalisation(void) {
  begin_table();
  const cn_tensor t = blocked(16, 8, 8);
  valid.norm = (cn_batch_norm){.size = sizeof valid.norm,
                               .epsilon = 1e-5f,
                               .x = t,
                               .y = t,
                               .dx = t,
                               .dy = t,
                               .momentum = 0.1f};
  valid.by_norm = &a.norm;
  valid.epilogue = (cn_epilogue){.size = sizeof valid.epilogue, .add = t, .add_values = piece(0)};
  valid.behind = &a.epilogue;
  valid.x = piece(1);
  valid.y = piece(2);
  valid.dy = piece(3);
  valid.dx = piece(4);
  valid.workspace = piece(5);
  float **vectors[] = {&valid.scale,       &valid.shift,        &valid.mean,
                       &valid.inverse_std, &valid.running_mean, &valid.running_variance,
                       &valid.dscale,      &valid.dshift};
  for (int i = 0; i < 8; i++) *vectors[i] = piece(6 + i);
  valid.sums = piece(14);
  valid.shared = (double)valid.n * 8 * 8;
  const function *bytes = &cn_batch_norm_workspace_bytes_row;
  a = valid;
  valid.room = cn_batch_norm_workspace_bytes(a.in, a.by_norm, a.n);
  CHECK(valid.room > 0 && valid.room <= PIECE, "%lld bytes", (long long)valid.room);
  norm_rows(bytes, valid.room);
  ROW(bytes, CN_BAD_CONTEXT, a.context.threads = 0);
  const function *forward = &cn_batch_norm_forward_row, *infer = &cn_batch_norm_infer_row;
  const function *apply = &cn_batch_norm_apply_row, *backward = &cn_batch_norm_backward_row;
  const function *shared = &cn_batch_norm_forward_shared_row;
  const function *sums = &cn_batch_norm_backward_sums_row;
  const function *backward_shared = &cn_batch_norm_backward_shared_row;
  const function *functions[] = {forward, infer, shared, apply, backward, sums, backward_shared};
  for (int i = 0; i < 7; i++) {
    const function *f = functions[i];
    context_rows(f);
    norm_rows(f, CN_OK);
    ALIGNED(f, a.x);
    OPTIONAL(f, a.scale);
    OPTIONAL(f, a.shift);
    const int32_t operations = i < 3 ? CN_ADD | CN_ACTIVATE : CN_ACTIVATE;
    operation_rows(f, operations);
    epilogue_rows(f, operations);
    if (i > 3) {
      same_shape_rows(f, &a.norm.dy);
      ALIGNED(f, a.dy);
      ALIGNED(f, a.mean);
      ALIGNED(f, a.inverse_std);
      workspace_rows(f);
      continue;
    }
    ALIGNED(f, a.y);
    same_shape_rows(f, &a.norm.y);
    ROW(f, CN_BAD_LAYOUT, a.norm.y.layout = CN_PLAIN);
    ROW(f, CN_OK, a.norm.dx.h = 0, a.norm.dy.type = 1);
  }
  ALIGNED(forward, a.dscale); /* here the statistics */
  ALIGNED(forward, a.mean);
  ALIGNED(forward, a.inverse_std);
  ALIGNED(forward, a.running_mean);
  ALIGNED(forward, a.running_variance);
  workspace_rows(forward);
  ALIGNED(shared, a.mean);
  ALIGNED(shared, a.inverse_std);
  ALIGNED(shared, a.running_mean);
  ALIGNED(shared, a.running_variance);
  shared_rows(shared, true);
  const function *moments = &cn_batch_norm_moments_row;
  context_rows(moments);
  norm_rows(moments, CN_OK);
  ALIGNED(moments, a.dscale); /* here the statistics */
  shared_rows(moments, false);
  workspace_rows(moments);
  ALIGNED(infer, a.running_mean);
  ALIGNED(infer, a.running_variance);
  ALIGNED(apply, a.mean);
  ALIGNED(apply, a.inverse_std);
  for (int i = 0; i < 2; i++) {
    const function *f = i == 0 ? backward : backward_shared;
    same_shape_rows(f, &a.norm.dx);
    ALIGNED(f, a.dx);
  }
  for (int i = 0; i < 2; i++) {
    const function *f = i == 0 ? backward : sums;
    ALIGNED(f, a.dscale);
    ALIGNED(f, a.dshift);
  }
  ROW(sums, CN_OK, a.norm.dx.h = 0);
  shared_rows(sums, false);
  shared_rows(backward_shared, true);
}

/* ---- Normalisation of one sample, softmax ---------------------------------------------------- */

FUNCTION(cn_sample_norm_statistics_bytes, a.by_sample_norm, a.n);
FUNCTION(cn_sample_norm_workspace_bytes, a.in, a.by_sample_norm, a.n);
FUNCTION(cn_sample_norm_forward, a.in, a.by_sample_norm, a.n, a.x, a.scale, a.shift, a.y, a.mean,
         a.inverse_std);
FUNCTION(cn_sample_norm_backward, a.in, a.by_sample_norm, a.n, a.x, a.dy, a.scale, a.mean,
         a.inverse_std, a.dx, a.dscale, a.dshift, a.workspace, a.room);
FUNCTION(cn_softmax_forward, a.in, a.by_softmax, a.n, a.x, a.y);
FUNCTION(cn_softmax_backward, a.in, a.by_softmax, a.n, a.y, a.dy, a.dx);
FUNCTION(cn_lrn_workspace_bytes, a.in, a.by_lrn, a.n);
FUNCTION(cn_lrn_forward, a.in, a.by_lrn, a.n, a.x, a.y, a.workspace, a.room);
FUNCTION(cn_lrn_backward, a.in, a.by_lrn, a.n, a.x, a.dy, a.dx, a.workspace, a.room);

/* The input of a layer over blocks of channels. */
static void blocked_rows(const function *f, cn_tensor *x) {
  batch_rows(f);
  tensor_rows(f, x);
  ROW(f, CN_BAD_LAYOUT, x->layout = CN_FLAT);
  ROW(f, CN_BAD_LAYOUT, x->layout = CN_PLAIN);
}

static void sample_norm_rows(const function *f, int64_t valid_result) {
  ROW(f, valid_result, (void)0);
  DESCRIPTOR(f, a.sample_norm, a.by_sample_norm);
  blocked_rows(f, &a.sample_norm.x);
  const float epsilons[] = {0.0f, -1.0f, NAN, INFINITY};
  for (int i = 0; i < 4; i++) ROW(f, CN_BAD_VALUE, a.sample_norm.epsilon = epsilons[i]);
  ROW(f, CN_BAD_VALUE, a.sample_norm.groups = -1);
  ROW(f, CN_BAD_SHAPE, a.sample_norm.groups = 3);
  ROW(f, CN_BAD_SHAPE, a.sample_norm.groups = INT32_MAX);
  ROW(f, CN_BAD_VALUE, a.sample_norm.scales_values = 2);
  ROW(f, CN_BAD_VALUE, a.sample_norm.groups = 0, a.sample_norm.scales_values = 1);
}

static void sample_normalisation(void) {
  begin_table();
  const cn_tensor t = blocked(16, 8, 8);
  valid.sample_norm = (cn_sample_norm){.size = sizeof valid.sample_norm,
                                       .epsilon = 1e-5f,
                                       .x = t,
                                       .y = t,
                                       .dx = t,
                                       .dy = t,
                                       .groups = 2};
  valid.by_sample_norm = &a.sample_norm;
  valid.x = piece(1);
  valid.y = piece(2);
  valid.dy = piece(3);
  valid.dx = piece(4);
  valid.workspace = piece(5);
  float **vectors[] = {&valid.scale,       &valid.shift,  &valid.mean,
                       &valid.inverse_std, &valid.dscale, &valid.dshift};
  for (int i = 0; i < 6; i++) *vectors[i] = piece(6 + i);
  const function *statistics = &cn_sample_norm_statistics_bytes_row;
  const function *bytes = &cn_sample_norm_workspace_bytes_row;
  a = valid;
  valid.room = cn_sample_norm_workspace_bytes(a.in, a.by_sample_norm, a.n);
  CHECK(valid.room > 0 && valid.room <= PIECE, "%lld bytes", (long long)valid.room);
  sample_norm_rows(statistics, 2 * 16 * 4);
  ROW(statistics, 2 * 8 * 8 * 4, a.sample_norm.groups = 0);
  sample_norm_rows(bytes, valid.room);
  ROW(bytes, CN_BAD_CONTEXT, a.context.threads = 0);
  const function *forward = &cn_sample_norm_forward_row, *backward = &cn_sample_norm_backward_row;
  const function *functions[] = {forward, backward};
  for (int i = 0; i < 2; i++) {
    const function *f = functions[i];
    context_rows(f);
    sample_norm_rows(f, CN_OK);
    ALIGNED(f, a.x);
    ALIGNED(f, a.mean);
    ALIGNED(f, a.inverse_std);
  }
  ALIGNED(forward, a.scale);
  ALIGNED(forward, a.shift);
  ROW(forward, CN_OK, a.scale = NULL, a.shift = NULL);
  ALIGNED(forward, a.y);
  same_shape_rows(forward, &a.sample_norm.y);
  ROW(forward, CN_OK, a.sample_norm.dx.h = 0, a.sample_norm.dy.type = 1);
  same_shape_rows(backward, &a.sample_norm.dx);
  same_shape_rows(backward, &a.sample_norm.dy);
  ROW(backward, CN_OK, a.dx = NULL, a.sample_norm.dx.h = 0);
  ALIGNED(backward, a.dy);
  OPTIONAL(backward, a.scale);
  OPTIONAL(backward, a.dx);
  OPTIONAL(backward, a.dscale);
  OPTIONAL(backward, a.dshift);
  workspace_rows(backward);
}

static void softmax(void) {
  begin_table();
  const cn_tensor t = blocked(16, 8, 8);
  valid.softmax = (cn_softmax){.size = sizeof valid.softmax, .x = t, .y = t, .dx = t, .dy = t};
  valid.by_softmax = &a.softmax;
  valid.x = piece(1);
  valid.y = piece(2);
  valid.dy = piece(3);
  valid.dx = piece(4);
  const function *forward = &cn_softmax_forward_row, *backward = &cn_softmax_backward_row;
  const function *functions[] = {forward, backward};
  for (int i = 0; i < 2; i++) {
    const function *f = functions[i];
    context_rows(f);
    DESCRIPTOR(f, a.softmax, a.by_softmax);
    blocked_rows(f, &a.softmax.x);
    same_shape_rows(f, &a.softmax.y);
    ROW(f, CN_OK, a.softmax.logarithm = 1);
    ROW(f, CN_BAD_VALUE, a.softmax.logarithm = 2);
    ROW(f, CN_BAD_VALUE, a.softmax.logarithm = -1);
    ALIGNED(f, a.y);
  }
  ALIGNED(forward, a.x);
  same_shape_rows(backward, &a.softmax.dx);
  same_shape_rows(backward, &a.softmax.dy);
  ALIGNED(backward, a.dy);
  ALIGNED(backward, a.dx);
}

static void lrn_rows(const function *f, int64_t valid_result) {
  ROW(f, valid_result, (void)0);
  DESCRIPTOR(f, a.lrn, a.by_lrn);
  blocked_rows(f, &a.lrn.x);
  ROW(f, CN_BAD_VALUE, a.lrn.neighbours = 0);
  ROW(f, CN_BAD_VALUE, a.lrn.neighbours = -5);
  ROW(f, CN_BAD_VALUE, a.lrn.k = 0.0f);
  const float numbers[] = {-1.0f, NAN, INFINITY};
  for (int i = 0; i < 3; i++) {
    ROW(f, CN_BAD_VALUE, a.lrn.alpha = numbers[i]);
    ROW(f, CN_BAD_VALUE, a.lrn.beta = numbers[i]);
    ROW(f, CN_BAD_VALUE, a.lrn.k = numbers[i]);
  }
}

static void local_response_normalisation(void) {
  begin_table();
  const cn_tensor t = blocked(16, 8, 8);
  valid.lrn = (cn_lrn){.size = sizeof valid.lrn,
                       .neighbours = 5,
                       .x = t,
                       .y = t,
                       .dx = t,
                       .dy = t,
                       .alpha = 0.5f,
                       .beta = 0.75f,
                       .k = 1.0f};
  valid.by_lrn = &a.lrn;
  valid.x = piece(1);
  valid.y = piece(2);
  valid.dy = piece(3);
  valid.dx = piece(4);
  valid.workspace = piece(5);
  const function *bytes = &cn_lrn_workspace_bytes_row;
  a = valid;
  valid.room = cn_lrn_workspace_bytes(a.in, a.by_lrn, a.n);
  CHECK(valid.room > 0 && valid.room <= PIECE, "%lld bytes", (long long)valid.room);
  lrn_rows(bytes, valid.room);
  ROW(bytes, CN_BAD_CONTEXT, a.context.threads = 0);
  const function *forward = &cn_lrn_forward_row, *backward = &cn_lrn_backward_row;
  const function *functions[] = {forward, backward};
  for (int i = 0; i < 2; i++) {
    context_rows(functions[i]);
    lrn_rows(functions[i], CN_OK);
    ROW(functions[i], CN_OK, a.lrn.alpha = 0.0f, a.lrn.beta = 0.0f);
    ALIGNED(functions[i], a.x);
    workspace_rows(functions[i]);
  }
  ALIGNED(forward, a.y);
  same_shape_rows(forward, &a.lrn.y);
  same_shape_rows(backward, &a.lrn.dx);
  same_shape_rows(backward, &a.lrn.dy);
  ALIGNED(backward, a.dy);
  ALIGNED(backward, a.dx);
}

/* ---- Resampling and rearrangement ------------------------------------------------------------ */

FUNCTION(cn_resample, a.in, a.by_resampling, a.n, a.x, a.y);
FUNCTION(cn_rearrange, a.in, a.by_rearrangement, a.n, a.x, a.y);

/* The tensors of a function that maps x to y. */
static void map_rows(const function *f, cn_tensor *x, cn_tensor *y) {
  context_rows(f);
  batch_rows(f);
  tensor_rows(f, x);
  tensor_rows(f, y);
  ROW(f, CN_BAD_LAYOUT, x->layout = CN_PLAIN);
  ROW(f, CN_BAD_LAYOUT, y->layout = CN_PLAIN);
  ALIGNED(f, a.x);
  ALIGNED(f, a.y);
}

static void moves(void) {
  begin_table();
  valid.x = piece(0);
  valid.y = piece(1);
  static const int32_t starts[] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, indices[] = {0, 1, 2, 3, 4, 5, 6, 7};
  static const float weights[] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 0.5f};
  const cn_axis_taps taps = {starts, indices, weights};
  valid.resampling = (cn_resampling){.size = sizeof valid.resampling,
                                     .x = blocked(16, 8, 8),
                                     .y = blocked(16, 8, 8),
                                     .rows = taps,
                                     .cols = taps};
  valid.by_resampling = &a.resampling;
  const function *f = &cn_resample_row;
  map_rows(f, &a.resampling.x, &a.resampling.y);
  DESCRIPTOR(f, a.resampling, a.by_resampling);
  ROW(f, CN_BAD_SHAPE, a.resampling.x.c = 15);
  ROW(f, CN_BAD_VALUE, a.resampling.x.h = 7);
  ROW(f, CN_BAD_VALUE, a.resampling.x.w = 7);
  cn_axis_taps *rows = &a.resampling.rows, *cols = &a.resampling.cols;
  REQUIRED(f, rows->starts);
  REQUIRED(f, rows->indices);
  REQUIRED(f, cols->weights);
  int32_t falling[9] = {0, 2, 1, 3, 4, 5, 6, 7, 8}, late[9] = {1, 1, 2, 3, 4, 5, 6, 7, 8};
  int32_t negative[8] = {0, 1, 2, 3, -1, 5, 6, 7}, none[9] = {0};
  ROW(f, CN_BAD_VALUE, rows->starts = falling);
  ROW(f, CN_BAD_VALUE, cols->starts = late);
  ROW(f, CN_BAD_VALUE, cols->indices = negative);
  ROW(f, CN_OK, cols->starts = none, cols->indices = NULL, cols->weights = NULL);
  valid.rearrangement = (cn_rearrangement){.size = sizeof valid.rearrangement,
                                           .kind = CN_CHANNEL_SHUFFLE,
                                           .x = blocked(16, 8, 8),
                                           .y = blocked(16, 8, 8),
                                           .factor = 2};
  valid.by_rearrangement = &a.rearrangement;
  f = &cn_rearrange_row;
  cn_rearrangement *r = &a.rearrangement;
  map_rows(f, &r->x, &r->y);
  same_shape_rows(f, &r->y);
  DESCRIPTOR(f, a.rearrangement, a.by_rearrangement);
  ROW(f, CN_BAD_VALUE, r->kind = 4);
  ROW(f, CN_BAD_VALUE, r->kind = -1);
  ROW(f, CN_BAD_VALUE, r->factor = 0);
  ROW(f, CN_BAD_SHAPE, r->factor = 3);
  ROW(f, CN_OK, r->kind = CN_PIXEL_SHUFFLE, r->y = blocked(4, 16, 16));
  ROW(f, CN_BAD_SHAPE, r->kind = CN_PIXEL_SHUFFLE, r->y = blocked(4, 16, 15));
  ROW(f, CN_OK, r->kind = CN_PIXEL_UNSHUFFLE, r->y = blocked(64, 4, 4));
  ROW(f, CN_BAD_SHAPE, r->kind = CN_PIXEL_UNSHUFFLE, r->y = blocked(60, 4, 4));
  ROW(f, CN_BAD_SHAPE, r->kind = CN_PIXEL_UNSHUFFLE, r->factor = INT32_MAX);
  ROW(f, CN_BAD_VALUE, r->kind = CN_PERMUTE);
  ROW(f, CN_OK, r->kind = CN_PERMUTE, r->factor = -1, r->y = blocked(8, 8, 16), r->order[0] = 1,
      r->order[1] = 2);
  ROW(f, CN_BAD_SHAPE, r->kind = CN_PERMUTE, r->order[0] = 1, r->order[1] = 2);
  ROW(f, CN_BAD_VALUE, r->kind = CN_PERMUTE, r->order[0] = 3);
}

void layer_arguments(void) {
  linear();
  pooling();
  normalisation();
  sample_normalisation();
  softmax();
  local_response_normalisation();
  moves();
}
