#!/usr/bin/env bash
# Kills trainings at random moments, resumes them, and compares their last bits with those of one that never stopped:
#   tests/kills.sh [--kills 500] [--models digits,cifarnet] [--backends native,managed] [--seed 1]
# Each network has that many kills, shared by the backends; each pair is a row of a Markdown table. Exit code 1: a
# training ended with other bits.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source eng/env
dotnet build tests/ConvNet.Tests -c Release -v quiet --nologo >&2
exec dotnet tests/ConvNet.Tests/bin/Release/net10.0/ConvNet.Tests.dll kills "$@"
