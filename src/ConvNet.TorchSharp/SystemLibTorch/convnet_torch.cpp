#include "convnet_torch.h"

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

static thread_local std::string last_error;

// c10's own text without the stack trace that what() appends.
template <typename Body> static bool guarded(Body &&body) {
  try {
    body();
    return true;
  } catch (const c10::Error &e) {
    last_error = e.what_without_backtrace();
  } catch (const std::exception &e) {
    last_error = e.what();
  } catch (...) {
    last_error = "libtorch threw something that is no std::exception";
  }
  return false;
}

template <typename Body> static int32_t status(Body &&body) { return guarded(body) ? 0 : -1; }

template <typename Body> static ct_tensor *make(Body &&body) {
  ct_tensor *made = nullptr;
  guarded([&] { made = new at::Tensor(body()); });
  return made;
}

static c10::optional<at::Tensor> optional(const ct_tensor *x) {
  return x ? c10::optional<at::Tensor>(*x) : c10::nullopt;
}

static at::Tensor or_undefined(const ct_tensor *x) { return x ? *x : at::Tensor(); }

static at::IntArrayRef pair(const int64_t *values) { return {values, 2}; }

static at::TensorOptions options(int8_t dtype, int32_t requires_grad) {
  return at::TensorOptions(static_cast<at::ScalarType>(dtype)).requires_grad(requires_grad != 0);
}

int32_t ct_abi_version() { return CT_ABI_VERSION; }
const char *ct_libtorch_version() { return TORCH_VERSION; }
const char *ct_last_error() { return last_error.c_str(); }

int32_t ct_get_num_threads() { return at::get_num_threads(); }
int32_t ct_set_num_threads(int32_t threads) {
  return status([&] { at::set_num_threads(threads); });
}
int32_t ct_set_grad_enabled(int32_t enabled) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(enabled != 0);
  return before;
}

ct_tensor *ct_from_blob(void *data, int64_t length, int8_t dtype, int32_t requires_grad,
                        ct_deleter deleter, void *context) {
  return make([&] {
    return torch::from_blob(
        data, {length}, [=](void *) { deleter(context); }, options(dtype, requires_grad));
  });
}
ct_tensor *ct_zeros(const int64_t *size, int32_t rank, int8_t dtype, int32_t requires_grad) {
  return make([&] {
    return torch::zeros({size, static_cast<size_t>(rank)}, options(dtype, requires_grad));
  });
}
void ct_free(ct_tensor *x) { delete x; }

int8_t ct_dtype(const ct_tensor *x) { return static_cast<int8_t>(x->scalar_type()); }
int32_t ct_rank(const ct_tensor *x) { return static_cast<int32_t>(x->dim()); }
void ct_shape(const ct_tensor *x, int64_t *size) {
  for (const int64_t extent : x->sizes()) *size++ = extent;
}
int32_t ct_data(const ct_tensor *x, void **data, int64_t *bytes) {
  return status([&] {
    TORCH_CHECK(x->is_contiguous(), "a tensor of strides ", x->strides(),
                " has no span of its elements in row-major order");
    *data = x->data_ptr();
    *bytes = x->numel() * static_cast<int64_t>(x->element_size());
  });
}

int32_t ct_requires_grad(const ct_tensor *x) { return x->requires_grad(); }
int32_t ct_set_requires_grad(ct_tensor *x, int32_t requires_grad) {
  return status([&] { x->set_requires_grad(requires_grad != 0); });
}
int32_t ct_grad(const ct_tensor *x, ct_tensor **grad) {
  return status([&] {
    const at::Tensor &g = x->grad();
    *grad = g.defined() ? new at::Tensor(g) : nullptr;
  });
}
int32_t ct_set_grad(ct_tensor *x, const ct_tensor *grad) {
  return status([&] { x->mutable_grad() = or_undefined(grad); });
}
int32_t ct_backward(const ct_tensor *y, const ct_tensor *dy, int32_t retain_graph,
                    int32_t create_graph) {
  return status([&] { y->backward(or_undefined(dy), retain_graph != 0, create_graph != 0); });
}

ct_tensor *ct_reshape(const ct_tensor *x, const int64_t *size, int32_t rank) {
  return make([&] { return x->reshape({size, static_cast<size_t>(rank)}); });
}
ct_tensor *ct_flatten(const ct_tensor *x, int64_t start, int64_t end) {
  return make([&] { return x->flatten(start, end); });
}
ct_tensor *ct_narrow(const ct_tensor *x, int64_t dim, int64_t start, int64_t length) {
  return make([&] { return x->narrow(dim, start, length); });
}
ct_tensor *ct_gather(const ct_tensor *x, int64_t dim, const ct_tensor *index) {
  return make([&] { return x->gather(dim, *index); });
}
ct_tensor *ct_relu(const ct_tensor *x) {
  return make([&] { return x->relu(); });
}
ct_tensor *ct_add(const ct_tensor *x, const ct_tensor *y) {
  return make([&] { return x->add(*y); });
}
ct_tensor *ct_sub(const ct_tensor *x, const ct_tensor *y) {
  return make([&] { return x->sub(*y); });
}
ct_tensor *ct_mul(const ct_tensor *x, const ct_tensor *y) {
  return make([&] { return x->mul(*y); });
}
ct_tensor *ct_sum(const ct_tensor *x) {
  return make([&] { return x->sum(); });
}

ct_tensor *ct_conv2d(const ct_tensor *x, const ct_tensor *w, const ct_tensor *b,
                     const int64_t *stride, const int64_t *padding, const int64_t *dilation,
                     int64_t groups) {
  return make([&] {
    return at::conv2d(*x, *w, optional(b), pair(stride), pair(padding), pair(dilation), groups);
  });
}
ct_tensor *ct_linear(const ct_tensor *x, const ct_tensor *w, const ct_tensor *b) {
  return make([&] { return at::linear(*x, *w, optional(b)); });
}
ct_tensor *ct_max_pool2d(const ct_tensor *x, const int64_t *kernel, const int64_t *stride,
                         const int64_t *padding, const int64_t *dilation, int32_t ceil_mode) {
  return make([&] {
    return at::max_pool2d(*x, pair(kernel), pair(stride), pair(padding), pair(dilation),
                          ceil_mode != 0);
  });
}
ct_tensor *ct_avg_pool2d(const ct_tensor *x, const int64_t *kernel, const int64_t *stride,
                         const int64_t *padding, int32_t ceil_mode, int32_t count_include_pad,
                         int64_t divisor) {
  return make([&] {
    const auto override = divisor ? c10::optional<int64_t>(divisor) : c10::nullopt;
    return at::avg_pool2d(*x, pair(kernel), pair(stride), pair(padding), ceil_mode != 0,
                          count_include_pad != 0, override);
  });
}
ct_tensor *ct_adaptive_avg_pool2d(const ct_tensor *x, const int64_t *output) {
  return make([&] { return at::adaptive_avg_pool2d(*x, pair(output)); });
}
ct_tensor *ct_batch_norm(const ct_tensor *x, const ct_tensor *w, const ct_tensor *b,
                         const ct_tensor *mean, const ct_tensor *var, int32_t training,
                         double momentum, double eps) {
  return make([&] {
    return at::batch_norm(*x, optional(w), optional(b), optional(mean), optional(var),
                          training != 0, momentum, eps, at::globalContext().userEnabledCuDNN());
  });
}
ct_tensor *ct_cross_entropy(const ct_tensor *x, const ct_tensor *target,
                            const ct_tensor *class_weight, int64_t reduction, int64_t ignore_index,
                            double label_smoothing) {
  return make([&] {
    return at::cross_entropy_loss(*x, *target, optional(class_weight), reduction, ignore_index,
                                  label_smoothing);
  });
}
ct_tensor *ct_mse_loss(const ct_tensor *x, const ct_tensor *target, int64_t reduction) {
  return make([&] { return at::mse_loss(*x, *target, reduction); });
}

static torch::optim::SGDOptions &sgd_options(const ct_sgd *sgd) {
  auto &group = const_cast<ct_sgd *>(sgd)->param_groups().front();
  return static_cast<torch::optim::SGDOptions &>(group.options());
}

ct_sgd *ct_sgd_new(ct_tensor *const *parameters, int32_t count, double learning_rate,
                   double momentum, double dampening, double weight_decay, int32_t nesterov) {
  ct_sgd *sgd = nullptr;
  guarded([&] {
    std::vector<at::Tensor> tensors;
    for (int32_t i = 0; i < count; i++) tensors.push_back(*parameters[i]);
    sgd = new ct_sgd(std::move(tensors), torch::optim::SGDOptions(learning_rate)
                                             .momentum(momentum)
                                             .dampening(dampening)
                                             .weight_decay(weight_decay)
                                             .nesterov(nesterov != 0));
  });
  return sgd;
}
void ct_sgd_free(ct_sgd *sgd) { delete sgd; }
double ct_sgd_get_learning_rate(const ct_sgd *sgd) { return sgd_options(sgd).lr(); }
void ct_sgd_set_learning_rate(ct_sgd *sgd, double learning_rate) {
  sgd_options(sgd).lr(learning_rate);
}
int32_t ct_sgd_step(ct_sgd *sgd) {
  return status([&] { sgd->step(); });
}
