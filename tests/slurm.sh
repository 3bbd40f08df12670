#!/usr/bin/env bash
# Runs deploy/slurm/train.sbatch on a SLURM cluster of four nodes, all on this machine:
#   tests/slurm.sh
# The cluster has a configuration, a munge and ports of its own, in a temporary folder, and touches no other one. Each
# line is one thing that was promised. Exit code 1: one of them does not hold; 2: there is no SLURM. It takes about five
# minutes on 2 processors.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source eng/env
source tests/ranks

eng/setup build mpi slurm || exit 2
dotnet build src/ConvNet.Cli -c Release -v quiet --nologo >&2
export CONVNET=$PWD/src/ConvNet.Cli/bin/Release/net10.0/convnet
PATH=$PATH:/usr/sbin
folder=$(mktemp -d)
export SLURM_CONF=$folder/slurm.conf
nodes=4 daemons=() code=0
# Enough epochs that something can happen in the middle.
recipe=(--data digits --epochs 60 --deterministic)

free_ports() {
  local port=$((10000 + RANDOM % 20000)) found=0
  while ((found < $1)); do
    port=$((port + 1))
    (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port && found=$((found + 1)); }
  done
}

start_cluster() {
  local user ports node
  user=$(id -un)
  mapfile -t ports < <(free_ports $((nodes + 1)))
  mkdir "$folder/state"
  {
    # A job that was requeued must wait until its credentials have expired, which takes 120 s by default.
    cat <<CONF
ClusterName=convnet
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=$user
SlurmdUser=$user
AuthInfo=socket=$folder/munge,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
# Folders of PMIx, which would collide if the nodes shared them.
TmpFS=$folder/tmp-%n
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
MailProg=/bin/true
PartitionName=all Nodes=ALL Default=YES
CONF
    for ((node = 1; node <= nodes; node++)); do
      mkdir "$folder/tmp-node$node"
      echo "NodeName=node$node NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=${ports[node]} CPUs=1"
    done
  } >"$SLURM_CONF"
  mungekey --create --keyfile "$folder/key"
  start munged --foreground --force --socket="$folder/munge" --key-file="$folder/key" --seed-file="$folder/seed" \
    --pid-file="$folder/munged.pid"
  start slurmctld -D
  for ((node = 1; node <= nodes; node++)); do start slurmd -D -N "node$node"; done
  within 30 are_idle || {
    tail -n 5 "$folder"/*.daemon >&2
    echo "slurm: the cluster did not start" >&2
    exit 1
  }
}

start() {
  "$@" >>"$folder/$1.daemon" 2>&1 &
  daemons+=($!)
}

are_idle() { [[ $(sinfo -h -o '%t %D' 2>/dev/null) == "idle $nodes" ]]; }

stop_cluster() {
  local id
  scancel --user "$(id -un)" 2>/dev/null || true
  ((${#daemons[@]} == 0)) || within 10 are_idle || true
  for id in $(ranks_of ''); do kill -KILL "$id" || true; done
  ((${#daemons[@]} == 0)) || kill "${daemons[@]}" || true
  wait
  rm -rf "$folder"
}

# submit <name> <argument>...: sets $job. The job's log is NAME.log, and its checkpoints are in the folder NAME.
submit() {
  name=$1 log=$folder/$1.log
  shift
  job=$(CHECKPOINTS=$folder/$name sbatch --parsable --nodes $nodes --output "$log" \
    deploy/slurm/train.sbatch "$@")
}

state() { scontrol show job -o "$job" | sed 's/.* JobState=\([A-Z_]*\) .*/\1/'; }

is() { [[ $(state) == "$1" ]]; }

# The processes of the ranks of a job, or of all, in their order.
ranks_of() {
  local id ids=()
  for id in $(pgrep -x convnet); do
    ! grep -qz "^CHECKPOINTS=$folder/$1" "/proc/$id/environ" 2>/dev/null || ids+=("$id")
  done
  in_order SLURM_PROCID "${ids[@]}"
}

have_gone() { [[ -z $(ranks_of "$name") ]]; }

has_ended() { [[ ! $(state) =~ PENDING|RUNNING|COMPLETING ]] && have_gone; }

says() { grep -aqE "$1" "$log" 2>/dev/null; }

accuracy_of() { grep -a '^test accuracy' "$1"; }

is_training() { says 'epoch  *[0-9]' && (($(ranks_of "$name" | wc -l) == nodes)); }

has_checkpoint() { [[ -n $(newest "$folder/$name") ]]; }

trains_as_under_mpirun() {
  submit plain "${recipe[@]}"
  within 300 has_ended && is COMPLETED || return
  mpirun --allow-run-as-root --oversubscribe -n $nodes "$CONVNET" train "${recipe[@]}" \
    --checkpoint "$folder/mpirun" >"$folder/mpirun.log" 2>&1
  [[ -n $(accuracy_of "$folder/plain.log") ]] || return
  [[ $(accuracy_of "$folder/plain.log") == "$(accuracy_of "$folder/mpirun.log")" ]] &&
    cmp "$(newest "$folder/plain")" "$(newest "$folder/mpirun")"
}

# ends_with <signal> <rank>: whether all ranks end within 10 s of the signal to one of them, which the output names
ends_with() {
  local ids start gone ended
  submit "$1-$2" --epochs 100000
  within 60 is_training || { echo "    no training after 60 s" && return 1; }
  mapfile -t ids < <(ranks_of "$name")
  start=$(now)
  kill "-$1" "${ids[$2]}"
  within 40 have_gone
  gone=$(since "$start")
  within 40 has_ended
  ended=$(since "$start")
  echo "    the last rank has ended after $gone ms, the job after $ended ms"
  ((ended < 10000)) && is FAILED && says "rank $2 \(process|task $2: Killed"
}

goes_on_after_requeue() {
  submit requeued "${recipe[@]}"
  within 60 has_checkpoint || { echo "    no checkpoint after 60 s" && return 1; }
  scontrol requeue "$job"
  within 300 is COMPLETED && says '^resuming at epoch' && cmp "$(newest "$folder/plain")" "$(newest "$folder/requeued")"
}

# The signal of the script comes up to a minute early. To save so large a network takes longer than to end the others,
# which MPI_Finalize may not prevent.
is_saved_at_the_limit() {
  OMPI_MCA_async_mpi_finalize=1 SBATCH_TIMELIMIT=2 submit limit --model resnet18 --epochs 100000
  within 180 has_ended || return
  says 'interrupted; saved' && has_checkpoint && "$CONVNET" inspect "$(newest "$folder/limit")" >/dev/null || return
  submit limit
  within 60 says '^resuming at epoch'
}

trap stop_cluster EXIT
start_cluster
check "a job on $nodes nodes trains to the accuracy and the bits of mpirun -n $nodes" trains_as_under_mpirun
for rank in 0 2; do
  check "rank $rank is killed: all end within 10 s, and the output names it" ends_with KILL $rank
  check "rank $rank is stopped: all end within 10 s, and the output names it" ends_with STOP $rank
done
check "a job that is requeued in the middle ends with the same bits" goes_on_after_requeue
check "the time limit ends the training with a checkpoint, from which the job goes on" is_saved_at_the_limit
exit $code
