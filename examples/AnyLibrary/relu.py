"""A child program of ProcessBackend.cs: ReLU in Python."""
import array
import json
import sys

source, sink = sys.stdin.buffer, sys.stdout.buffer


def read(length):
    tensor = array.array("f")
    tensor.frombytes(source.read(4 * length))
    return tensor


for line in source:
    request = json.loads(line)
    tensors = [read(length) for length in request["tensors"]]
    if request["layer"]["layer"] != "relu":
        sink.write(b"only relu is supported\n")
    elif request["pass"] == "support":
        sink.write(b"ok\n")
    elif request["pass"] == "forward":
        y = array.array("f", [0 if x <= 0 else x for x in tensors[0]])
        sink.write(b"ok\n" + y.tobytes())
    else:
        x, dy = tensors
        dx = array.array("f", [0 if x <= 0 else dy for x, dy in zip(x, dy)])
        sink.write(b"ok\n" + dx.tobytes())
    sink.flush()
