#!/usr/bin/env bash
# Runs deploy/compose/compose.yaml: four containers train, one is killed in the middle, and the next start resumes.
#   tests/compose.sh [ENGINE]
# ENGINE is podman or docker, of which the first that is installed is the default, with podman-compose or the compose
# plugin of Docker. The image convnet must have been built, as deploy/Dockerfile says. Each line is one thing that was
# promised. Exit code 1: one of them does not hold; 2: there is no engine or no image.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tests/ranks

engine=${1:-$(command -v podman >/dev/null && echo podman || echo docker)}
compose=(docker compose)
[[ $engine != podman ]] || compose=(podman-compose)
command -v "$engine" "${compose[0]}" >/dev/null && "$engine" image inspect convnet >/dev/null || {
  echo "compose: this needs $engine, ${compose[*]} and the image convnet; see deploy/Dockerfile" >&2
  exit 2
}
folder=$(mktemp -d) project=convnettest$$ code=0
compose+=(-p "$project" -f "$folder/compose.yaml")
log=$folder/log

# container <service>: its container
container() {
  "$engine" ps -a -q --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$1"
}

# start <epochs>: starts the containers in the background
start() {
  sed "s/--epochs 5/--epochs $1/" deploy/compose/compose.yaml >"$folder/compose.yaml"
  "${compose[@]}" up -d >>"$folder/engine" 2>&1
}

stop() { "${compose[@]}" down "$@" >>"$folder/engine" 2>&1; }

finish() {
  stop --volumes || true
  # podman-compose 1.0.3 leaves the network.
  "$engine" network rm "${project}_default" >>"$folder/engine" 2>&1 || true
  rm -rf "$folder"
}

says() { "$engine" logs "$(container rank0)" >"$log" 2>&1 && grep -aqE "$1" "$log"; }

status() { "$engine" inspect --format "{{.State.$1}}" "$(container rank0)"; }

has_ended() { [[ $(status Status) == exited ]]; }

# Whether no process of a rank is left in a container that runs.
is_free() { "$engine" exec "$(container "$1")" sh -c '! grep -qs "^dotnet$" /proc/[0-9]*/comm'; }

are_free() { has_ended && is_free rank1 && is_free rank3; }

trains() {
  start 5
  within 120 has_ended && says '^test accuracy' && [[ $(status ExitCode) == 0 ]] || return
  grep -a '^test accuracy' "$log" | sed 's/^/    /'
  stop
}

# A container that is gone takes no leave, like a machine.
ends_with_a_container() {
  local start took
  start 100000
  within 120 says '^epoch .* loss' || return
  ! is_free rank1 || return
  start=$(now)
  "$engine" kill "$(container rank2)" >/dev/null
  within 40 are_free
  took=$(since "$start")
  echo "    after $took ms"
  grep -aE 'rank ?2' "$log" | sed 's/^/    /'
  # The ranks may say it, or mpirun, which names the host.
  says 'rank 2 \(process|process rank 2 |(node|host:) +rank2' || return
  ((took < 10000)) && [[ $(status ExitCode) != 0 ]] || return
  stop
}

resumes() {
  start 100000
  within 120 says '^resuming at epoch'
}

trap finish EXIT
check "four containers train" trains
check "a container is killed: the ranks of all end within 10 s, and the output names it" ends_with_a_container
check "the next start resumes" resumes
exit $code
