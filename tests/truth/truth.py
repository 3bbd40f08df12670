"""Writes tables of expected results, computed by PyTorch in double precision, for the tests in tests/ConvNet.Tests/Truth.

Each script beside this file, and in layers/, writes the JSON file of its name. The inputs are multiples of 1/64, which
float32 represents exactly. Run a script again after changing it: /usr/bin/python3 tests/truth/layers/convolutions.py
"""

import hashlib
import json
import platform
from pathlib import Path

import numpy
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


class Table:
    """The cases of one script, and the file that they are written to."""

    def __init__(self, script):
        self.script = Path(script)
        self.cases = []

    def add(self, name, **case):
        """Adds a case. Tensors become lists of values in row-major order."""
        self.cases.append({"name": name, **{key: _plain(value) for key, value in case.items() if value is not None}})

    def write(self, **versions):
        """Writes the file, with the versions that computed it and the hash of the script."""
        head = {
            "script": self.script.name,
            "sha256": hashlib.sha256(self.script.read_bytes()).hexdigest(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
            **versions,
        }
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
        cases = ",\n".join("    " + _case(case) for case in self.cases)
        text = "{\n" + "\n".join(lines) + '\n  "cases": [\n' + cases + "\n  ]\n}\n"
        self.script.with_suffix(".json").write_text(text, encoding="utf-8")


def single(value):
    """The float32 nearest to a value: attributes are stored as float32."""
    return float(numpy.float32(value))


def values(generator, *shape, least=-2.0, most=2.0):
    """Random multiples of 1/64 in [least, most]."""
    return torch.from_numpy(generator.integers(round(least * 64), round(most * 64) + 1, shape) / 64.0)


def layer(table, name, kind, attributes, call, inputs, weights=None, buffers=None, training=True, seed=0, x=None):
    """Adds a case of a layer: results and gradients of `call(x..., w..., b...)` for a random gradient of the output.

    inputs: the shapes N×C×H×W of the inputs (x: their values, random if None). weights and buffers: names and shapes, or
    values, in the order of the layer; buffers are updated by the call.
    """
    generator = numpy.random.default_rng([seed, *name.encode()])
    xs = [values(generator, *shape) for shape in inputs] if x is None else list(x)
    given = {key: _values(generator, value) for key, value in (weights or {}).items()}
    kept = {key: _values(generator, value) for key, value in (buffers or {}).items()}
    before = {key: value.clone() for key, value in kept.items()}
    for tensor in [*xs, *given.values()]:
        tensor.requires_grad_(True)
    y = call(*xs, *given.values(), *kept.values())
    dy = values(generator, *y.shape)
    gradients = torch.autograd.grad(y, [*xs, *given.values()], dy) if training else None
    table.add(
        name,
        layer={"layer": kind, **attributes},
        training=training,
        batch=xs[0].shape[0],
        inputs=[list(shape[1:]) + [1] * (4 - len(shape)) for shape in (tuple(tensor.shape) for tensor in xs)],
        x=xs,
        weights={**given, **before},
        y=y,
        dy=dy if training else None,
        dx=None if gradients is None else list(gradients[: len(xs)]),
        dw=None if gradients is None else dict(zip(given, gradients[len(xs) :])),
        buffers=kept,
    )


def _values(generator, value):
    return value if isinstance(value, torch.Tensor) else values(generator, *value)


def _plain(value):
    if isinstance(value, torch.Tensor):
        return [int(v) if float(v).is_integer() else float(v) for v in value.detach().flatten().tolist()]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _case(case):
    rows = ",\n      ".join(f"{json.dumps(key)}: {_text(value)}" for key, value in case.items())
    return "{ " + rows + " }"


def _text(value):
    """A value on one line, but a list of words on a line each."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return "[\n        " + ",\n        ".join(map(json.dumps, value)) + "\n      ]"
    return json.dumps(value, allow_nan=False)
