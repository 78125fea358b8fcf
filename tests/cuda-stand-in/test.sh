#!/usr/bin/env bash
# Tests the stand-in for a CUDA device, and that nvcc takes the same kernels.
# usage: tests/cuda-stand-in/test.sh [OUT_DIR]   (a temporary folder unless given)
# Needs what build.sh needs; CUDA_TOOLS as there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$out"' EXIT
tools=${CUDA_TOOLS:-$HOME/.cache/groklab-cuda-13.0}/nvidia/cu13
failed=0

bad() {
  echo "FAILED: $*"
  failed=1
}
# expect CODE TEXT [VARIABLE=VALUE...] PART: the part ends with the code and says the text
expect() {
  local code=$1 text=$2 got=0
  shift 2
  env LD_LIBRARY_PATH="$out" "${@:1:$#-1}" "$out/test" "${@: -1}" > "$out/said" 2>&1 || got=$?
  if [ "$got" != "$code" ] || ! grep -qE -- "$text" "$out/said"; then
    bad "$* ended with $got, not $code, or did not say '$text':"
    cat "$out/said"
  else
    echo "ok: $*: $(grep -E -m 1 -- "$text" "$out/said")"
  fi
}

for sanitize in 0 1; do
  STAND_IN_SANITIZE=$sanitize "$here/build.sh" "$here/toys.cu" "$out"
  g++ -std=c++17 -O1 -g1 -Wall -Wextra -I "$tools/include" "$here"/test{,_gemm}.cpp -o "$out/test" "$out/libcuda.so.1" "$out/libcublas.so.13"
  for order in forward reverse strewn; do
    expect 0 " 0 failures" STAND_IN_ORDER=$order kernels
    expect 0 " 0 failures" STAND_IN_ORDER=$order shuffles
  done
  expect 0 " 0 failures" STAND_IN_FENCE=1 STAND_IN_CHECK=1 kernels
  expect 0 "million" events
done
# the second build is the one that looks at indices and alignment
expect 99 "kernel past_shared, block \(0, 0, 0\), thread \(24, 0, 0\): traps" past_shared
expect 99 "kernel scale, .* traps" misaligned
expect 0 " 0 failures" recorded
expect 0 " 0 failures" pinned
expect 99 "the host changed 16 bytes of pinned memory" pinned_source_changed

# a result that hangs on the order of threads or blocks shows, a sound one does not
hash_of() { LD_LIBRARY_PATH=$out STAND_IN_ORDER=$2 "$out/test" "$1"; }
for sound in neighbour same_by_block; do
  [ "$(hash_of $sound forward)" = "$(hash_of $sound reverse)" ] || bad "$sound depends on the order"
done
for race in neighbour_no_barrier other_by_block; do
  [ "$(hash_of $race forward)" != "$(hash_of $race reverse)" ] || bad "$race does not depend on the order"
done

expect 0 "no kernel scale" refusals
expect 0 " 0 failures" STAND_IN_MEMORY=1000000 memory
expect 99 "kernel leaves, block \(0, 0, 0\).*63 of 64 threads wait at __syncthreads.*1 have left" leaves
expect 99 "past the end of an allocation of 200 bytes; the last kernel was write_at" write_past_end
expect 99 "past the end of an allocation of 200 bytes; the last kernel was write_at" STAND_IN_CHECK=1 write_past_end_checked
expect 99 "before the start of an allocation of 200 bytes" write_before_start
expect 0 " 0 failures" STAND_IN_CHECK=1 write_inside
expect 0 " 0 failures" STAND_IN_FENCE=1 write_inside
expect 0 "nan" read_past_end
expect 99 "kernel read_at, .*touches memory that is not its own" STAND_IN_FENCE=1 read_past_end
expect 99 "kernel read_at, .*touches memory that is not its own" STAND_IN_FENCE=1 read_freed
expect 0 "kernel add +1 times" STAND_IN_COUNT=1 kernels
expect 0 "GFLOP/s" gemm

# the real language: the toys compile to PTX for the device this project is built for
if [ -x "$tools/bin/nvcc" ]; then
  if CUDA_HOME=$tools PATH=$tools/bin:$PATH nvcc -ptx -arch=sm_90 -std=c++17 "$here/toys.cu" -o "$out/toys.ptx"; then
    # and every kernel of it is one that build.sh found
    diff <(grep -oE '\.entry [A-Za-z0-9_]+' "$out/toys.ptx" | awk '{print $2}' | sort) \
      <(grep -oE '"[A-Za-z0-9_]+"' "$out/build/kernels.table" | tr -d '"' | sort) || bad "nvcc and build.sh find different kernels"
    # their PTX is accepted: names and numbers of arguments agree
    LD_LIBRARY_PATH=$out "$out/test" kernels "$out/toys.ptx" || bad "the PTX is refused"
  else
    bad "nvcc does not take toys.cu"
  fi
else
  echo "skipped: no $tools/bin/nvcc (scripts/cuda-build.sh fetches it)"
fi
[ $failed = 0 ] && echo "the stand-in is sound"
exit $failed
