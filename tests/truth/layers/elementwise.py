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

for name, kind, attributes, call in [
    ("relu", "relu", {}, functional.relu),
    ("relu6", "relu6", {}, lambda x: functional.relu6(x * 1)),
    ("leakyrelu", "leakyrelu", {}, lambda x: functional.leaky_relu(x, single(0.01))),
    ("leakyrelu of slope 0.25", "leakyrelu", {"negativeSlope": 0.25}, lambda x: functional.leaky_relu(x, 0.25)),
    ("gelu", "gelu", {}, functional.gelu),
    ("gelu by tanh", "gelu", {"approximate": "tanh"}, lambda x: functional.gelu(x, approximate="tanh")),
]:
    layer(table, name, kind, attributes, call, [X])
    layer(table, f"{name}, far out", kind, attributes, call, [], x=[x.clone() for x in FAR])

layer(table, "add", "add", {}, lambda a, b, c: a + b + c, [X, X, X])
layer(table, "concat", "concat", {}, lambda a, b: torch.cat((a, b), 1), [X, (2, 2, 3, 5)])
layer(table, "flatten", "flatten", {}, lambda x: x.flatten(1), [X])
layer(table, "dropout in inference", "dropout", {}, lambda x: functional.dropout(x, training=False), [X],
      training=False)

table.write()
