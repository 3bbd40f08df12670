"""Convolutions and linear layers. Run with /usr/bin/python3."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch.nn import functional

from truth import Table, layer

table = Table(__file__)

for name, attributes, call, x, w in [
    ("conv", {}, lambda x, w, b: functional.conv2d(x, w, b), (2, 3, 5, 4), (4, 3, 3, 3)),
    ("conv with padding and stride", {"stride": [2, 1], "padding": [1, 2], "rounding": "floor"},
     lambda x, w, b: functional.conv2d(x, w, b, (2, 1), (1, 2)), (2, 2, 6, 5), (3, 2, 3, 3)),
    ("conv with padding of four sides", {"padding": [1, 0, 2, 1]},
     lambda x, w, b: functional.conv2d(functional.pad(x, (0, 1, 1, 2)), w, b), (1, 2, 3, 4), (3, 2, 3, 2)),
    ("conv with dilation", {"dilation": [2, 3], "padding": 2},
     lambda x, w, b: functional.conv2d(x, w, b, 1, 2, (2, 3)), (1, 2, 5, 6), (2, 2, 3, 3)),
    ("conv in groups", {"groups": 2, "padding": 1},
     lambda x, w, b: functional.conv2d(x, w, b, 1, 1, 1, 2), (2, 4, 4, 3), (6, 2, 3, 3)),
    ("conv depthwise", {"groups": 5, "stride": 2, "padding": 1, "rounding": "floor"},
     lambda x, w, b: functional.conv2d(x, w, b, 2, 1, 1, 5), (1, 5, 5, 4), (5, 1, 3, 3)),
]:
    layer(table, name, "conv", {"outChannels": w[0], "kernelSize": list(w[2:]), **attributes}, call, [x],
          {"weight": w, "bias": (w[0],)})
layer(table, "conv without bias", "conv", {"outChannels": 3, "kernelSize": 2, "bias": False},
      lambda x, w: functional.conv2d(x, w), [(2, 2, 3, 4)], {"weight": (3, 2, 2, 2)})

for name, attributes, call, x, w in [
    ("conv_transpose", {}, lambda x, w, b: functional.conv_transpose2d(x, w, b), (2, 3, 3, 2), (3, 2, 3, 3)),
    ("conv_transpose with stride and output padding", {"stride": 2, "padding": 1, "outputPadding": [1, 0]},
     lambda x, w, b: functional.conv_transpose2d(x, w, b, 2, 1, (1, 0)), (1, 2, 3, 4), (2, 3, 3, 3)),
    ("conv_transpose with groups and dilation", {"groups": 2, "dilation": 2, "stride": [1, 2]},
     lambda x, w, b: functional.conv_transpose2d(x, w, b, (1, 2), 0, 0, 2, 2), (1, 4, 3, 2), (4, 2, 2, 3)),
]:
    filters = w[1] * attributes.get("groups", 1)
    layer(table, name, "convtranspose", {"outChannels": filters, "kernelSize": list(w[2:]), **attributes}, call, [x],
          {"weight": w, "bias": (filters,)})

layer(table, "linear", "linear", {"outFeatures": 4}, lambda x, w, b: functional.linear(x.flatten(1), w, b),
      [(3, 5, 1, 1)], {"weight": (4, 5), "bias": (4,)})
layer(table, "linear without bias", "linear", {"outFeatures": 2, "bias": False},
      lambda x, w: functional.linear(x.flatten(1), w), [(1, 7, 1, 1)], {"weight": (2, 7)})

table.write()
