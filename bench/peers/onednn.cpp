/* Layers in oneDNN, in the layouts that it prefers. Only the primitive is timed, not reorders. */
#include "worker.h"

#include <dnnl.hpp>
#include <map>
#include <memory>
#include <omp.h>

namespace {

using dnnl::memory;
using tag = memory::format_tag;

/* A layer descriptor with explicit sizes for the height, as ConvNet.Measurement writes it. */
class Shape {
public:
  explicit Shape(const std::string &text) {
    size_t at = 0;
    while (at < text.size() && text[at] != 'n') {
      const size_t digits = text.find_first_of("0123456789", at);
      size_t used;
      sizes_[text.substr(at, digits - at)] = std::stol(text.substr(digits), &used);
      at = digits + used;
    }
  }

  bool dense() const { return sizes_.count("kh") == 0; }
  long get(const std::string &key, long otherwise) const {
    const auto found = sizes_.find(key);
    return found == sizes_.end() ? otherwise : found->second;
  }
  /* The sizes for height and width. The width defaults to the height. */
  memory::dims pair(char letter, long otherwise) const {
    const long h = get(std::string(1, letter) + "h", otherwise);
    return {h, get(std::string(1, letter) + "w", h)};
  }
  long batch() const { return get("mb", 2); }
  long groups() const { return get("g", 1); }
  long ic() const { return get("ic", 0); }
  long oc() const { return get("oc", 0); }

private:
  std::map<std::string, long> sizes_;
};

memory::desc any(const memory::dims &dims) {
  return memory::desc(dims, memory::data_type::f32, tag::any);
}

struct Call {
  dnnl::primitive primitive;
  std::unordered_map<int, memory> arguments;
  dnnl::stream stream;
};

memory filled(const memory::desc &desc, const dnnl::engine &engine) {
  memory m(desc, engine);
  float *values = static_cast<float *>(m.get_data_handle());
  for (size_t i = 0; i < desc.get_size() / sizeof(float); i++)
    values[i] = (float)(i * 2654435761u % 1024) / 1024 - 0.5f;
  return m;
}

template <typename Descriptor>
peer::Workload call(const Descriptor &pd, int x, int w, int y, const dnnl::engine &engine) {
  auto made = std::make_shared<Call>(Call{dnnl::primitive(pd), {}, dnnl::stream(engine)});
  const bool forward = x == DNNL_ARG_SRC && y == DNNL_ARG_DST && w == DNNL_ARG_WEIGHTS;
  const bool data = x == DNNL_ARG_DIFF_SRC;
  made->arguments.emplace(x, filled(data ? pd.diff_src_desc() : pd.src_desc(), engine));
  made->arguments.emplace(
      w, filled(w == DNNL_ARG_WEIGHTS ? pd.weights_desc() : pd.diff_weights_desc(), engine));
  made->arguments.emplace(y, filled(forward ? pd.dst_desc() : pd.diff_dst_desc(), engine));
  peer::Workload workload;
  workload.run = [made] {
    made->primitive.execute(made->stream, made->arguments);
    made->stream.wait();
  };
  workload.algorithm = pd.impl_info_str();
  return workload;
}

/* Creates one of the three passes of a layer; make creates its descriptor. */
template <typename Forward, typename Data, typename Weights, typename Make>
peer::Workload pass(const std::string &name, const dnnl::engine &engine, const Make &make) {
  const typename Forward::primitive_desc forward(
      make.template operator()<typename Forward::desc>(dnnl::prop_kind::forward_training), engine);
  if (name == "fwd") return call(forward, DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, engine);
  if (name == "bwd_d")
    return call(typename Data::primitive_desc(make.template operator()<typename Data::desc>(),
                                              engine, forward),
                DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, engine);
  if (name == "bwd_w")
    return call(typename Weights::primitive_desc(make.template operator()<typename Weights::desc>(),
                                                 engine, forward),
                DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST, engine);
  throw std::invalid_argument("There is no layer pass " + name + ".");
}

/* Creates a descriptor from the sizes of a layer; forward passes also have a propagation kind. */
struct MakeConvolution {
  memory::desc x, w, y;
  memory::dims strides, dilates, pad_before, pad_after;
  template <typename Desc, typename... Kind> Desc operator()(Kind... kind) const {
    return Desc(kind..., dnnl::algorithm::convolution_direct, x, w, y, strides, dilates, pad_before,
                pad_after);
  }
};

struct MakeInnerProduct {
  memory::desc x, w, y;
  template <typename Desc, typename... Kind> Desc operator()(Kind... kind) const {
    return Desc(kind..., x, w, y);
  }
};

peer::Workload convolution(const Shape &s, const std::string &name, const dnnl::engine &engine) {
  const memory::dims i = s.pair('i', 1), o = s.pair('o', 1), k = s.pair('k', 1);
  const memory::dims pad = s.pair('p', 0), stride = s.pair('s', 1), dilation = s.pair('d', 0);
  const long g = s.groups();
  memory::dims weights = {s.oc() / g, s.ic() / g, k[0], k[1]}, after;
  if (g > 1) weights.insert(weights.begin(), g);
  for (int a = 0; a < 2; a++) {
    const long reach = (k[a] - 1) * (dilation[a] + 1) + 1;
    after.push_back((o[a] - 1) * stride[a] + reach - i[a] - pad[a]);
  }
  const MakeConvolution make = {any({s.batch(), s.ic(), i[0], i[1]}),
                                any(weights),
                                any({s.batch(), s.oc(), o[0], o[1]}),
                                stride,
                                dilation,
                                pad,
                                after};
  peer::Workload workload = pass<dnnl::convolution_forward, dnnl::convolution_backward_data,
                                 dnnl::convolution_backward_weights>(name, engine, make);
  workload.operations =
      2.0 * s.batch() * s.oc() * (s.ic() / g) * k[0] * k[1] * (double)(o[0] * o[1]);
  return workload;
}

peer::Workload inner_product(const Shape &s, const std::string &name, const dnnl::engine &engine) {
  const memory::dims i = s.pair('i', 1);
  const long features = s.ic() * i[0] * i[1];
  const MakeInnerProduct make = {any({s.batch(), features}), any({s.oc(), features}),
                                 any({s.batch(), s.oc()})};
  peer::Workload workload = pass<dnnl::inner_product_forward, dnnl::inner_product_backward_data,
                                 dnnl::inner_product_backward_weights>(name, engine, make);
  workload.operations = 2.0 * s.batch() * s.oc() * (double)features;
  return workload;
}

peer::Workload make(const peer::Request &request) {
  if (request.text("shape").empty())
    throw std::invalid_argument("onednn supports layers, not networks.");
  const Shape shape(request.text("shape"));
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  peer::Workload workload = shape.dense() ? inner_product(shape, request.text("pass"), engine)
                                          : convolution(shape, request.text("pass"), engine);
  workload.images = (int)shape.batch();
  return workload;
}

} // namespace

int main() {
  const dnnl_version_t *v = dnnl_version();
  std::ostringstream library;
  library << "oneDNN " << v->major << "." << v->minor << "." << v->patch;
  return peer::serve(
      library.str(),
      [](const peer::Request &request) { omp_set_num_threads((int)request.number("threads")); },
      make);
}
