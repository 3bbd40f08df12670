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


def running():
    return {"running_mean": (4,), "running_var": torch.tensor([0.5, 1, 1.75, 3])}


for training in (True, False):
    layer(table, f"bn in {'training' if training else 'inference'}", "bn", {"epsilon": 0.001, "momentum": 0.25},
          lambda x, w, b, mean, var: functional.batch_norm(x, mean, var, w, b, training, 0.25, single(0.001)),
          [X], PER_CHANNEL, running(), training=training)

table.write()
