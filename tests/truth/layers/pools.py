"""Pooling. Run with /usr/bin/python3."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch.nn import functional

from truth import Table, layer

table = Table(__file__)
X = (2, 3, 5, 6)

layer(table, "max_pool", "maxpool", {"kernelSize": 2, "stride": 2, "rounding": "floor"},
      lambda x: functional.max_pool2d(x, 2), [X])
layer(table, "max_pool with padding, rounded up",
      "maxpool", {"kernelSize": [3, 2], "stride": [2, 3], "padding": 1, "rounding": "ceiling"},
      lambda x: functional.max_pool2d(x, (3, 2), (2, 3), 1, ceil_mode=True), [X])
for include in (True, False):
    layer(table, f"avg_pool, padding {'counted' if include else 'not counted'}", "avgpool",
          {"kernelSize": 3, "stride": 2, "padding": 1, "rounding": "ceiling", "countIncludePad": include},
          lambda x: functional.avg_pool2d(x, 3, 2, 1, True, include), [X])
layer(table, "gap", "gap", {}, lambda x: x.mean((2, 3), keepdim=True), [X])

table.write()
