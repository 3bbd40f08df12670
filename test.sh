#!/usr/bin/env bash
# Installs the dependencies of the tests, builds, and runs all tests: the C tests, the C tests with ASan and UBSan, and
# the NUnit tests.
# The last line is the total. CONVNET_NO_INSTALL=1 prevents it from installing anything.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
source eng/env

passed=0 failed=0 skipped=0

# number <attribute> <report>: the first value of the attribute in the report
number() { grep -o -m 1 "[[:space:]]$1=\"[0-9]*\"" "$2" | head -n 1 | tr -dc 0-9; }

# count <runner> <exit code> [total failed skipped]: a runner that fails without a failed test counts as one failure
count() {
  local total=${3:-0} failures=${4:-0} ignored=${5:-0}
  local successes=$((total - failures - ignored))
  [[ $2 == 0 || $failures != 0 ]] || failures=1
  passed=$((passed + successes)) failed=$((failed + failures)) skipped=$((skipped + ignored))
  echo "$1: $successes passed, $failures failed, $ignored skipped"
}

# c_build <build folder> <cmake option>...
c_build() {
  local folder=$PWD/$1
  shift
  cmake "-DSOURCE=$PWD" "-DBUILD=$folder" -DTARGET=all "-DINPUTS=$PWD/native;$PWD/CMakeLists.txt" \
    "-DOPTIONS=$(IFS=';' && echo "$*")" -P eng/build.cmake >/dev/null
}

# c_tests <build folder> <cmake option>...: two tests at a time
c_tests() {
  local folder=$PWD/$1 report=$1/ctest.xml code=0
  rm -f "$report"
  echo "== C tests in $folder"
  c_build "$@" &&
    ctest --test-dir "$folder" -j 2 --no-tests=error --output-on-failure --output-junit "$PWD/$report" || code=$?
  if [[ -e $report ]]; then
    count ctest $code "$(number tests "$report")" "$(number failures "$report")" "$(number skipped "$report")"
  else
    count ctest 1
  fi
}

# nunit_part <name> <condition>: the tests that meet a condition of NUnit, in a process of their own. If more tests than
# the limit meet it, NUnit's adapter runs all tests of the project, and reports only those that meet it.
nunit_part() {
  rm -f "build/nunit/$1.trx"
  dotnet test tests/ConvNet.Tests -c Release --no-build --logger "trx;LogFileName=$1.trx" \
    --results-directory build/nunit --blame-hang-timeout 15m --blame-hang-dump-type none -- "NUnit.Where=$2" \
    NUnit.AssemblySelectLimit=1000000
}

# A trx report does not count skipped tests: they are the total minus the executed ones.
count_nunit() {
  local report=build/nunit/$1.trx total
  if [[ -e $report ]]; then
    total=$(number total "$report")
    count "nunit, $1" "$2" "$total" "$(number failed "$report")" $((total - $(number executed "$report")))
  else
    count "nunit, $1" 1
  fi
}

# Most tests keep one processor busy: two processes share them, what every backend must do, with the tests of torch and
# ONNX, and all other tests. Both take equally long.
nunit_tests() {
  local code=0 contract=0 is_contract="namespace == ConvNet.Tests.Contract or namespace == ConvNet.Tests.Torch"
  is_contract+=" or namespace == ConvNet.Tests.Onnx"
  echo "== NUnit"
  mkdir -p build/nunit
  nunit_part contract "$is_contract" >build/nunit/contract.log 2>&1 &
  nunit_part others "!($is_contract)" || code=$?
  wait $! || contract=$?
  cat build/nunit/contract.log
  count_nunit contract $contract
  count_nunit others $code
}

eng/setup build
eng/setup torch || true
eng/setup fashion-mnist || true
eng/setup peers || true
eng/setup browser || true
eng/setup onnx || true
eng/setup mpi || true
eng/setup pkg-config || true

echo "== build"
# The compiler of C fills the time in which that of C# has one project to compile. What fails is tried again, and shown.
c_build build/sanitized -DCONVNET_SANITIZE=ON >build/sanitized.log 2>&1 &
dotnet build ConvNative.sln -c Release -v quiet || {
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
}
wait $! || true
c_tests "$(realpath --relative-to=. "$(dotnet msbuild src/ConvNet.Native -getProperty:CMakeFolder)")"
c_tests build/sanitized -DCONVNET_SANITIZE=ON
nunit_tests

echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed == 0 ]]
