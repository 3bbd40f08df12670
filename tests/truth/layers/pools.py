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
layer(table, "max_pool, dilated", "maxpool", {"kernelSize": [3, 2], "stride": 1, "padding": 1, "dilation": [1, 2]},
      lambda x: functional.max_pool2d(x, (3, 2), 1, 1, (1, 2)), [X])
layer(table, "avg_pool with a divisor", "avgpool",
      {"kernelSize": [2, 3], "stride": 2, "padding": [1, 0], "rounding": "floor", "divisorOverride": 5},
      lambda x: functional.avg_pool2d(x, (2, 3), 2, (1, 0), divisor_override=5), [X])
for size in ((3, 4), (1, 3), (7, 2)):
    text = "x".join(map(str, size))
    layer(table, f"adaptiveavgpool to {text}", "adaptiveavgpool", {"output": size},
          lambda x: functional.adaptive_avg_pool2d(x, size), [X])
    layer(table, f"adaptivemaxpool to {text}", "adaptivemaxpool", {"output": size},
          lambda x: functional.adaptive_max_pool2d(x, size), [X])
layer(table, "globalmaxpool", "globalmaxpool", {}, lambda x: functional.adaptive_max_pool2d(x, 1), [X])
layer(table, "gap", "gap", {}, lambda x: x.mean((2, 3), keepdim=True), [X])

table.write()
