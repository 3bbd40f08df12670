#!/usr/bin/env bash
# Gives every reader of files millions of changed inputs, which must give a result or the exception that is documented,
# within the memory that is stated:
#   tests/readers.sh [--inputs 10000000] [--seed 1] [--reader "PyTorch checkpoint"]
# Each reader is a row of a Markdown table, with the smallest input that it fails on, if there is one. Exit code 1: a
# reader failed.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source eng/env
dotnet build tests/ConvNet.Tests -c Release -v quiet --nologo >&2
exec dotnet tests/ConvNet.Tests/bin/Release/net10.0/ConvNet.Tests.dll readers "$@"
