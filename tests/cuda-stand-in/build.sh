#!/usr/bin/env bash
# Builds a stand-in for a CUDA device that runs the kernels of one file on the CPU.
# usage: tests/cuda-stand-in/build.sh KERNELS.cu OUT_DIR
#        LD_LIBRARY_PATH=OUT_DIR target/release/groklab gpu-check      (a program built by scripts/cuda-build.sh)
#   CUDA_TOOLS             where scripts/cuda-build.sh keeps the compiler: cuda.h and the runtime library are taken from there
#   STAND_IN_SANITIZE=1    kernels trap at a wrong index of an array or at a misaligned load (slower)
# While the program runs:
#   STAND_IN_ORDER=forward|reverse|strewn   order of threads between barriers, and of blocks
#   STAND_IN_MEMORY=BYTES  device memory, 8 GiB unless set
#   STAND_IN_CHECK=1       guards of all allocations verified after every launch, not only when freed
#   STAND_IN_FENCE=1       a touch past the end of an allocation, or after its release, stops the program at once
#   STAND_IN_COUNT=1       calls, launches and their times on stderr at the end
# A fault (broken guard, divergent barrier) is told on stderr and makes the program end with 99.
# Needs g++ (x86-64), and cargo's copy of cudarc for the names of the functions.
set -euo pipefail
[ $# -eq 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
kernels=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
tools=${CUDA_TOOLS:-$HOME/.cache/groklab-cuda-13.0}/nvidia/cu13
[ -f "$tools/include/cuda.h" ] || { echo "no $tools/include/cuda.h: run scripts/cuda-build.sh first" >&2; exit 1; }
work=$out/build
mkdir -p "$work"

# every `extern "C" __global__ void NAME(`, after the preprocessor and so with the files it includes
{
  echo "#include \"$here/block.h\""
  echo "#include \"$kernels\""
  echo "namespace stand_in {"
  echo "extern const Kernel kernels[] = {"
  # the language's own words stay as they are: only the file's macros are expanded
  # (standard headers are left out: they hold no kernels and may not suit a bare preprocessor)
  g++ -x c++ -std=c++17 -E -P -w "$kernels" |
    perl -0777 -ne 'while (/__global__\s+(?:__launch_bounds__\s*\(([^(),]+)(?:,[^()]*)?\)\s*)?void\s+(?:__launch_bounds__\s*\(([^(),]+)(?:,[^()]*)?\)\s*)?(\w+)\s*\(/g) {
      my $bound = $1 // $2 // 1024; print "    kernel<&$3>(\"$3\", $bound),\n" }' | tee "$work/table"
  [ -s "$work/table" ] || echo '    {"", nullptr, 0, 0},'
  echo "};"
  echo "extern const unsigned kernel_count = $(wc -l < "$work/table");"
  echo "}"
} > "$work/kernels.cpp"

flags="-std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -Wall -Wextra -I $tools/include"
kernel_flags="-ftls-model=initial-exec -fno-strict-aliasing -fno-math-errno -ffp-contract=off -fno-exceptions -Wno-unknown-pragmas -Wno-unused"
if [ "${STAND_IN_SANITIZE:-0}" != 0 ]; then
  kernel_flags+=" -fsanitize=bounds,alignment,integer-divide-by-zero -fsanitize-undefined-trap-on-error"
fi
g++ $flags $kernel_flags -c "$work/kernels.cpp" -o "$work/kernels.o"
for part in block memory transfer; do g++ $flags -c "$here/$part.cpp" -o "$work/$part.o"; done
g++ $flags -fvisibility=default -c "$here/driver.cpp" -o "$work/driver.o"

# the rest of each library: every function of cudarc's bindings, weak, and false by name
version=$(awk '/^name = "candle-core"/ { ours = 1 }
  ours && /"cudarc / { gsub(/[^0-9.]/, ""); print; exit }
  /^\[\[/ { ours = 0 }' "$here/../../Cargo.lock")
bindings=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-"$version" | head -n 1)/src
rest() { # module of cudarc, the library's code for "not supported"
  {
    echo 'int stand_in_missing(const char*);'
    grep -oE 'pub (unsafe )?fn (cu|nvrtc)[A-Za-z0-9_]+' "$bindings/$1/sys/mod.rs" | awk '{print $NF}' | sort -u |
      grep -vx culib | sed 's/.*/__attribute__((weak)) int &(void) { stand_in_missing("&"); return '"$2"'; }/'
  } > "$work/$1.c"
  gcc -O1 -fPIC -w -fno-builtin -c "$work/$1.c" -o "$work/$1-rest.o"
}
library() { # soname, objects...
  local soname=$1
  shift
  g++ -shared -Wl,--no-undefined -Wl,-soname,"$soname" -o "$out/$soname" "$@" -lpthread -ldl
  ln -sf "$soname" "$out/${soname%%.so*}.so"
}
rest driver 801 # CUDA_ERROR_NOT_SUPPORTED
library libcuda.so.1 "$work"/{kernels,block,memory,transfer,driver,driver-rest}.o
rest cublas 15
g++ $flags -fvisibility=default -O3 -march=native -c "$here/cublas.cpp" -o "$work/cublas.o"
library libcublas.so.13 "$work"/{cublas,cublas-rest}.o "$out/libcuda.so.1"
g++ $flags -fvisibility=default -c "$here/others.cpp" -o "$work/others.o"
for other in "cublaslt libcublasLt.so.13 15" "curand libcurand.so.10 999" "nvrtc libnvrtc.so.13 11"; do
  read -r name soname code <<< "$other"
  rest "$name" "$code"
  library "$soname" "$work/others.o" "$work/$name-rest.o" "$out/libcuda.so.1"
done
# candle's kernels name the runtime: the real one, which asks our libcuda
for name in libcudart.so libcudart.so.13; do ln -sf "$tools/lib/libcudart.so.13" "$out/$name"; done
