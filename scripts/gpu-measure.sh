#!/usr/bin/env bash
# Checks and measures groklab on a machine with an NVIDIA GPU; needs neither Rust nor a network there.
# usage: scripts/gpu-measure.sh check|speed|torch|study OUT [PROGRAM]       each ends within ten minutes
#   check  gpu-check in f32 and TF32, under compute-sanitizer, a sweep twice: the same bytes, and language models by
#          candle's own operations against the CPU
#   speed  replica-steps a second, ours and JAX's, in f32 and TF32
#   torch  PyTorch's: eager, compiled, CUDA graphs
#   study  STUDIES ("binary-ops"; as many as are named, one after the other), tables and figures; stopped after STUDY_SECONDS
#          (540), resumed by the next call
# REPLICAS (1,4,16,20,64,80): how many runs side by side; 20 of the study go on to its end. SECONDS_EACH (5), SANITIZER_SECONDS (150).
# Logs and tables are left in OUT. A step that fails is named at the end, and the others are done.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

what=${1:?check, speed, torch or study} out=$(realpath -m "${2:?a directory for logs and tables}")
groklab=${3:-${CARGO_TARGET_DIR:-target}/release/groklab}
replicas=${REPLICAS:-1,4,16,20,64,80}
mkdir -p "$out"
# CUDA's libraries: of an installation, or of python's packages
for libraries in /usr/local/cuda/lib64 $(python3 -c 'import nvidia; print(*(p + "/cu13/lib" for p in nvidia.__path__))' 2>/dev/null); do
  if [ -d "$libraries" ]; then LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries; fi
done
export LD_LIBRARY_PATH PYTHONUNBUFFERED=1

failed=
# step NAME COMMAND...: its output in OUT/NAME.txt, its time and exit status on one line
step() {
  local name=$1 start=$SECONDS code=0
  shift
  "$@" > "$out/$name.txt" 2>&1 || code=$?
  echo "$name: $((SECONDS - start)) s, exit code $code"
  [ "$code" = 0 ] || { failed="$failed $name"; tail -n 5 "$out/$name.txt"; }
}

case $what in
  check)
    step gpu-check-f32 "$groklab" gpu-check ${SMALL:+--small}
    step gpu-check-tf32 "$groklab" gpu-check --precision tf32 ${SMALL:+--small}
    if command -v compute-sanitizer > /dev/null; then
      for tool in memcheck initcheck synccheck racecheck; do
        step "$tool" timeout "${SANITIZER_SECONDS:-150}" compute-sanitizer --tool "$tool" --error-exitcode 9 "$groklab" gpu-check --small
      done
    fi
    for again in first second; do
      step "sweep-$again" "$groklab" sweep tests/cuda/small.toml --device cuda --out "$out/$again"
    done
    step sweep-cpu "$groklab" sweep tests/cuda/small.toml --device cpu --out "$out/cpu"
    step same-bytes python3 tests/cuda/compare.py "$out/first" "$out/second" 0
    step same-numbers python3 tests/cuda/compare.py "$out/first" "$out/cpu" 1e-4
    for device in cuda cpu; do
      step "text-$device" "$groklab" sweep tests/cuda/text.toml --device "$device" --out "$out/text/$device" --jobs 1
    done
    step same-numbers-text python3 tests/cuda/compare.py "$out/text/cuda" "$out/text/cpu" 1e-3
    rm -rf "$out/first" "$out/second" "$out/cpu" "$out/text"
    grep -h "checks," "$out"/gpu-check-*.txt
    cat "$out"/same-*.txt
    ;;
  speed)
    for precision in f32 tf32; do
      step "bench-$precision" "$groklab" bench --device cuda --precision "$precision" --replicas "$replicas" \
        --seconds "${SECONDS_EACH:-5}"
    done
    numbers=${replicas//,/ }
    for precision in f32 tf32; do
      # shellcheck disable=SC2086
      step "jax-$precision" timeout 180 python3 bench/peers/jax_replicas.py $numbers --precision "$precision"
    done
    cat "$out"/bench-*.txt
    grep -h '^{' "$out"/jax-*.txt
    ;;
  torch)
    for precision in f32 tf32; do
      for mode in vmap compile graphs; do
        step "torch-$mode-$precision" timeout 90 python3 bench/peers/torch_replicas.py "$mode" "${replicas##*,}" \
          --precision "$precision"
      done
    done
    grep -h '^{' "$out"/torch-*.txt
    ;;
  study)
    results=${RESULTS:-$out/results} end=$((SECONDS + ${STUDY_SECONDS:-540}))
    for study in ${STUDIES:-binary-ops}; do
      name=$(basename "$study" .toml) left=$((end - SECONDS))
      if [ "$left" -le 0 ]; then echo "$name: no time left"; continue; fi
      step "sweep-$name" timeout --signal TERM "$left" "$groklab" sweep "$study" --device cuda --out "$results"
      for command in table claims; do step "$command-$name" "$groklab" "$command" "$results/$name"; done
      step "plot-$name" "$groklab" plot "$results/$name" --out "$out/plots"
      mkdir -p "$out/$name" && cp "$results/$name"/*.csv "$out/$name"
      tail -n 2 "$out/sweep-$name.txt"
      cat "$out/table-$name.txt"
    done
    ;;
  *) echo "gpu-measure.sh: check, speed, torch or study, not $what" >&2; exit 2 ;;
esac
if [ -n "$failed" ]; then echo "failed:$failed"; exit 1; fi
