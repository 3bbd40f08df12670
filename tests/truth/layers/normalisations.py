"""Normalisations. Run with /usr/bin/python3."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import torch
from torch.nn import functional

from truth import Table, layer, single

table = Table(__file__)
X = (3, 4, 3, 5)
PER_CHANNEL = {"weight": (4,), "bias": (4,)}
EPSILON = single(0.001)


def running():
    return {"running_mean": (4,), "running_var": torch.tensor([0.5, 1, 1.75, 3])}


for training in (True, False):
    mode = "training" if training else "inference"
    layer(table, f"bn in {mode}", "bn", {"epsilon": 0.001, "momentum": 0.25},
          lambda x, w, b, mean, var: functional.batch_norm(x, mean, var, w, b, training, 0.25, EPSILON),
          [X], PER_CHANNEL, running(), training=training)
    layer(table, f"bn without parameters in {mode}", "bn", {"affine": False, "epsilon": 0.001},
          lambda x, mean, var: functional.batch_norm(x, mean, var, None, None, training, single(0.1), EPSILON),
          [X], None, running(), training=training)


def cumulative(x, weight, bias, mean, var, batches):
    norm = torch.nn.BatchNorm2d(4, EPSILON, momentum=None)
    norm.running_mean, norm.running_var, norm.num_batches_tracked = mean, var, batches[0].clone()
    norm.weight, norm.bias = (None, None)
    y = norm(x) * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)
    batches[0] = norm.num_batches_tracked
    return y


for batches in (0, 1, 6):
    layer(table, f"bn with cumulative averages after {batches}", "bn", {"momentum": "cumulative", "epsilon": 0.001},
          cumulative, [X], PER_CHANNEL, {**running(), "num_batches_tracked": torch.tensor([float(batches)])})

for name, shape in {"maps": (3, 4, 3, 5), "vectors": (3, 7, 1, 1)}.items():
    sizes = shape[1:] if name == "maps" else shape[1:2]
    layer(table, f"layer norm of {name}", "layernorm", {"epsilon": 0.001},
          lambda x, w, b: functional.layer_norm(x, shape[1:], w.view(shape[1:]), b.view(shape[1:]), EPSILON),
          [shape], {"weight": sizes, "bias": sizes})
    layer(table, f"layer norm of {name} without parameters", "layernorm", {"affine": False},
          lambda x: functional.layer_norm(x, shape[1:], None, None, single(1e-5)), [shape])


def over_channels(x, weight=None, bias=None):
    return functional.layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],), weight, bias, EPSILON).permute(0, 3, 1, 2)


layer(table, "layer norm over channels", "layernorm", {"over": "channels", "epsilon": 0.001}, over_channels,
      [(2, 5, 3, 2)], {"weight": (5,), "bias": (5,)})
layer(table, "layer norm over channels without parameters", "layernorm",
      {"over": "channels", "epsilon": 0.001, "affine": False}, over_channels, [(2, 17, 1, 2)])

for groups, shape in ((1, (2, 3, 3, 2)), (2, (2, 6, 2, 3)), (6, (1, 6, 3, 2)), (3, (2, 9, 1, 1))):
    sizes = (shape[1],)
    layer(table, f"group norm of {groups} groups of {shape[1]} channels", "groupnorm",
          {"groups": groups, "epsilon": 0.001}, lambda x, w, b: functional.group_norm(x, groups, w, b, EPSILON),
          [shape], {"weight": sizes, "bias": sizes})
layer(table, "group norm without parameters", "groupnorm", {"groups": 2, "affine": False},
      lambda x: functional.group_norm(x, 2, None, None, single(1e-5)), [(2, 4, 2, 3)])

layer(table, "instance norm", "instancenorm", {},
      lambda x: functional.instance_norm(x, eps=single(1e-5)), [(2, 3, 4, 3)])
layer(table, "instance norm with parameters", "instancenorm", {"affine": True, "epsilon": 0.001},
      lambda x, w, b: functional.instance_norm(x, weight=w, bias=b, eps=EPSILON), [X], PER_CHANNEL)

for size, channels, alpha, beta, k in ((3, 5, 0.5, 0.75, 1), (4, 7, 1, 0.5, 2), (5, 3, 0.0001, 0.75, 2),
                                       (2, 4, 0.25, 1.25, 1), (1, 3, 1, 1, 0.5)):
    layer(table, f"local response norm of size {size}", "lrn", {"size": size, "alpha": alpha, "beta": beta, "k": k},
          lambda x: functional.local_response_norm(x, size, single(alpha), beta, k), [(2, channels, 2, 3)])

for name, call in (("softmax", torch.softmax), ("logsoftmax", torch.log_softmax)):
    for shape in ((3, 7, 1, 1), (2, 5, 3, 2), (2, 1, 2, 2)):
        layer(table, f"{name} of {shape[1]} channels", name, {}, lambda x: call(x, 1), [shape])
    layer(table, f"{name} of large values", name, {}, lambda x: call(x, 1), [(1, 3, 1, 2)],
          x=[torch.tensor([[[[-1000.0, 700]], [[-1010, 0]], [[-2000, 699.5]]]])])

table.write()
