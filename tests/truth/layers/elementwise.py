"""Activations, sums, and layers that only move values. Run with /usr/bin/python3."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
import torch
from torch.nn import functional

from truth import Table, layer, single

table = Table(__file__)
X = (2, 3, 3, 5)
FAR = [torch.tensor([-1e4, -100, -30, -17, -9, -6, -4, -3, -1, -1e-3, -1e-7, 1e-7, 1e-3, 1, 3, 4, 6.5, 9, 17, 30, 100,
                     1e4]).reshape(1, -1, 1, 1)]



def word(index):
    """The first word of Philox4x32-10 of the counter (index, 0, 0, 0) with the key 0."""
    c, k = [index, 0, 0, 0], [0, 0]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & 0xFFFFFFFF, a >> 32 ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c[0]


for name, kind, attributes, call in [
    ("relu", "relu", {}, functional.relu),
    ("relu6", "relu6", {}, lambda x: functional.relu6(x * 1)),
    ("leakyrelu", "leakyrelu", {}, lambda x: functional.leaky_relu(x, single(0.01))),
    ("leakyrelu of slope 0.25", "leakyrelu", {"negativeSlope": 0.25}, lambda x: functional.leaky_relu(x, 0.25)),
    ("gelu", "gelu", {}, functional.gelu),
    ("gelu by tanh", "gelu", {"approximate": "tanh"}, lambda x: functional.gelu(x, approximate="tanh")),
    ("clip", "clip", {"min": -1, "max": 1.5}, lambda x: functional.hardtanh(x, -1, 1.5)),
    ("elu", "elu", {}, functional.elu),
    ("elu of 0.5", "elu", {"alpha": 0.5}, lambda x: functional.elu(x, 0.5)),
    ("selu", "selu", {}, functional.selu),
    ("celu", "celu", {}, functional.celu),
    ("celu of 2", "celu", {"alpha": 2}, lambda x: functional.celu(x, 2)),
    ("silu", "silu", {}, functional.silu),
    ("mish", "mish", {}, functional.mish),
    ("softplus", "softplus", {}, functional.softplus),
    ("softplus of 2", "softplus", {"beta": 2, "threshold": 1}, lambda x: functional.softplus(x, 2, 1)),
    # Torch 1.13 rounds 1/6 to float32 in one of these, and has -1/2 and 3/2 as the slopes at -3 and 3 in the other.
    ("hardswish", "hardswish", {}, lambda x: x * functional.relu6(x + 3) / 6),
    ("hardsigmoid", "hardsigmoid", {}, lambda x: functional.relu6(x + 3) / 6),
    ("sigmoid", "sigmoid", {}, torch.sigmoid),
    ("tanh", "tanh", {}, torch.tanh),
]:
    layer(table, name, kind, attributes, call, [X])
    layer(table, f"{name}, far out", kind, attributes, call, [], x=[x.clone() for x in FAR])

# Some are defined above 0 only.
SEVERAL = torch.tensor([1 / 64, 0.25, 0.75, 1, 1.5, 2, 3, 7, 40, 1024]).reshape(1, -1, 1, 1)
for name, kind, attributes, call, xs in [
    ("exp", "exp", {}, torch.exp, [SEVERAL[:, :9], -SEVERAL]),
    ("log", "log", {}, torch.log, [SEVERAL]),
    ("erf", "erf", {}, torch.erf, [SEVERAL, -SEVERAL]),
    ("pow of 1/2", "pow", {"exponent": 0.5}, torch.sqrt, [SEVERAL]),
    ("pow of -1", "pow", {"exponent": -1}, torch.reciprocal, [SEVERAL, -SEVERAL]),
    ("pow of 3", "pow", {"exponent": 3}, lambda x: x**3, [SEVERAL, -SEVERAL]),
    ("pow of -2", "pow", {"exponent": -2}, lambda x: x**-2, [SEVERAL, -SEVERAL]),
    ("pow of 1.7", "pow", {"exponent": 1.7}, lambda x: x ** single(1.7), [SEVERAL]),
    ("threshold", "threshold", {"threshold": 0.25}, lambda x: functional.threshold(x, 0.25, 0), [SEVERAL, -SEVERAL]),
    ("threshold of -1", "threshold", {"threshold": -1, "value": 2}, lambda x: functional.threshold(x, -1, 2),
     [SEVERAL, -SEVERAL]),
]:
    for i, x in enumerate(xs):
        layer(table, name if i == 0 else f"{name}, below 0", kind, attributes, call, [], x=[x.clone()])

layer(table, "add", "add", {}, lambda a, b, c: a + b + c, [X, X, X])
layer(table, "sub", "sub", {}, torch.sub, [X, X])
layer(table, "mul", "mul", {}, torch.mul, [X, X])
layer(table, "mul by a scale", "mul", {}, torch.mul, [X, (2, 3, 1, 1)])
layer(table, "mul of a scale", "mul", {}, torch.mul, [(2, 3, 1, 1), X])
layer(table, "layer scale", "layerscale", {}, torch.mul, [X], {"layer_scale": (3, 1, 1)})
layer(table, "prelu", "prelu", {}, functional.prelu, [X], {"weight": (3,)})
layer(table, "prelu of one slope", "prelu", {"perChannel": False}, functional.prelu, [X], {"weight": (1,)})
layer(table, "concat", "concat", {}, lambda a, b: torch.cat((a, b), 1), [X, (2, 2, 3, 5)])
layer(table, "flatten", "flatten", {}, lambda x: x.flatten(1), [X])
layer(table, "dropout in inference", "dropout", {}, lambda x: functional.dropout(x, training=False), [X],
      training=False)
layer(table, "dropout2d in inference", "dropout2d", {}, lambda x: functional.dropout2d(x, training=False), [X],
      training=False)
layer(table, "stochastic depth in inference", "stochasticdepth", {}, lambda x: x.clone(), [X], training=False)

# In training, with the mask of seed, node and pass 0 as a constant.
for kind, groups in [("dropout", (2, 3, 3, 5)), ("dropout2d", (2, 3, 1, 1)), ("stochasticdepth", (2, 1, 1, 1))]:
    mask = torch.tensor([0.0 if word(i) < 2**31 else 2.0 for i in range(torch.Size(groups).numel())]).reshape(groups)
    layer(table, f"{kind} with its mask", kind, {}, lambda x, mask=mask: x * mask, [X])

table.write()
