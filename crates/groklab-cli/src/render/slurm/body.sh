cd -- "$directory" || exit 3
echo "$(date '+%F %T') task ${SLURM_ARRAY_TASK_ID:-} on $(hostname), start $((${SLURM_RESTART_COUNT:-0} + 1))"

"$program" sweep --out="$out" "${options[@]}" -- "$experiment" &
sweep=$!

# Slurm signals this shell alone before the time limit, but every process of the job when it ends the job.
# A second signal would cut the sweep's last checkpoint short, so only one that has not reached it is passed on.
told=no
stop() {
  [ "$told" = no ] || return
  told=yes
  for _ in 1 2 3 4 5 6; do
    kill -0 "$sweep" 2>/dev/null || return
    sleep 0.5
  done
  kill -TERM "$sweep" 2>/dev/null
}
trap stop TERM

# The last task to get here sees every run finished: with the lock, its tables are also the last to be written.
tables() {
  exec 9>>"$results/.table.lock" && { ! command -v flock >/dev/null || flock 9; }
  "$program" table -- "$results" >"$results/.table.txt" && mv -f -- "$results/.table.txt" "$results/table.txt"
}

wait "$sweep"
code=$?
# a signal ends a wait early, with the sweep still there
while kill -0 "$sweep" 2>/dev/null; do
  wait "$sweep"
  code=$?
done

# bash may not know the status of what ended during the trap; a sweep that came to its end just then starts again in vain
if [ "$told" = yes ]; then
  task=${SLURM_ARRAY_JOB_ID:-}_${SLURM_ARRAY_TASK_ID:-}
  if ! command -v scontrol >/dev/null; then
    # nobody here can ask Slurm what became of the job, or to start it again
    echo "no scontrol on $(hostname): not requeued. What is done is saved; sbatch the script again from a login node" >&2
    tables
    exit 143
  fi
  # a job that Slurm no longer calls running was preempted, and requeued by Slurm, or cancelled by its owner
  if scontrol --oneliner show job "$task" | grep -q ' JobState=RUNNING '; then
    echo "$(date '+%F %T') the time limit is near: back to the queue"
    scontrol requeue "$task" && exit 0
    echo "not requeued; submit the script again, what is finished stays finished" >&2
  fi
  exit 143
fi

if [ "$code" -le 1 ]; then
  tables
fi
exit "$code"
