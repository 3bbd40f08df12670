#include "conv_variants.h"

#include "depthwise_plan.h"
#include "winograd_plan.h"

enum {
  FORWARD = 1 << CN_FORWARD,
  DATA = 1 << CN_BACKWARD_DATA,
  WEIGHTS = 1 << CN_BACKWARD_WEIGHTS,
};

/* ---- What fits ------------------------------------------------------------------------------- */

/* The Winograd algorithms compute whole rows of tiles, and buffer as many images as a pool needs.
 */
static bool fits_winograd(const conv_call *call) {
  return winograd_fits(call->conv) &&
         !(call->pass == CN_BACKWARD_WEIGHTS && call_does(call, CN_POOL));
}

static bool fits_depthwise(const conv_call *call) {
  return conv_form_of(call->conv) == FORM_DEPTHWISE && !call_does(call, CN_POOL);
}

static bool fits_loops(const conv_call *call) {
  return conv_form_of(call->conv) == FORM_OTHER && !call_does(call, CN_POOL);
}

static bool fits_samples(const conv_call *call) { return samples_fit(call->conv, call->n); }

static bool fits_pixels(const conv_call *call) { return pixels_fit(call->conv, call->n); }

static bool fits_pool(const conv_call *call) {
  if (!call_does(call, CN_POOL)) return true;
  return call->pass == CN_FORWARD ? conv_pools(call->conv, call->epilogue->pool)
                                  : conv_pools_backward(call->conv, call->epilogue->pool);
}

static bool fits_narrow(const conv_call *call) {
  const conv_shape s = shape_of_call(call);
  return shape_is_narrow(&s) && fits_pool(call);
}

static bool fits_stem(const conv_call *call) {
  return conv_form_of(call->conv) == FORM_STEM && fits_pool(call);
}

static bool fits_blocks(const conv_call *call) {
  return conv_form_of(call->conv) == FORM_FULL && fits_pool(call);
}

/* ---- Workspace ------------------------------------------------------------------------------- */

static int64_t for_winograd(const conv_call *call) {
  const winograd_plan p = winograd_plan_of_call(call);
  return (call->conv->transformed != 0 ? 0 : p.weights_floats) +
         call->context->threads * p.own_floats;
}

static int64_t for_winograd_weights(const conv_call *call) {
  const winograd_weights_plan p = winograd_weights_plan_of(call->conv, call->n);
  return p.chunks * p.chunk_floats + call->context->threads * p.own_floats;
}

static int64_t for_depthwise_weights(const conv_call *call) {
  const depthwise_plan p = depthwise_plan_of(call->conv, call->pass, call->n);
  return p.chunks * p.chunk_floats + call->context->threads * p.own_floats;
}

static int64_t for_samples(const conv_call *call) {
  return call->context->threads * samples_plan_of(call->conv, call->n).own_floats;
}

static int64_t for_pixels(const conv_call *call) {
  return call->context->threads * pixels_plan_of(call->conv, call->n).own_floats;
}

static int64_t for_sweep(const conv_call *call) {
  const sweep p = sweep_of_call(call);
  return sweep_workspace_floats(&p, call->context->threads);
}

static int64_t for_stem_data(const conv_call *call) {
  const conv_shape s = plain_gradient_shape_of(call->conv, call->n);
  const sweep p = sweep_of(&s, true);
  return sweep_workspace_floats(&p, call->context->threads);
}

static int64_t for_sums(const conv_call *call) {
  const conv_shape s = shape_of_call(call);
  const weights_plan p = weights_plan_of(&s);
  return weights_workspace_floats(&p, call->context->threads);
}

/* ---- The table ------------------------------------------------------------------------------- */

/* In order of preference. */
static const conv_variant variants[] = {
    {"Winograd F(2×2, 3×3)", CN_WINOGRAD_2, FORWARD | DATA, false, fits_winograd, for_winograd,
     RUN_winograd},
    {"Winograd F(2×2, 3×3)", CN_WINOGRAD_2, WEIGHTS, true, fits_winograd, for_winograd_weights,
     RUN_winograd_weights},
    {"Winograd F(4×4, 3×3)", CN_WINOGRAD_4, FORWARD | DATA, false, fits_winograd, for_winograd,
     RUN_winograd},
    {"Winograd F(4×4, 3×3)", CN_WINOGRAD_4, WEIGHTS, true, fits_winograd, for_winograd_weights,
     RUN_winograd_weights},
    {"depthwise", CN_DIRECT, FORWARD, false, fits_depthwise, NULL, RUN_depthwise_forward},
    {"depthwise", CN_DIRECT, DATA, false, fits_depthwise, NULL, RUN_depthwise_backward_data},
    {"depthwise", CN_DIRECT, WEIGHTS, true, fits_depthwise, for_depthwise_weights,
     RUN_depthwise_backward_weights},
    {"plain loops", CN_DIRECT, FORWARD, false, fits_loops, NULL, RUN_loops_forward},
    {"plain loops", CN_DIRECT, DATA, false, fits_loops, NULL, RUN_loops_backward_data},
    {"plain loops", CN_DIRECT, WEIGHTS, false, fits_loops, NULL, RUN_loops_backward_weights},
    {"direct, samples in the lanes", CN_DIRECT, DATA, false, fits_samples, for_samples,
     RUN_samples_backward_data},
    {"direct, pixels in the lanes", CN_DIRECT, DATA, false, fits_pixels, for_pixels,
     RUN_pixels_backward_data},
    {"direct, pixels in the lanes", CN_DIRECT, FORWARD, false, fits_narrow, for_sweep,
     RUN_sweep_forward},
    {"direct, pixels in the lanes", CN_DIRECT, WEIGHTS, true, fits_narrow, for_sums,
     RUN_sums_backward_weights},
    {"direct from plain rows", CN_DIRECT, FORWARD, false, fits_stem, for_sweep, RUN_sweep_forward},
    {"direct to plain rows", CN_DIRECT, DATA, false, fits_stem, for_stem_data,
     RUN_stem_backward_data},
    {"direct from plain rows", CN_DIRECT, WEIGHTS, true, fits_stem, for_sums,
     RUN_sums_backward_weights},
    {"direct, blocks of 16 channels", CN_DIRECT, FORWARD, false, fits_blocks, for_sweep,
     RUN_sweep_forward},
    {"direct, blocks of 16 channels", CN_DIRECT, DATA, false, fits_blocks, for_sweep,
     RUN_sweep_backward_data},
    {"direct, blocks of 16 channels", CN_DIRECT, WEIGHTS, true, fits_blocks, for_sums,
     RUN_sums_backward_weights},
};

const conv_variant *variant_of(const conv_call *call) {
  for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
    const conv_variant *v = &variants[i];
    if (v->algorithm == call->conv->algorithm && (v->passes >> call->pass & 1) != 0 &&
        v->fits(call))
      return v;
  }
  return NULL;
}

int64_t variant_workspace(const conv_variant *v, const conv_call *call) {
  return v->workspace != NULL ? v->workspace(call) : 0;
}

int32_t variant_halo(const conv_variant *v, const conv_call *call) {
  conv_shape s;
  switch (v->run) {
  case RUN_sweep_forward:
  case RUN_sums_backward_weights:
    s = conv_shape_of(call->conv, &call->conv->x, &call->conv->y, call->n);
    return sweep_of(&s, false).halo;
  case RUN_sweep_backward_data:
    s = shape_of_call(call);
    return sweep_of(&s, true).halo;
  case RUN_stem_backward_data:
    s = plain_gradient_shape_of(call->conv, call->n);
    return sweep_of(&s, true).halo;
  default:
    return 0;
  }
}

int64_t variant_chunks(const conv_variant *v, const conv_call *call) {
  switch (v->run) {
  case RUN_sums_backward_weights: {
    const conv_shape s = shape_of_call(call);
    return weights_plan_of(&s).chunks;
  }
  case RUN_winograd_weights:
    return winograd_weights_plan_of(call->conv, call->n).chunks;
  case RUN_depthwise_backward_weights:
    return depthwise_plan_of(call->conv, call->pass, call->n).chunks;
  default:
    return 1;
  }
}
