/* Training and inference of three networks, written for the C++ API of libtorch as its users would
 * write them. The torchsharp backend is compared with this program. */
#include "worker.h"

#include <dlfcn.h>
#include <malloc.h>
#include <memory>
#include <torch/torch.h>

namespace {

using torch::Tensor;
namespace nn = torch::nn;
namespace F = torch::nn::functional;

struct LeNet5 : nn::Module {
  nn::Conv2d conv1{nn::Conv2dOptions(1, 6, 5).padding(2)}, conv2{nn::Conv2dOptions(6, 16, 5)};
  nn::Linear dense1{400, 120}, dense2{120, 84}, dense3{84, 10};

  LeNet5() {
    register_module("conv1", conv1);
    register_module("conv2", conv2);
    register_module("dense1", dense1);
    register_module("dense2", dense2);
    register_module("dense3", dense3);
  }

  Tensor forward(Tensor x) {
    x = torch::max_pool2d(torch::relu(conv1(x)), 2);
    x = torch::max_pool2d(torch::relu(conv2(x)), 2);
    return dense3(torch::relu(dense2(torch::relu(dense1(x.flatten(1))))));
  }
};

nn::Conv2d conv3x3(long from, long to, long stride, bool bias) {
  return nn::Conv2d(nn::Conv2dOptions(from, to, 3).padding(1).stride(stride).bias(bias));
}

struct CifarNet : nn::Module {
  nn::Conv2d conv1 = conv3x3(3, 32, 1, true), conv2 = conv3x3(32, 32, 1, true);
  nn::Conv2d conv3 = conv3x3(32, 64, 1, true), conv4 = conv3x3(64, 64, 1, true);
  nn::Linear dense1{4096, 256}, dense2{256, 10};

  CifarNet() {
    register_module("conv1", conv1);
    register_module("conv2", conv2);
    register_module("conv3", conv3);
    register_module("conv4", conv4);
    register_module("dense1", dense1);
    register_module("dense2", dense2);
  }

  Tensor forward(Tensor x) {
    x = torch::max_pool2d(torch::relu(conv2(torch::relu(conv1(x)))), 2);
    x = torch::max_pool2d(torch::relu(conv4(torch::relu(conv3(x)))), 2);
    return dense2(torch::relu(dense1(x.flatten(1))));
  }
};

/* Two convolutions and a shortcut, which is a 1x1 convolution if the size changes. */
struct Residual : nn::Module {
  nn::Conv2d conv1, conv2, shortcut{nullptr};
  nn::BatchNorm2d norm1, norm2, norm3{nullptr};

  Residual(long from, long to, long stride)
      : conv1(conv3x3(from, to, stride, false)), conv2(conv3x3(to, to, 1, false)), norm1(to),
        norm2(to) {
    register_module("conv1", conv1);
    register_module("conv2", conv2);
    register_module("norm1", norm1);
    register_module("norm2", norm2);
    if (from == to) return;
    shortcut = nn::Conv2d(nn::Conv2dOptions(from, to, 1).stride(stride).bias(false));
    norm3 = nn::BatchNorm2d(to);
    register_module("shortcut", shortcut);
    register_module("norm3", norm3);
  }

  Tensor forward(Tensor x) {
    const Tensor y = norm2(conv2(torch::relu(norm1(conv1(x)))));
    return torch::relu(y + (shortcut.is_empty() ? x : norm3(shortcut(x))));
  }
};

struct ResNet20 : nn::Module {
  nn::Conv2d conv1 = conv3x3(3, 16, 1, false);
  nn::BatchNorm2d norm1{16};
  nn::Linear dense{64, 10};
  std::vector<std::shared_ptr<Residual>> blocks;

  ResNet20() {
    register_module("conv1", conv1);
    register_module("norm1", norm1);
    register_module("linear", dense);
    for (int i = 0; i < 9; i++) {
      const long to = 16L << (i / 3), from = i % 3 == 0 && i > 0 ? to / 2 : to;
      blocks.push_back(register_module("block" + std::to_string(i),
                                       std::make_shared<Residual>(from, to, from == to ? 1 : 2)));
    }
  }

  Tensor forward(Tensor x) {
    x = torch::relu(norm1(conv1(x)));
    for (const auto &block : blocks) x = block->forward(x);
    return dense(torch::adaptive_avg_pool2d(x, {1, 1}).flatten(1));
  }
};

template <typename Network> peer::Workload training(std::vector<int64_t> images, bool infer) {
  auto network = std::make_shared<Network>();
  const Tensor x = torch::rand(images) - 0.5;
  const Tensor labels = torch::arange(images[0]).mul(7).remainder(10);
  peer::Workload workload;
  workload.images = (int)images[0];
  if (infer) {
    network->eval();
    workload.run = [network, x] {
      const torch::NoGradGuard guard;
      network->forward(x);
    };
    return workload;
  }
  auto sgd = std::make_shared<torch::optim::SGD>(network->parameters(),
                                                 torch::optim::SGDOptions(1e-20).momentum(0.9));
  workload.run = [network, sgd, x, labels] {
    sgd->zero_grad();
    const Tensor loss = F::cross_entropy(network->forward(x), labels);
    loss.backward();
    sgd->step();
    loss.item<float>();
  };
  return workload;
}

peer::Workload make(const peer::Request &request) {
  const std::string model = request.text("model"), pass = request.text("pass");
  const int64_t batch = (int64_t)request.number("batch");
  const bool infer = pass == "infer";
  if (model == "lenet5") return training<LeNet5>({batch, 1, 28, 28}, infer);
  if (model == "cifarnet") return training<CifarNet>({batch, 3, 32, 32}, infer);
  if (model == "resnet20") return training<ResNet20>({batch, 3, 32, 32}, infer);
  throw std::invalid_argument("This program supports lenet5, cifarnet and resnet20.");
}

/* OpenBLAS has its own thread pool, which the setting of torch does not affect. */
void set_threads(int threads) {
  torch::set_num_threads(threads);
  using Setter = void (*)(int);
  if (const auto set = reinterpret_cast<Setter>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads")))
    set(threads);
}

} // namespace

int main() {
  /* Like the backend, keep freed memory in the process. */
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  std::ostringstream library;
  library << "libtorch " << TORCH_VERSION_MAJOR << "." << TORCH_VERSION_MINOR << "."
          << TORCH_VERSION_PATCH;
  return peer::serve(
      library.str(),
      [](const peer::Request &request) { set_threads((int)request.number("threads")); }, make);
}
