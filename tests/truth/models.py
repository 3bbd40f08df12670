"""The networks of torchvision: names and shapes of their state, and their scores for weights that are a function of the
name of the parameter. Needs torchvision 0.14 beside PyTorch 1.13 (Debian: python3-torchvision)."""

import numpy
import torch
import torchvision

from truth import Table

# The size of the images; None for names and shapes only. AlexNet has no adaptive pooling here.
MODELS = {
    "alexnet": 224,
    "vgg11": None,
    "vgg13": None,
    "vgg16": None,
    "vgg19": None,
    "vgg11_bn": None,
    "vgg13_bn": None,
    "vgg16_bn": None,
    "vgg19_bn": None,
    "resnet18": 64,
    "resnet34": None,
    "resnet50": 64,
    "resnet101": None,
    "squeezenet1_1": 64,
    "densenet121": 64,
    "googlenet_aux": 96,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "mobilenet_v3_large": 64,
    "shufflenet_v2_x1_0": 64,
    "efficientnet_b0": 64,
    "convnext_tiny": 64,
}


def numbers(name, count):
    """Multiples of 1/32 in [-1, 1] that depend on a name and an index."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    x = (numpy.arange(count, dtype=numpy.uint64) + numpy.uint64(seed)) * numpy.uint64(2654435761) % numpy.uint64(2**32)
    x = (x ^ x >> numpy.uint64(15)) * numpy.uint64(2246822519) % numpy.uint64(2**32)
    x ^= x >> numpy.uint64(13)
    return (x % numpy.uint64(65)).astype(numpy.float64) / 32 - 1


def value(name, shape):
    """The value of a parameter or buffer, rounded to float32."""
    u = numbers(name, numpy.prod(shape, dtype=int)).reshape(shape)
    kind = name.rsplit(".", 1)[-1]
    if kind == "weight" and len(shape) > 1:
        u = u * numpy.sqrt(6.0 / numpy.prod(shape[1:]))
    elif kind == "running_var" or kind == "weight":
        u = 1 + u / 4
    elif kind == "layer_scale":
        u = (1 + u / 4) / 2
    else:
        u = u / 8
    return u.astype(numpy.float32)


def state(network):
    """A line for each module: its name, and its tensors with their shapes; bn stands for those of a batch
    normalisation."""
    modules = {}
    for name, tensor in network.state_dict().items():
        module, _, kind = name.rpartition(".")
        modules.setdefault(module, {})[kind] = "x".join(map(str, tensor.shape))
    return [
        f"{module} bn:{kinds['weight']}"
        if "running_mean" in kinds
        else f"{module} " + " ".join(f"{kind}:{shape}" for kind, shape in kinds.items())
        for module, kinds in modules.items()
    ]


def scores(network, size):
    """The outputs in inference for one image."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(torch.from_numpy(value(name, tensor.shape)))
        network.eval()
        image = torch.from_numpy(numbers("image", 3 * size * size).reshape(1, 3, size, size))
        if not hasattr(network, "aux1"):
            return [network(image)]
        features = {}
        for name in ("inception4a", "inception4d"):
            getattr(network, name).register_forward_hook(lambda _, x, y, name=name: features.__setitem__(name, y))
        return [network(image), network.aux1(features["inception4a"]), network.aux2(features["inception4d"])]


# Every value is written below.
for initialiser in ("kaiming_uniform_", "kaiming_normal_", "normal_", "uniform_", "trunc_normal_"):
    setattr(torch.nn.init, initialiser, lambda tensor, *_, **__: tensor)
table = Table(__file__)
for name, size in MODELS.items():
    options = {"init_weights": False} if name == "googlenet_aux" else {}
    network = getattr(torchvision.models, name.removesuffix("_aux"))(weights=None, num_classes=1000, **options)
    table.add(
        name,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        state=state(network),
        size=size,
        # Every hundredth score.
        y=None if size is None else [y[0, ::100] for y in scores(network, size)],
    )
table.write()
