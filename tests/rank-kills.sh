#!/usr/bin/env bash
# Kills or stops a random rank of a training at a random moment, and resumes the training with another number of ranks.
#   tests/rank-kills.sh [NUMBER] [SEED]
# Each time, all ranks must have ended within 10 s with an error that names the rank, and the newest checkpoint must be
# intact, so that the next training resumes from it. 100 kills take about half an hour.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source eng/env
source tests/ranks

kills=${1:-100} RANDOM=${2:-1}
tool=$PWD/src/ConvNet.Cli/bin/Release/net10.0/convnet.dll
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
good=0 slowest=0

for ((i = 1; i <= kills; i++)); do
  ranks=$((2 + RANDOM % 3)) victim=$((RANDOM % ranks)) signal=KILL
  ((RANDOM % 4)) || signal=STOP
  # The log of the training before must not be taken for that of this one.
  : >"$folder/log"
  mpirun --allow-run-as-root --oversubscribe -n $ranks dotnet "$tool" train --epochs 100000 --threads 1 \
    --checkpoint "$folder/run" --every 20steps --resume >"$folder/log" 2>&1 &
  mpirun=$!
  until grep -aq 'epoch\|resuming' "$folder/log" || ! kill -0 $mpirun 2>/dev/null; do sleep 0.1; done
  sleep "$((RANDOM % 3)).$((RANDOM % 10))"
  mapfile -t children < <(pgrep -P $mpirun)
  mapfile -t ids < <(in_order OMPI_COMM_WORLD_RANK "${children[@]}")
  if ((${#ids[@]} != ranks)); then
    echo "$i: the training on $ranks ranks did not start"
    tail -n 5 "$folder/log"
    kill $mpirun 2>/dev/null || true
    wait $mpirun || true
    continue
  fi
  start=$(now)
  kill -$signal "${ids[$victim]}"
  code=0
  timeout 30 tail --pid=$mpirun -f /dev/null || true
  took=$(since "$start")
  kill -0 $mpirun 2>/dev/null && kill -KILL $mpirun
  wait $mpirun || code=$?
  if ((code != 0 && took < 10000)) && grep -aqE "rank $victim \(process|process rank $victim " "$folder/log"; then
    good=$((good + 1))
    ((took <= slowest)) || slowest=$took
  else
    echo "$i: rank $victim of $ranks, $signal: exit code $code after $took ms"
    tail -n 5 "$folder/log"
  fi
done
dotnet "$tool" inspect "$(newest "$folder/run")" >/dev/null
echo "$good of $kills ended within 10 s and named the rank; the slowest took $slowest ms"
[[ $good == "$kills" ]]
