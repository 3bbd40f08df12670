// The C face of libtorch for the C# binding beside it: tensors, autograd and SGD, nothing that C#
// can do itself.
//
// A function that makes a tensor returns it, owned by the caller (ct_free), or NULL; the others
// return 0, or -1. NULL and -1 mean that libtorch threw: ct_last_error says what, per thread, until
// that thread's next failure. No exception crosses this boundary. Sizes, strides and paddings are
// pairs: height, width.
#pragma once

#include <cstdint>

#define CT_API extern "C" __attribute__((visibility("default")))

// Raised by every change of a signature here; the binding checks it before its first call.
enum { CT_ABI_VERSION = 2 };

namespace at {
class Tensor;
}
namespace torch::optim {
class SGD;
}
using ct_tensor = at::Tensor;
using ct_sgd = torch::optim::SGD;
using ct_deleter = void (*)(void *context);

CT_API int32_t ct_abi_version();
CT_API const char *ct_libtorch_version();
CT_API const char *ct_last_error();

CT_API int32_t ct_get_num_threads();
CT_API int32_t ct_set_num_threads(int32_t threads);
// Per thread; returns what it was.
CT_API int32_t ct_set_grad_enabled(int32_t enabled);

// dtype is a c10::ScalarType. A blob stays the caller's; the deleter is called once, when the last
// tensor over it is gone, from whatever thread that is on.
CT_API ct_tensor *ct_from_blob(void *data, int64_t length, int8_t dtype, int32_t requires_grad,
                               ct_deleter deleter, void *context);
CT_API ct_tensor *ct_zeros(const int64_t *size, int32_t rank, int8_t dtype, int32_t requires_grad);
CT_API void ct_free(ct_tensor *x);

CT_API int8_t ct_dtype(const ct_tensor *x);
CT_API int32_t ct_rank(const ct_tensor *x);
CT_API void ct_shape(const ct_tensor *x, int64_t *size);
// The elements in row-major order; a tensor laid out otherwise is an error.
CT_API int32_t ct_data(const ct_tensor *x, void **data, int64_t *bytes);

CT_API int32_t ct_requires_grad(const ct_tensor *x);
CT_API int32_t ct_set_requires_grad(ct_tensor *x, int32_t requires_grad);
// *grad is NULL where there is none.
CT_API int32_t ct_grad(const ct_tensor *x, ct_tensor **grad);
// NULL takes the gradient away.
CT_API int32_t ct_set_grad(ct_tensor *x, const ct_tensor *grad);
// Without upstream gradient (NULL) the output must be a scalar.
CT_API int32_t ct_backward(const ct_tensor *y, const ct_tensor *dy, int32_t retain_graph,
                           int32_t create_graph);

CT_API ct_tensor *ct_reshape(const ct_tensor *x, const int64_t *size, int32_t rank);
CT_API ct_tensor *ct_flatten(const ct_tensor *x, int64_t start, int64_t end);
CT_API ct_tensor *ct_narrow(const ct_tensor *x, int64_t dim, int64_t start, int64_t length);
CT_API ct_tensor *ct_gather(const ct_tensor *x, int64_t dim, const ct_tensor *index);
CT_API ct_tensor *ct_relu(const ct_tensor *x);
CT_API ct_tensor *ct_add(const ct_tensor *x, const ct_tensor *y);
CT_API ct_tensor *ct_sub(const ct_tensor *x, const ct_tensor *y);
CT_API ct_tensor *ct_mul(const ct_tensor *x, const ct_tensor *y);
CT_API ct_tensor *ct_sum(const ct_tensor *x);

CT_API ct_tensor *ct_conv2d(const ct_tensor *x, const ct_tensor *w, const ct_tensor *b,
                            const int64_t *stride, const int64_t *padding, const int64_t *dilation,
                            int64_t groups);
CT_API ct_tensor *ct_linear(const ct_tensor *x, const ct_tensor *w, const ct_tensor *b);
CT_API ct_tensor *ct_max_pool2d(const ct_tensor *x, const int64_t *kernel, const int64_t *stride,
                                const int64_t *padding, const int64_t *dilation, int32_t ceil_mode);
// divisor 0: the size of the window.
CT_API ct_tensor *ct_avg_pool2d(const ct_tensor *x, const int64_t *kernel, const int64_t *stride,
                                const int64_t *padding, int32_t ceil_mode,
                                int32_t count_include_pad, int64_t divisor);
CT_API ct_tensor *ct_adaptive_avg_pool2d(const ct_tensor *x, const int64_t *output);
CT_API ct_tensor *ct_batch_norm(const ct_tensor *x, const ct_tensor *w, const ct_tensor *b,
                                const ct_tensor *mean, const ct_tensor *var, int32_t training,
                                double momentum, double eps);
// reduction: 0 none, 1 mean, 2 sum.
CT_API ct_tensor *ct_cross_entropy(const ct_tensor *x, const ct_tensor *target,
                                   const ct_tensor *class_weight, int64_t reduction,
                                   int64_t ignore_index, double label_smoothing);
CT_API ct_tensor *ct_mse_loss(const ct_tensor *x, const ct_tensor *target, int64_t reduction);

CT_API ct_sgd *ct_sgd_new(ct_tensor *const *parameters, int32_t count, double learning_rate,
                          double momentum, double dampening, double weight_decay, int32_t nesterov);
CT_API void ct_sgd_free(ct_sgd *sgd);
CT_API double ct_sgd_get_learning_rate(const ct_sgd *sgd);
CT_API void ct_sgd_set_learning_rate(ct_sgd *sgd, double learning_rate);
CT_API int32_t ct_sgd_step(ct_sgd *sgd);
