#!/usr/bin/env bash
# Exports every built-in network at its own size as ONNX, imports it and exports it again: the same graph and weights.
# The outputs of the native backend and of ONNX Runtime are as close to those of a double run as the gradient check
# demands of whole networks. With --gradients, the imported network passes the gradient check:
#   tests/roundtrips.sh [--gradients] [--backends native,torchsharp] [NETWORK...]
# The smallest network comes first; each is a row of a Markdown table. Exit code 1: something is wrong.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source eng/env
dotnet build tests/ConvNet.Tests -c Release -v quiet --nologo >&2
exec dotnet tests/ConvNet.Tests/bin/Release/net10.0/ConvNet.Tests.dll roundtrips "$@"
