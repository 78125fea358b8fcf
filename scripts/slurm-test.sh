#!/usr/bin/env bash
# Runs the scripts of `groklab slurm` on a real Slurm of one machine, and disturbs them: a preemption, a lost node, a
# time limit, a cancellation. Every result must be, byte for byte, that of an undisturbed sweep.
# usage: scripts/slurm-test.sh            five to ten minutes; as root, on Debian or Ubuntu
#   GROKLAB   program to test, built here unless set
# Installs slurm-wlm and munge where they are absent. The daemons are private: their own configuration, ports, key
# and directory, stopped on exit. What they leave behind on failure is named.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "slurm-test: $*" >&2; exit 1; }
step() { echo "slurm-test: $*"; }

[ "$(id -u)" = 0 ] || die "needs root: slurmd starts jobs as their owner"
if ! command -v slurmctld slurmd munged sbatch >/dev/null; then
  step "installing slurm-wlm and munge"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >/dev/null || die "apt-get update failed"
  apt-get -qy install --no-install-recommends slurm-wlm munge >/dev/null || die "cannot install slurm-wlm and munge"
fi
if [ -z "${GROKLAB:-}" ]; then
  target=${CARGO_TARGET_DIR:-target}
  if [ -d "$target/release" ]; then profile=release; cargo build -q -p groklab-cli --release; else profile=debug; cargo build -q -p groklab-cli; fi
  GROKLAB=$target/$profile/groklab
fi
groklab=$(realpath "$GROKLAB")

# --- a cluster of one machine -------------------------------------------------------------------------------------

dir=$(mktemp -d /tmp/groklab-slurm-XXXXXX)
chmod 755 "$dir"
daemons=()
finish() {
  code=$?
  trap - EXIT INT TERM
  # nothing is left to schedule, and what runs ends before its daemon does
  if [ ${#daemons[@]} = 3 ]; then
    scancel --state=PENDING -u root 2>/dev/null || true
    scancel -u root 2>/dev/null || true
    for _ in $(seq 60); do [ -n "$(squeue -h 2>/dev/null)" ] || break; sleep 0.5; done
  fi
  for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
    kill "${daemons[i]}" 2>/dev/null || true
    wait "${daemons[i]}" 2>/dev/null || true
  done
  if [ "$code" = 0 ]; then rm -rf "$dir"; else echo "slurm-test: logs are in $dir" >&2; fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

free_port() {
  local port
  while port=$((20000 + RANDOM % 20000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}

mkdir "$dir/state" "$dir/spool" "$dir/logs"
dd if=/dev/urandom of="$dir/munge.key" bs=1024 count=1 status=none
chmod 600 "$dir/munge.key"
host=$(hostname -s)
cat >"$dir/slurm.conf" <<END
ClusterName=groklab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
# a requeued job waits until the credentials of its last start expire
AuthInfo=socket=$dir/munge.sock,cred_expire=5
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/logs/slurmctld.log
SlurmdLogFile=$dir/logs/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=1
JobRequeue=1
KillWait=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=low Nodes=$host Default=YES PriorityTier=1 GraceTime=2 MaxTime=60
PartitionName=high Nodes=$host PriorityTier=10 PreemptMode=OFF MaxTime=60
END
echo "CgroupAutomount=no" >"$dir/cgroup.conf"
export SLURM_CONF=$dir/slurm.conf

munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
  --log-file="$dir/logs/munged.log" --seed-file="$dir/munge.seed" >"$dir/logs/munged.out" 2>&1 &
daemons+=($!)
for _ in $(seq 50); do [ -S "$dir/munge.sock" ] && break; sleep 0.1; done
[ -S "$dir/munge.sock" ] || die "munged did not start: $(tail -n 1 "$dir/logs/munged.out")"
slurmctld -D -f "$dir/slurm.conf" >"$dir/logs/slurmctld.out" 2>&1 &
daemons+=($!)
slurmd -D -f "$dir/slurm.conf" >"$dir/logs/slurmd.out" 2>&1 &
daemons+=($!)

# wait_for SECONDS WHAT COMMAND...: until the command succeeds
wait_for() {
  local seconds=$1 what=$2
  shift 2
  for ((i = 0; i < 2 * seconds; i++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.5
  done
  die "$what did not happen within $seconds s"
}
node_is_idle() { sinfo -h -o %t | grep -qx idle; }
wait_for 30 "the node's getting ready (see logs/slurmctld.log, logs/slurmd.log)" node_is_idle
step "$(sinfo -V) is up, one node of 2 CPUs"

# --- a study, undisturbed -----------------------------------------------------------------------------------------

# spaces and quotes on the way, as in the worst of home directories
work="$dir/o'hara's \$tudy"
mkdir "$work"
cd "$work"
cat >small.toml <<'END'
title = "twelve runs of a few seconds"
tasks = ["add"]
train_fractions = [0.05]
seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
[set]
"model.d_model" = 16
"model.d_mlp" = 16
"train.max_epochs" = 1000
"probe.every" = 100
END
runs=12
"$groklab" sweep small.toml --out undisturbed --jobs 2 >sweep.log 2>&1 || die "the undisturbed sweep failed"
"$groklab" table undisturbed/small >table.log
step "undisturbed: $(tail -n 1 sweep.log)"

# --- helpers of the checks ----------------------------------------------------------------------------------------

# field JOB NAME: what scontrol says of a job or of an array's task
field() { scontrol --oneliner show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p" | head -n 1; }
# submit NAME OPTIONS...: writes the script for results in NAME, submits it and sets $job
submit() {
  local name=$1
  shift
  "$groklab" slurm small.toml --out "$name" --program "$groklab" --output "$name.sbatch" "$@" >"$name.txt" 2>&1 ||
    die "groklab slurm failed: $(cat "$name.txt")"
  bash -n "$name.sbatch" || die "$name.sbatch is no bash script"
  job=$(sbatch --parsable --output="$name-%a.log" "$name.sbatch") || die "sbatch refused $name.sbatch"
}
array_is_over() { [ -z "$(squeue -h -r -j "$job" 2>/dev/null)" ]; }
started_runs() { find "$1/small" -name metrics.csv -size +0 2>/dev/null | wc -l; }
rows_of_two_runs() { [ "$(started_runs "$1")" -ge 2 ]; }

# same NAME: every run there, finished once, tables too, and no byte unlike the undisturbed sweep's
same() {
  local name=$1 file run count
  count=$(find "$name/small" -mindepth 1 -maxdepth 1 -type d | wc -l)
  [ "$count" = "$runs" ] || die "$name: $count runs instead of $runs"
  for file in "$name"/small/*/manifest.json; do
    grep -q '"state": *"finished"' "$file" || die "$name: $file is not finished"
    run=$(basename "$(dirname "$file")")
    count=$(cat "$name"-*.log | grep "\] $run .*ended at epoch" | grep -cv "had been finished before" || true)
    [ "$count" = 1 ] || die "$name: $run ended $count times instead of once"
  done
  while IFS= read -r file; do
    cmp -s "undisturbed/small/$file" "$name/small/$file" || die "$name: $file differs from the undisturbed sweep's"
  done < <(cd undisturbed/small && find . -name '*.csv' -o -name config.toml -o -name final.safetensors)
  cmp -s table.log "$name/small/table.txt" || die "$name: table.txt differs from the undisturbed sweep's"
}

# --- a preemption -------------------------------------------------------------------------------------------------

submit preempted --nodes 2 --jobs-per-node 1 --time 30 --partition low
wait_for 60 "the start of two tasks" rows_of_two_runs preempted
urgent=$(sbatch --parsable --partition=high --exclusive --output=urgent.log --wrap "sleep 2")
urgent_ran() { [ "$(field "$urgent" JobState)" = COMPLETED ]; }
wait_for 90 "the urgent job" urgent_ran
wait_for 240 "the end of the preempted array" array_is_over
for task in 1 2; do
  restarts=$(field "${job}_$task" Restarts)
  state=$(field "${job}_$task" JobState)
  [ "$state" = COMPLETED ] || die "preempted: task $task ended as $state"
  [ "$restarts" -ge 1 ] || die "preempted: task $task was never requeued"
  step "preempted: task $task was requeued $restarts times and $state"
done
same preempted
step "preempted: $runs runs finished once, all files as undisturbed"

# --- a lost node --------------------------------------------------------------------------------------------------

submit lost --nodes 2 --jobs-per-node 1 --partition low
wait_for 60 "the start of two tasks" rows_of_two_runs lost
scontrol update "nodename=$host" state=down reason=test
requeued() { [ "$(field "${job}_1" JobState) $(field "${job}_2" JobState)" = "PENDING PENDING" ]; }
wait_for 30 "the requeueing of a lost node's tasks" requeued
node_returns() {
  scontrol update "nodename=$host" state=resume || true # refused when it came back by itself
  sinfo -h -o %t | grep -qxE 'idle|mix|alloc'
}
wait_for 30 "the node's return" node_returns
wait_for 240 "the end of the array that lost its node" array_is_over
for task in 1 2; do
  restarts=$(field "${job}_$task" Restarts)
  state=$(field "${job}_$task" JobState)
  [ "$state" = COMPLETED ] || die "lost: task $task ended as $state"
  [ "$restarts" -ge 1 ] || die "lost: task $task was never requeued"
done
same lost
step "lost: both tasks requeued, $runs runs finished once, all files as undisturbed"

# --- a time limit -------------------------------------------------------------------------------------------------

# Slurm looks every 30 s and warns half a minute early, so within the minute
submit limited --nodes 1 --jobs-per-node 1 --time 1 --warn-before 5 --partition low
wait_for 420 "the end of the time-limited array" array_is_over
restarts=$(field "${job}_1" Restarts)
state=$(field "${job}_1" JobState)
[ "$state" = COMPLETED ] || die "limited: the task ended as $state"
[ "$restarts" -ge 1 ] || die "limited: the task was never requeued; this machine finished too early for the test"
grep -q "back to the queue" limited-1.log || die "limited: it was not the script that requeued the task"
step "limited: requeued $restarts times and $state"
same limited
step "limited: $runs runs finished once, all files as undisturbed"

# --- a cancellation -----------------------------------------------------------------------------------------------

submit cancelled --nodes 2 --jobs-per-node 1 --partition low
wait_for 60 "the start of two tasks" rows_of_two_runs cancelled
scancel "$job"
wait_for 30 "the end of the cancelled array" array_is_over
sleep 8 # longer than a requeued job waits
for task in 1 2; do
  state=$(field "${job}_$task" JobState)
  restarts=$(field "${job}_$task" Restarts)
  [ "$state $restarts" = "CANCELLED 0" ] || die "cancelled: task $task is $state after $restarts restarts"
done
step "cancelled: stays cancelled"
# what it left behind is resumed by the next one, here with whole nodes and fixed shares
submit cancelled --nodes 2 --shard --partition low --force
wait_for 240 "the end of the array after the cancelled one" array_is_over
same cancelled
step "cancelled: submitted again, $runs runs finished once, all files as undisturbed"
step "all is well"
