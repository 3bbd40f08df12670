"""Files of torch.save, with the tensors that they hold and what a network computes with them."""

import argparse
import base64
import collections
import io

import numpy
import torch

from truth import Table


def saved(what, **options):
    file = io.BytesIO()
    torch.save(what, file, **options)
    return base64.b64encode(file.getvalue()).decode("ascii")


def described(tensors):
    return {name: {"shape": list(tensor.shape), "values": tensor.double().flatten().tolist()}
            for name, tensor in tensors.items() if tensor.is_floating_point()}


table = Table(__file__)
torch.manual_seed(1)
net = torch.nn.Sequential(collections.OrderedDict(
    conv=torch.nn.Conv2d(1, 3, 3, padding=1, bias=False), bn=torch.nn.BatchNorm2d(3), relu=torch.nn.ReLU(),
    flat=torch.nn.Flatten(), fc=torch.nn.Linear(48, 2))).float()
with torch.no_grad():
    for values, low, high in ((net.bn.running_mean, -1, 1), (net.bn.running_var, 0.5, 2), (net.bn.weight, 0.5, 1)):
        values.uniform_(low, high)
net.eval()
state = net.state_dict()
x = (torch.arange(32.0).reshape(2, 1, 4, 4) * 7 % 11 - 5) / 4
table.add("state dict", file=saved(state), tensors=described(state), x=x.double(), y=net.double()(x.double()))
net.float()

# A checkpoint of a training on several processors, in several types.
types = {"fc.bias": torch.half, "fc.weight": torch.bfloat16, "conv.weight": torch.double}
wrapped = collections.OrderedDict(("module." + name, value.to(types.get(name, value.dtype)))
                                  for name, value in state.items())
table.add("checkpoint", file=saved({"epoch": 3, "state_dict": wrapped, "lr": 0.1}), tensors=described(wrapped))
table.add("checkpoint with its best accuracy", file=saved({"epoch": 3, "state_dict": wrapped, "best": torch.tensor(0.5)}),
          tensors=described(wrapped))

grid = torch.arange(24.0, dtype=torch.float32).reshape(2, 3, 4)
views = {"transposed": grid.permute(2, 0, 1), "slice": grid[1, 1:, 1:3], "parameter": torch.nn.Parameter(grid[0].clone()),
         "scalar": torch.tensor(1.5, dtype=torch.float32), "empty": torch.zeros(0, 3, dtype=torch.float32)}
table.add("views", file=saved(views), tensors=described({name: value.detach() for name, value in views.items()}))
table.add("protocol 4", file=saved(views, pickle_protocol=4),
          tensors=described({name: value.detach() for name, value in views.items()}))

plain = {name: value.detach() for name, value in views.items()}
table.add("old form", file=saved(state, _use_new_zipfile_serialization=False), tensors=described(state))
table.add("views in the old form", file=saved(views, _use_new_zipfile_serialization=False), tensors=described(plain))
table.add("old form with protocol 4", tensors=described(wrapped),
          file=saved({"state_dict": wrapped}, _use_new_zipfile_serialization=False, pickle_protocol=4))
script = {"model": wrapped, "args": argparse.Namespace(rate=0.1), "best": numpy.float64(0.5), "tags": {1, 2},
          "history": numpy.arange(3), "groups": collections.defaultdict(list, a=[1 << 80])}
for protocol in (2, 4):
    table.add(f"checkpoint of a script with protocol {protocol}", tensors=described(wrapped),
              file=saved(script, pickle_protocol=protocol))
table.add("dictionary of another name", file=saved({"net": wrapped, "epoch": 3}), tensors=described(wrapped))

table.add("whole module", file=saved(net), refused="torch.nn.modules.container.Sequential")
table.add("whole module in the old form", file=saved(torch.nn.ReLU(), _use_new_zipfile_serialization=False),
          refused="torch.nn.modules.activation.ReLU")
program = io.BytesIO()
torch.jit.save(torch.jit.script(torch.nn.ReLU()), program)
table.add("program of TorchScript", file=base64.b64encode(program.getvalue()).decode("ascii"), refused="torch.jit.load")
table.add("several dictionaries", file=saved({"a": {"x": grid}, "b": {"x": grid}}),
          refused='several dictionaries of tensors: its dictionary has "a", "b"')
table.add("checkpoint with a module", file=saved({"epoch": 3, "model": torch.nn.ReLU()}),
          refused="an object of torch.nn.modules.activation.ReLU, which is not made")
table.add("object among tensors", file=saved({"a": grid, "args": argparse.Namespace(rate=0.1)}),
          refused='"args" is an object of argparse.Namespace, not a tensor')
table.add("list", file=saved([grid]), refused="a list, not a dictionary of tensors")
table.add("number", file=saved({"a": grid, "epoch": 3}), refused='"epoch" is a whole number')
table.add("expanded", file=saved({"a": torch.zeros(1, dtype=torch.float32).expand(1000, 1000)}),
          refused="does not lie in its 1 stored values")
table.write()
