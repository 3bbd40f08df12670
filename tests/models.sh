#!/usr/bin/env bash
# Runs the gradient check over every built-in network, on the smallest images with room for its pools:
#   tests/models.sh [--mode exact,real] [--backends managed,native] [--threads 2] [NETWORK...]
# or ten training steps of every network at its own size:
#   tests/models.sh --train --backends native [NETWORK...]
# The smallest network comes first; each is a row of a Markdown table. Exit code 1: something is wrong.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source eng/env
dotnet build tests/ConvNet.Tests -c Release -v quiet --nologo >&2
exec dotnet tests/ConvNet.Tests/bin/Release/net10.0/ConvNet.Tests.dll models "$@"
