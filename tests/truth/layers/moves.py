"""Padding, resizing and moving of values. Run with /usr/bin/python3."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from torch.nn import functional

from truth import Table, layer

table = Table(__file__)
X = (2, 3, 4, 5)

# Torch's sides are left, right, top and bottom.
for mode, torchs in (("zeros", "constant"), ("reflect", "reflect"), ("replicate", "replicate")):
    layer(table, f"pad with {mode}", "pad", {"padding": [2, 1, 3, 4], "mode": mode},
          lambda x: functional.pad(x, (1, 4, 2, 3), torchs), [X])

for scale in ((2, 3), (0.5, 2.5)):
    layer(table, f"upsample nearest by {scale}", "upsample", {"scale": scale},
          lambda x: functional.interpolate(x, scale_factor=scale), [X])
layer(table, "upsample nearest to a size", "upsample", {"size": (6, 3)},
      lambda x: functional.interpolate(x, (6, 3)), [X])
for align in (False, True):
    text = ", corners aligned" if align else ""
    for scale in ((2, 3), (1.5, 0.75)):
        layer(table, f"upsample bilinear by {scale}{text}", "upsample",
              {"scale": scale, "mode": "bilinear", "alignCorners": align},
              lambda x: functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=align,
                                               recompute_scale_factor=False), [X])
    for size in ((7, 3), (1, 9)):
        layer(table, f"upsample bilinear to {size}{text}", "upsample",
              {"size": size, "mode": "bilinear", "alignCorners": align},
              lambda x: functional.interpolate(x, size, mode="bilinear", align_corners=align), [X])

layer(table, "pixelshuffle", "pixelshuffle", {"factor": 2}, lambda x: functional.pixel_shuffle(x, 2), [(2, 12, 3, 2)])
layer(table, "pixelunshuffle", "pixelunshuffle", {"factor": 3}, lambda x: functional.pixel_unshuffle(x, 3),
      [(2, 2, 6, 3)])
layer(table, "channelshuffle", "channelshuffle", {"groups": 3},
      lambda x: x.reshape(2, 3, 2, 4, 5).transpose(1, 2).reshape(2, 6, 4, 5), [(2, 6, 4, 5)])
for order in ("chw", "cwh", "hcw", "hwc", "wch", "whc"):
    layer(table, f"permute to {order}", "permute", {"order": order},
          lambda x: x.permute(0, *("chw".index(axis) + 1 for axis in order)), [X])
for number, axis in enumerate(("channels", "rows", "columns")):
    layer(table, f"slice of {axis}", "slice", {"axis": axis, "start": 1, "length": 2},
          lambda x: x.narrow(number + 1, 1, 2), [X])
layer(table, "reshape", "reshape", {"shape": [10, 2, 3]}, lambda x: x.reshape(2, 10, 2, 3), [X])

table.write()
