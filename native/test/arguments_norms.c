/* The arguments of normalisations and of softmax. */
#include "arguments.h"

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

void norm_arguments(void) {
  normalisation();
  sample_normalisation();
  softmax();
  local_response_normalisation();
}
