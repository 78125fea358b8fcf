#!/usr/bin/env bash
# Builds a stand-in for a CUDA device that runs the kernels of one file on the CPU.
# usage: tests/cuda-stand-in/build.sh KERNELS.cu OUT_DIR
#        LD_LIBRARY_PATH=OUT_DIR target/release/groklab gpu-check      (a program built by scripts/cuda-build.sh)
#   CUDA_TOOLS             where scripts/cuda-build.sh keeps the compiler: cuda.h and the runtime library are taken from there
#   STAND_IN_SANITIZE=1    kernels trap at a wrong index of an array or at a misaligned load (slower)
#   STAND_IN_CANDLE=1      candle's own kernels of f32, f64 and integers too, so that the plain model runs
# While the program runs:
#   STAND_IN_ORDER=forward|reverse|strewn   order of threads between barriers, and of blocks
#   STAND_IN_MEMORY=BYTES  device memory, 8 GiB unless set
#   STAND_IN_CHECK=1       guards of all allocations verified after every launch, not only when freed
#   STAND_IN_FENCE=1       a touch past the end of an allocation, or after its release, stops the program at once
#   STAND_IN_COUNT=1       calls, launches and their times on stderr at the end
# What it shows and what it cannot: README.md beside this file.
# A fault (broken guard, divergent barrier) is told on stderr and makes the program end with 99.
# Needs g++ and binutils (x86-64), perl, and cargo's copy of cudarc for the names of the functions.
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

flags=(-std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -Wall -Wextra)
kernel_flags=(-ftls-model=initial-exec -fno-strict-aliasing -fno-math-errno -ffp-contract=off -fno-exceptions
  -Wno-unknown-pragmas -Wno-unused)
if [ "${STAND_IN_SANITIZE:-0}" != 0 ]; then
  kernel_flags+=("-fsanitize=bounds,alignment,integer-divide-by-zero" -fsanitize-undefined-trap-on-error)
fi

# every `__global__ void NAME(` of a file, after the preprocessor and so with its macros and the files it includes
table() { # name, file, flags...
  g++ -x c++ -std=c++17 -E -P -w "${@:3}" "$2" |
    perl -0777 -ne 'while (/__global__\s+(?:__launch_bounds__\s*\(([^(),]+)(?:,[^()]*)?\)\s*)?void\s+(?:__launch_bounds__\s*\(([^(),]+)(?:,[^()]*)?\)\s*)?(\w+)\s*\(/g) {
      my $bound = $1 // $2 // 1024; print "  stand_in::kernel<$3>(\"$3\", $bound),\n" }' > "$work/$1.table"
}
compile_kernels() { # name, file, header, flags...: an object that offers the file's kernels
  table "$1" "$2" "${@:4}"
  {
    echo "#include \"$here/$3\""
    echo "#include \"$here/block.h\""
    # their own helpers may have the same names in every file
    [ "$1" = kernels ] || echo "namespace ${1//-/_} { using ::atomicAdd;"
    echo "#include \"$2\""
    echo "static const stand_in::Kernel offered[] = {"
    cat "$work/$1.table"
    echo '  {"", nullptr, 0, 0, nullptr} };'
    echo "static const bool done = (stand_in::offer(offered, sizeof offered / sizeof *offered - 1), true);"
    [ "$1" = kernels ] || echo "}"
  } > "$work/$1.cpp"
  g++ "${flags[@]}" "${kernel_flags[@]}" "${@:4}" -c "$work/$1.cpp" -o "$work/$1.o"
}
compile_kernels kernels "$kernels" emulate.h
rm -f "$work"/candle-*.o
for part in block shared fault memory transfer; do g++ "${flags[@]}" -c "$here/$part.cpp" -o "$work/$part.o"; done
for part in device copies driver recording; do
  g++ "${flags[@]}" -fvisibility=default -I "$tools/include" -c "$here/$part.cpp" -o "$work/$part.o"
done

# the rest of each library: every function of cudarc's bindings, weak, and false by name
version=$(awk '/^name = "candle-core"/ { ours = 1 }
  ours && /"cudarc / { gsub(/[^0-9.]/, ""); print; exit }
  /^\[\[/ { ours = 0 }' "$here/../../Cargo.lock")
candle=$(awk '/^name = "candle-kernels"/ { ours = 1 }
  ours && /^version/ { gsub(/[^0-9.]/, ""); print; exit }' "$here/../../Cargo.lock")
bindings=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-"$version" | head -n 1)/src
if [ "${STAND_IN_CANDLE:-0}" != 0 ]; then
  theirs=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/candle-kernels-"$candle" | head -n 1)/src
  mkdir -p "$work/include/cuda/std"
  touch "$work"/include/cuda{,_fp16,_bf16,_fp8}.h "$work/include/cuda/std/limits" # candle.h has what is needed
  for file in affine binary cast fill indexing reduce ternary unary; do
    compile_kernels "candle-$file" "$theirs/$file.cu" candle.h -I "$work/include" -w
    # extern "C": out of the way of our own kernels
    sed -E 's/.*"([A-Za-z0-9_]+)".*/\1 candle_\1/' "$work/candle-$file.table" > "$work/renamed"
    objcopy --redefine-syms="$work/renamed" "$work/candle-$file.o"
  done
fi
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
shopt -s nullglob
library libcuda.so.1 "$work"/candle-*.o "$work"/{kernels,block,shared,fault,memory,transfer,device,copies,driver,recording,driver-rest}.o
rest cublas 15
g++ "${flags[@]}" -fvisibility=default -O3 -march=native -c "$here/cublas.cpp" -o "$work/cublas.o"
library libcublas.so.13 "$work"/{cublas,cublas-rest}.o "$out/libcuda.so.1"
g++ "${flags[@]}" -fvisibility=default -c "$here/others.cpp" -o "$work/others.o"
for other in "cublaslt libcublasLt.so.13 15" "curand libcurand.so.10 999" "nvrtc libnvrtc.so.13 11"; do
  read -r name soname code <<< "$other"
  rest "$name" "$code"
  library "$soname" "$work/others.o" "$work/$name-rest.o" "$out/libcuda.so.1"
done
# candle's kernels name the runtime: the real one, which asks our libcuda
for name in libcudart.so libcudart.so.13; do ln -sf "$tools/lib/libcudart.so.13" "$out/$name"; done
