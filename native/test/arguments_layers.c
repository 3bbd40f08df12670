/* The arguments of linear layers, pooling, resampling and rearrangement. */
#include "arguments.h"

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
  moves();
}
