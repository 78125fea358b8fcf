#!/usr/bin/env bash
# Tries the CUDA engine on a machine without a GPU: a program built with the feature `cuda`, on stubs that find no device
# and on the stand-in for one (tests/cuda-stand-in). usage: scripts/cuda-check.sh [PROGRAM]
# Needs what scripts/cuda-build.sh needs, and g++.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
groklab=${1:-$target/release/groklab}
stubs=${CUDA_TOOLS:-$HOME/.cache/groklab-cuda-13.0}/nvidia/cu13/lib/stubs
stand_in=$target/stand-in
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

say() { echo "+ $*"; }
fail() { echo "cuda-check: $*" >&2; exit 1; }
# expect CODE TEXT COMMAND...: the command ends with that code and says that
expect() {
  local code=$1 text=$2 got=0
  shift 2
  "$@" > "$out/said" 2>&1 || got=$?
  [ "$got" = "$code" ] || { cat "$out/said" >&2; fail "$* ended with $got, not $code"; }
  grep -q "$text" "$out/said" || { cat "$out/said" >&2; fail "$* did not say: $text"; }
}
sweep() { "$groklab" sweep tests/cuda/small.toml --out "$@"; }
tiny=(--set model.d_model=16 --set model.n_heads=2 --set model.d_mlp=24)
train() { "$groklab" train tests/cuda/add11.toml --device cuda "${tiny[@]}" "$@"; }

say "without a device"
export LD_LIBRARY_PATH=$stubs
expect 4 "no CUDA device" "$groklab" gpu-check
expect 3 "no CUDA device" sweep "$out/none" --device cuda
[ ! -e "$out/none" ] || fail "a sweep without a device left something behind"
expect 0 "16 of 16 runs finished" sweep "$out/cpu" --device auto

say "on the stand-in: kernels, gradients, training"
tests/cuda-stand-in/build.sh src/kinds/operations/engine/cuda/kernels.cu "$stand_in"
export LD_LIBRARY_PATH=$stand_in
STAND_IN_CHECK=1 "$groklab" gpu-check --small
STAND_IN_ORDER=reverse "$groklab" gpu-check --small --precision tf32

say "a sweep: the numbers of the CPU, the same bytes whatever the order of blocks and threads"
expect 0 "16 of 16 runs finished" env STAND_IN_ORDER=forward "$groklab" sweep tests/cuda/small.toml --out "$out/forward"
expect 0 "16 of 16 runs finished" env STAND_IN_ORDER=strewn "$groklab" sweep tests/cuda/small.toml --out "$out/strewn"
python3 tests/cuda/compare.py "$out/forward" "$out/strewn" 0
python3 tests/cuda/compare.py "$out/forward" "$out/cpu" 1e-4
grep -q '"engine": "factored (.*f32)"' "$out"/forward/small/*/manifest.json || fail "no manifest names the engine"

say "memory: fewer side by side, a clear refusal, and the runs concerned alone"
expect 0 "16 of 16 runs finished" env STAND_IN_MEMORY=40000000 "$groklab" sweep tests/cuda/small.toml --out "$out/few"
python3 tests/cuda/compare.py "$out/forward" "$out/few" 1e-4
expect 1 "would fit" env STAND_IN_MEMORY=40000000 "$groklab" sweep tests/cuda/small.toml --replicas 8 --out "$out/asked"
expect 1 "0 would fit" env STAND_IN_MEMORY=200000 "$groklab" sweep tests/cuda/small.toml --out "$out/none"

say "waiting for the device: once an epoch, however many steps it has"
waits() { # of a run of so many epochs, with so many rows a batch
  STAND_IN_COUNT=1 train --set probe.every=100 --set train.max_epochs="$1" --set data.batch_size="$2" --out "$out/waits-$1-$2" \
    2>&1 | awk '/cu(Stream|Ctx|Event)Synchronize/ { n += $4 } END { print n + 0 }'
}
for batch in 32 4; do
  more=$(($(waits 9 "$batch") - $(waits 8 "$batch")))
  [ "$more" -le 2 ] || fail "one epoch more in batches of $batch waits $more times more"
  echo "batches of $batch: one epoch more waits $more times more"
done
say "language models, by candle's own kernels: the numbers of the CPU"
STAND_IN_CANDLE=1 tests/cuda-stand-in/build.sh src/kinds/operations/engine/cuda/kernels.cu "$stand_in-candle"
small=(--set model.d_model=16 --set model.d_mlp=32 --set model.n_heads=2 --set data.vocabulary=256 --set data.batch_size=4
  --set probe.tokens=1024 --set data.held_out=8 --max-steps 6)
export LD_LIBRARY_PATH=$stand_in-candle
for device in cuda cpu; do
  expect 0 "4 of 4 runs finished" "$groklab" sweep tests/cuda/text.toml --device "$device" "${small[@]}" --out "$out/text-$device"
done
python3 tests/cuda/compare.py "$out/text-cuda" "$out/text-cpu" 1e-5
echo "all is well"
