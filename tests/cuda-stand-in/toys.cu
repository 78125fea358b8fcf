// Small kernels that try every part of the language the stand-in knows; test.cpp runs them, nvcc compiles
// them too.
constexpr int BLOCK = 256;

struct Plan {
  int n;
  float by;
};

template <class T>
__device__ __forceinline__ T warp_sum(T x) {
  for (int lanes = 16; lanes > 0; lanes >>= 1) x += __shfl_xor_sync(0xffffffffu, x, lanes);
  return x;
}

extern "C" __global__ void add(const float* __restrict__ a, const float* __restrict__ b,
                               float* __restrict__ out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __ldg(a + i) + b[i];
}

// out[block] = the sum of the block's share
extern "C" __global__ void __launch_bounds__(BLOCK) block_sum(const float* in, double* out, int n) {
  __shared__ double partial[BLOCK / 32];
  double sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) sum += in[i];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0;
    sum = warp_sum(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
  }
}

// each thread takes its neighbour's number, with and without the barrier between
extern "C" __global__ void neighbour(int* out) {
  __shared__ int box[BLOCK];
  box[threadIdx.x] = threadIdx.x;
  __syncthreads();
  out[threadIdx.x] = box[(threadIdx.x + 1) % blockDim.x];
}
extern "C" __global__ void neighbour_no_barrier(int* out) {
  __shared__ int box[BLOCK];
  box[threadIdx.x] = threadIdx.x;
  out[threadIdx.x] = box[(threadIdx.x + 1) % blockDim.x];
}

// every block writes the same number, or its own: the last one wins
extern "C" __global__ void same_by_block(int* out) { out[threadIdx.x] = 7; }
extern "C" __global__ void other_by_block(int* out) { out[threadIdx.x] = blockIdx.x; }

extern "C" __global__ void uninitialised(float* out) {
  __shared__ float box[BLOCK];
  if (threadIdx.x != 7) box[threadIdx.x] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = box[threadIdx.x];
}

// thread 3 leaves, the others wait
extern "C" __global__ void leaves(int* out) {
  if (threadIdx.x == 3) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}

extern "C" __global__ void write_at(float* out, long long i) { out[i] = 1.0f; }
extern "C" __global__ void read_at(const float* in, float* out, long long i) { out[0] = in[i]; }

// out = 8 rows of 32: what each shuffle brings to each lane
extern "C" __global__ void shuffles(int* out, float* floats) {
  int lane = threadIdx.x;
  unsigned all = 0xffffffffu;
  out[lane] = __shfl_sync(all, lane, 5);
  out[32 + lane] = __shfl_sync(all, lane, 9, 8);
  out[64 + lane] = __shfl_down_sync(all, lane, 3);
  out[96 + lane] = __shfl_down_sync(all, lane, 3, 8);
  out[128 + lane] = __shfl_up_sync(all, lane, 2, 16);
  out[160 + lane] = __shfl_xor_sync(all, lane, 9);
  out[192 + lane] = __ballot_sync(all, lane % 3 == 0);
  __syncwarp();
  // half of the warp among itself; a lane that takes no part gives nothing
  out[224 + lane] = 0;
  if (lane < 16) out[224 + lane] = __shfl_xor_sync(0xffffu, lane, 1);
  floats[lane] = lane < 16 ? __shfl_sync(0xffffu, 1.5f, lane < 8 ? 0 : 20) : 0.0f;
}

extern "C" __global__ void scale(float4* rows, Plan plan) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= plan.n) return;
  float4 v = rows[i];
  rows[i] = make_float4(v.x * plan.by, v.y * plan.by, v.z * plan.by, v.w * plan.by);
}

// a template with shared memory of its own, used with two types; a table, and vectors in shared memory
template <class T>
__device__ T block_total(T x) {
  __shared__ T partial[BLOCK / 32];
  x = warp_sum(x);
  __syncthreads();
  if (threadIdx.x % warpSize == 0) partial[threadIdx.x / warpSize] = x;
  __syncthreads();
  T total = 0;
#pragma unroll
  for (int i = 0; i < BLOCK / 32; ++i)
    if (i < int(blockDim.x) / 32) total += partial[i];
  return total;
}
__constant__ float half_one[2] = {0.5f, 1.0f};
extern "C" __global__ __launch_bounds__(BLOCK, 2) void row_sums(const float* in, float* sums,
                                                                double* squares) {
  __shared__ float4 staged[2][BLOCK / 4];
  if (threadIdx.x < blockDim.x / 4)
    staged[1][threadIdx.x] = reinterpret_cast<const float4*>(in + blockIdx.x * blockDim.x)[threadIdx.x];
  __syncthreads();
  float x = (&staged[1][threadIdx.x / 4].x)[threadIdx.x % 4];
  float sum = block_total(x) + half_one[0];
  double square = block_total(double(x) * x);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = sum;
    squares[blockIdx.x] = square;
  }
}

extern "C" __global__ void past_shared(float* out, int step) {
  __shared__ float box[32];
  box[threadIdx.x] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = box[threadIdx.x + step];
}

// the index of each thread in a launch of three dimensions
extern "C" __global__ void where(unsigned* out) {
  unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = (blockIdx.z << 20) | (blockIdx.y << 16) |
                                                               (blockIdx.x << 12) | (threadIdx.z << 8) |
                                                               (threadIdx.y << 4) | threadIdx.x;
}

extern "C" __global__ void mathematics(const float* in, float* out, int n) {
  int i = threadIdx.x;
  if (i >= n) return;
  float x = in[i];
  out[i] = expf(x) + logf(x) + sqrtf(x) + rsqrtf(x) + fmaxf(x, 2.0f) + fminf(x, 2.0f) + fabsf(-x) + erff(x) +
           __fdividef(x, 3.0f) + __uint_as_float(__float_as_uint(x)) + __expf(-x) + max(i, 3) + min(x, 1.0f);
}

extern "C" __global__ void nothing(float* out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = i;
}
