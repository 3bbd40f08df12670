#!/bin/sh
# Finds the wrong convolutions of libtorch 2.10 with the gradient check: see docs/found-by-gradcheck.md.
# The caches of the processor are hidden from oneDNN (Linux x64) unless --as-is is given. Exit code 1: wrong results.
set -e
cd "$(dirname "$0")/../../.."
finding=tests/findings/OneDnnHiddenCaches
dotnet build -c Release -v quiet --nologo $finding
dotnet build -c Release -v quiet --nologo examples/AnyLibrary
[ "$1" = --as-is ] || hide=--hide-caches
exec dotnet exec examples/AnyLibrary/bin/Release/net10.0/AnyLibrary.dll libtorch \
  dotnet exec $finding/bin/Release/net10.0/OneDnnHiddenCaches.dll --serve $hide
