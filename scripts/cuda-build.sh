#!/usr/bin/env bash
# Builds groklab with the feature `cuda` on a machine without a GPU or a CUDA installation.
# usage: scripts/cuda-build.sh [cargo build arguments...]
#   CUDA_COMPUTE_CAP  compute capability, 90 (H100, H200) unless set
#   CUDA_PROFILE      cargo profile, release unless set
#   CUDA_TOOLS_ONLY   1: fetch the tools and stop
#   CUDA_TOOLS        where the compiler is kept, ~/.cache/groklab-cuda-13.0 unless set
# nvcc comes from PyPI's wheels (about 105 MB); the linker gets stubs with the sonames of CUDA 13, so the program
# starts here too (LD_LIBRARY_PATH=$CUDA_TOOLS/nvidia/cu13/lib/stubs) and finds no device.
# Needs cargo, gcc, python3 with pip.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=${CUDA_TOOLS:-$HOME/.cache/groklab-cuda-13.0}
export CUDA_HOME=$tools/nvidia/cu13
if [ ! -x "$CUDA_HOME/bin/nvcc" ]; then
  # 13.0 as the driver branch 580 understands it: newer compilers emit PTX that it refuses
  python3 -m pip install -q --no-deps --only-binary=:all: --target "$tools" \
    nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
    nvidia-cuda-cccl==13.0.85 nvidia-cuda-runtime==13.0.96
  chmod +x "$CUDA_HOME"/bin/* "$CUDA_HOME"/nvvm/bin/* 2>/dev/null || true
fi
export PATH=$CUDA_HOME/bin:$PATH CUDA_PATH=$CUDA_HOME NVCC=$CUDA_HOME/bin/nvcc
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90} CUDARC_CUDA_VERSION=13000
export CUDAFORGE_THREADS=${CUDAFORGE_THREADS:-$(nproc)}

# stub libraries: every function of cudarc's own bindings, returning "no device" or the library's error
cargo fetch -q --locked
# the lock file may hold several versions: the one that candle-core names
version=$(awk '/^name = "candle-core"/ { ours = 1 }
  ours && /"cudarc / { gsub(/[^0-9.]/, ""); print; exit }
  /^\[\[/ { ours = 0 }' Cargo.lock)
bindings=$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/cudarc-"$version" | head -n 1)/src
stubs=$CUDA_HOME/lib/stubs
mkdir -p "$stubs"
stub() { # library, soname, module of cudarc, error code
  grep -oE 'pub (unsafe )?fn (cu|nvrtc)[A-Za-z0-9_]+' "$bindings/$3/sys/mod.rs" | awk '{print $NF}' | sort -u |
    grep -vx culib | sed "s/.*/int &(void){return $4;}/" > "$stubs/$1.c"
  gcc -shared -fPIC -w -fno-builtin -Wl,-soname,"$2" -o "$stubs/lib$1.so" "$stubs/$1.c"
  ln -sf "lib$1.so" "$stubs/$2"
}
stub cuda libcuda.so.1 driver 100 # CUDA_ERROR_NO_DEVICE
stub cublas libcublas.so.13 cublas 1
stub cublasLt libcublasLt.so.13 cublaslt 1
stub curand libcurand.so.10 curand 101
stub nvrtc libnvrtc.so.13 nvrtc 7
# candle-kernels names the runtime; the wheel has it under its soname only, one folder up
for name in libcudart.so libcudart.so.13; do ln -sf ../libcudart.so.13 "$stubs/$name"; done

[ "${CUDA_TOOLS_ONLY:-0}" = 0 ] || exit 0

cargo build -p groklab-cli --profile "${CUDA_PROFILE:-release}" --locked --features cuda "$@"
# cargo keeps symbols for backtraces; a program that travels does without
if [ "${CUDA_PROFILE:-release}" = release ] && [ -x "${CARGO_TARGET_DIR:-target}/release/groklab" ]; then
  strip "${CARGO_TARGET_DIR:-target}/release/groklab"
fi
