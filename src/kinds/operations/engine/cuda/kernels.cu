// Everything of a training step that is not a matrix product, for many replicas at once.
//
// blockIdx.y is the replica: every buffer of replica r lies `stride` floats behind that of replica r - 1. Rows and
// keys are those of src/engine/cpu/rows.rs, computed here from the batch. No atomics: whoever owns a sum reads all its
// terms, in an order that does not depend on the schedule, so the same batch gives the same bytes.
//
// Layouts are row-major: q (n_q, d), kv (n_in, 2d) with the keys in the left half, weights and scores (n_out, heads, 4).

#include "rows.cuh"
#include "attention.cuh"

// ---- embedding ----

// Token and position of an input row of the first layer.
__device__ __forceinline__ void embedding_of(const Dims& s, int row, int* token, int* position) {
  int v = s.v, o = s.operators;
  *position = row < v ? 0 : row < v + o ? 1 : (row < 2 * v + o ? 1 : 2) + o;
  *token = row < v ? row : row < v + o ? v : row < 2 * v + o ? row - v - o : v + o;
}

extern "C" __global__ void embed(Dims s, const float* tokens, const float* positions, long long positions_stride,
                                 float* out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (2 * s.v + signs(s)) * s.d) return;
  int token, position, column = i % s.d;
  embedding_of(s, i / s.d, &token, &position);
  own(out, s.stride)[i] =
      own(tokens, s.stride)[token * s.d + column] + own(positions, positions_stride)[position * s.d + column];
}

// One thread a column of one token's row, then of one position's. `tied`: the unembedding's gradient is there already.
extern "C" __global__ void embed_backward(Dims s, const float* d_embedded, float* d_tokens, float* d_positions, int tied) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, v = s.v, d = s.d, o = s.operators;
  const float* from = own(d_embedded, s.stride);
  int token = i / d, column = i % d, tokens = v + signs(s);
  if (token < tokens) {
    float sum = token < v ? from[token * d + column] + from[(v + o + token) * d + column]
                          : from[(token < v + o ? v : 2 * v + o) * d + column];
    float* to = own(d_tokens, s.stride) + i;
    *to = tied && token < v ? *to + sum : sum;
  } else if (token < tokens + 3 + o && d_positions) {
    int position = token - tokens;
    int begin = position == 0 ? 0 : position <= o ? v : position == 1 + o ? v + o : 2 * v + o;
    int rows = position == 0 || position == 1 + o ? v : 1;
    float sum = 0;
    for (int r = begin; r < begin + rows; r++) sum += from[r * d + column];
    own(d_positions, s.stride)[position * d + column] = sum;
  }
}

// ---- copies and sums ----

template <int W>
__device__ void start_sum_by(const Dims& s, const u16* batches, const float* source, const float* bias, float* out, int rows,
                             int width, int by_own) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, vectors = width / W;
  if (i >= rows * vectors) return;
  int row = i / vectors, column = i % vectors * W;
  Vec<W> sum = Vec<W>::zero();
  if (source) {
    int from = by_own ? row_of(s, Batch(s, batches), row).own() : row;
    sum = vec<W>(own(source, s.stride), from * width + column);
  }
  if (bias)
    for (int c = 0; c < W; c++) sum.x[c] += own(bias, s.stride)[column + c];
  vec<W>(own(out, s.stride), i * W) = sum;
}

// out = source + bias, row by row; either may be missing. `by_own`: row i takes the source row of its own input.
// A thread a vector of `vector` floats; the width is a multiple of it.
extern "C" __global__ void start_sum(Dims s, const u16* batches, const float* source, const float* bias, float* out, int rows,
                                     int width, int by_own, int vector) {
  if (vector == 4) start_sum_by<4>(s, batches, source, bias, out, rows, width, by_own);
  if (vector == 2) start_sum_by<2>(s, batches, source, bias, out, rows, width, by_own);
  if (vector == 1) start_sum_by<1>(s, batches, source, bias, out, rows, width, by_own);
}

extern "C" __global__ void multiply(Dims s, float* out, const float* by, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) own(out, s.stride)[i] *= own(by, s.stride)[i];
}

// Sums over the rows of one chunk (blockIdx.x), a thread a column: the first half of a column sum.
extern "C" __global__ void chunk_sums(Dims s, const float* x, float* partial, int rows, int width, int chunk) {
  const float* from = own(x, s.stride);
  int begin = blockIdx.x * chunk, end = min(begin + chunk, rows);
  for (int column = threadIdx.x; column < width; column += blockDim.x) {
    float sum = 0;
    for (int row = begin; row < end; row++) sum += from[row * width + column];
    own(partial, s.stride)[blockIdx.x * width + column] = sum;
  }
}

// The second half.
extern "C" __global__ void add_chunks(Dims s, const float* partial, float* out, int chunks, int width) {
  int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= width) return;
  float sum = 0;
  for (int chunk = 0; chunk < chunks; chunk++) sum += own(partial, s.stride)[chunk * width + column];
  own(out, s.stride)[column] = sum;
}

// ---- LayerNorm: y = gain (x - mean) / sqrt(var + 1e-5) + shift, biased variance; affine is gain, then shift ----

// A warp a row; stats are mean and 1 / sqrt(var + 1e-5).
extern "C" __global__ void norm_forward(Dims s, const float* x, const float* affine, float* y, float* stats, int rows) {
  int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32, d = s.d;
  if (row >= rows) return;
  const float *from = own(x, s.stride) + row * d, *gain = own(affine, s.stride);
  float sum = 0;
  for (int c = lane; c < d; c += 32) sum += from[c];
  float mean = warp_sum(sum) / d, squares = 0;
  for (int c = lane; c < d; c += 32) squares += (from[c] - mean) * (from[c] - mean);
  float inverse = 1.0f / sqrtf(warp_sum(squares) / d + 1e-5f);
  float* to = own(y, s.stride) + row * d;
  for (int c = lane; c < d; c += 32) to[c] = (from[c] - mean) * inverse * gain[c] + gain[d + c];
  if (lane == 0) {
    own(stats, s.stride)[2 * row] = mean;
    own(stats, s.stride)[2 * row + 1] = inverse;
  }
}

// Blocks of NORM_WARPS. dx = (add ? dx : 0) + the gradient through the norm; partial (chunks, 2d) gets the sums of dy·n and dy over the chunk.
// With g = dy·gain and n = (x - mean)·inverse: dx = inverse (g - mean(g) - n·mean(g·n)). The rounded mean leaves n a mean of
// its own, large beside what the cancellation leaves of dx where few columns are far from zero.
const int NORM_WARPS = 8;
extern "C" __global__ void __launch_bounds__(32 * NORM_WARPS) norm_backward(Dims s, const float* x, const float* stats, const float* affine, const float* dy,
                                         float* dx, float* partial, int rows, int chunk, int add) {
  int begin = blockIdx.x * chunk, end = min(begin + chunk, rows), d = s.d;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const float *gain = own(affine, s.stride), *of = own(stats, s.stride);
  x = own(x, s.stride);
  dy = own(dy, s.stride);
  for (int row = begin + warp; row < end; row += NORM_WARPS) {
    float mean = of[2 * row], inverse = of[2 * row + 1], sum_g = 0, sum_n = 0, sum_gn = 0;
    for (int c = lane; c < d; c += 32) {
      float g = dy[row * d + c] * gain[c], n = (x[row * d + c] - mean) * inverse;
      sum_g += g;
      sum_n += n;
      sum_gn += g * n;
    }
    float mean_g = warp_sum(sum_g) / d, mean_n = warp_sum(sum_n) / d;
    float along = warp_sum(sum_gn) / d - mean_g * mean_n, offset = mean_g - mean_n * along;
    float* to = own(dx, s.stride) + row * d;
    for (int c = lane; c < d; c += 32) {
      float n = (x[row * d + c] - mean) * inverse;
      float slope = inverse * (dy[row * d + c] * gain[c] - offset - n * along);
      to[c] = add ? to[c] + slope : slope;
    }
  }
  // the warps take rows in turn, then the first thread of each column adds them up
  __shared__ float of_warp[2][NORM_WARPS][32];
  float* sums = own(partial, s.stride) + blockIdx.x * 2 * d;
  for (int first = 0; first < d; first += 32) {
    int c = first + lane;
    float d_gain = 0, d_shift = 0;
    if (c < d)
      for (int row = begin + warp; row < end; row += NORM_WARPS) {
        d_gain += dy[row * d + c] * ((x[row * d + c] - of[2 * row]) * of[2 * row + 1]);
        d_shift += dy[row * d + c];
      }
    of_warp[0][warp][lane] = d_gain;
    of_warp[1][warp][lane] = d_shift;
    __syncthreads();
    if (warp < 2 && c < d) {
      float sum = 0;
      for (int w = 0; w < NORM_WARPS; w++) sum += of_warp[warp][w][lane];
      sums[warp * d + c] = sum;
    }
    __syncthreads();
  }
}

// ---- the non-linearity ----

// (To keep the derivative costs less than to compute it again: seen on an H200.)
// out = activation of the pre-activations in `slope`, which become the derivative there. GELU is the exact one,
// x·Φ(x); beyond TAIL it is below f32's smallest normal number on the left.
extern "C" __global__ void activate(Dims s, float* slope, float* out, int n, int gelu) {
  const float TAIL = 13.1475f, SQRT_HALF = 0.70710678f, INV_SQRT_2PI = 0.39894228f;
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float x = own(slope, s.stride)[i], value, derivative;
  if (!gelu) {
    value = x <= 0 ? 0 : x;
    derivative = x <= 0 ? 0.0f : 1.0f;
  } else if (fabsf(x) >= TAIL) {
    value = x > 0 ? x : 0;
    derivative = x > 0 ? 1.0f : 0.0f;
  } else {
    float below = 0.5f * erfcf(-x * SQRT_HALF);
    value = x * below;
    derivative = below + x * (INV_SQRT_2PI * expf(-0.5f * x * x));
  }
  own(slope, s.stride)[i] = derivative;
  own(out, s.stride)[i] = value;
}

// Place of the logits' factor in `pull`; those behind it are in step.rs.
const int PULL_OUTPUTS = 0;

// ---- loss ----

// A warp a row of logits (rows, v): its loss, whether the answer is the (first) largest logit (bit 0) and whether the
// loss is exactly zero (bit 1). `train`: the logits become the gradient of the mean loss; rows that are not in the
// replica's batch get none. `squares`, if given: the sum of the squared logits. `pull`, if given: factors of `pull_factors`.
extern "C" __global__ void cross_entropy(Dims s, const u16* batches, const Update* updates, float* logits, float* losses,
                                         int* flags, double* squares, int train, const float* pull) {
  int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32, v = s.v;
  if (row >= s.rows) return;
  float* z = own(logits, s.stride) + row * v;
  int rows = updates[blockIdx.y].rows;
  if (row >= rows) {
    if (train)
      for (int c = lane; c < v; c += 32) z[c] = 0;
    return;
  }
  int answer = Batch(s, batches).answer[row];
  float largest = -INFINITY;
  for (int c = lane; c < v; c += 32) largest = fmaxf(largest, z[c]);
  largest = warp_max(largest);
  float total = 0, earlier = 0, shifted = z[answer] - largest;
  double square = 0;
  for (int c = lane; c < v; c += 32) {
    total += expf(z[c] - largest);
    earlier += c < answer && z[c] == largest ? 1.0f : 0.0f;
    square += (double)z[c] * z[c];
  }
  total = warp_sum(total);
  earlier = warp_sum(earlier);
  if (squares) square = warp_sum(square);
  float loss = logf(total) - shifted;
  if (lane == 0) {
    own(losses, s.stride)[row] = loss;
    own(flags, s.stride)[row] = (shifted == 0 && earlier == 0 ? 1 : 0) + (loss == 0 ? 2 : 0);
    if (squares) own(squares, s.stride / 2)[row] = square;
  }
  if (train) {
    float share = 1.0f / rows, scale = share / total;
    float by = pull ? own(pull, s.stride)[PULL_OUTPUTS] : 0.0f;
    for (int c = lane; c < v; c += 32)
      z[c] = expf(z[c] - largest) * scale - (c == answer ? share : 0.0f) + by * z[c];
  }
}

// One block a replica: sums of f(row) over the batch, by thread, then over the threads in order of a tree.
template <int THREADS> __device__ double block_sum(double mine, double* shared) {
  shared[threadIdx.x] = mine;
  __syncthreads();
  for (int half = THREADS / 2; half > 0; half /= 2) {
    if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    __syncthreads();
  }
  double sum = shared[0];
  __syncthreads();
  return sum;
}

// ---- the pull at LAR: cpu/alignment.rs ----

// a += factor·b, n numbers; of `pull` the entry `which`. `updates`, if given: rows of d of the replica's batch alone.
extern "C" __global__ void pull_add(Dims s, const Update* updates, float* a, const float* b, const float* pull, int which,
                                    int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (updates) n = updates[blockIdx.y].rows * s.d;
  if (i < n) own(a, s.stride)[i] += own(pull, s.stride)[which] * own(b, s.stride)[i];
}

// A block: sums of squares of Z (rows, v), X (rows, d), W (v, d) and G = WᵀW (d, d; none without sigma_p), and from them
// the factors of Z, X and W in their own gradients, and of WG in that of W.
extern "C" __global__ void pull_factors(Dims s, const Update* updates, const float* z, const float* x, const float* w,
                                        const float* g, float* pull) {
  __shared__ double shared[256];
  const Update u = updates[blockIdx.y];
  const float* of[4] = {own(z, s.stride), own(x, s.stride), own(w, s.stride), g ? own(g, s.stride) : 0};
  int n[4] = {u.rows * s.v, u.rows * s.d, s.v * s.d, g ? s.d * s.d : 0};
  double square[4];
  for (int k = 0; k < 4; k++) {
    double sum = 0;
    for (int i = threadIdx.x; i < n[k]; i += 256) sum += (double)of[k][i] * of[k][i];
    square[k] = block_sum<256>(sum, shared);
  }
  if (threadIdx.x > 0) return;
  double log_n = log((double)s.d), lar = square[0] > 0 ? u.lar : 0.0;
  double strength[4] = {-lar, lar, lar + u.norm + 2.0 * u.sigma_p, -2.0 * u.sigma_p};
  for (int k = 0; k < 4; k++)
    own(pull, s.stride)[k] = square[k] > 0 ? (float)(strength[k] / (square[k] * log_n)) : 0.0f;
}

// The mean loss of the step; a replica whose loss is not finite is stopped: it takes no further step.
extern "C" __global__ void mean_loss(Dims s, const Update* updates, const float* losses, float* mean, int* stopped) {
  __shared__ double shared[128];
  int rows = updates[blockIdx.y].rows;
  double sum = 0;
  for (int row = threadIdx.x; row < rows; row += 128) sum += own(losses, s.stride)[row];
  sum = block_sum<128>(sum, shared);
  if (threadIdx.x == 0 && rows > 0) {
    float loss = (float)(sum / rows);
    mean[blockIdx.y] = loss;
    if (!isfinite(loss)) stopped[blockIdx.y] = 1;
  }
}

// Adds to `counts` (4): loss, correct rows, rows of zero loss, squared logits.
extern "C" __global__ void tally(Dims s, const Update* updates, const float* losses, const int* flags, const double* squares,
                                 double* counts) {
  __shared__ double shared[128];
  int rows = updates[blockIdx.y].rows;
  double sum[4] = {0, 0, 0, 0};
  for (int row = threadIdx.x; row < rows; row += 128) {
    int flag = own(flags, s.stride)[row];
    sum[0] += own(losses, s.stride)[row];
    sum[1] += flag & 1;
    sum[2] += flag >> 1;
    if (squares) sum[3] += own(squares, s.stride / 2)[row];
  }
  for (int k = 0; k < 4; k++) {
    double total = block_sum<128>(sum[k], shared);
    if (threadIdx.x == 0) own(counts, s.stride / 2)[k] += total;
  }
}

// ---- moments of the unembedding's inputs, f64 ----

// x (rows, d) in f64, rows that are not in the replica's batch as zeros.
extern "C" __global__ void widen(Dims s, const Update* updates, const float* x, double* out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= s.rows * s.d) return;
  own(out, s.stride / 2)[i] = i / s.d < updates[blockIdx.y].rows ? (double)own(x, s.stride)[i] : 0.0;
}

// sums (d) += column sums of x (rows, d); blockDim is (32, 8).
extern "C" __global__ void column_sums(Dims s, const double* x, double* sums) {
  __shared__ double part[8][32];
  int column = blockIdx.x * 32 + threadIdx.x, d = s.d;
  double sum = 0;
  if (column < d)
    for (int row = threadIdx.y; row < s.rows; row += 8) sum += own(x, s.stride / 2)[row * d + column];
  part[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= d) return;
  for (int g = 1; g < 8; g++) sum += part[g][threadIdx.x];
  own(sums, s.stride / 2)[column] += sum;
}

// ---- AdamW: decay, both moments and the update in one pass ----

extern "C" __global__ void adamw(Dims s, const Update* updates, const int* stopped, const unsigned char* decayed,
                                 float* params, const float* grads, float* m, float* v, int n) {
  Update u = updates[blockIdx.y];
  if (u.rows == 0 || stopped[blockIdx.y]) return;
  params = own(params, s.stride);
  grads = own(grads, s.stride);
  m = own(m, s.stride);
  v = own(v, s.stride);
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    float g = grads[i];
    float first = u.beta1 * m[i] + u.rest1 * g, second = u.beta2 * v[i] + u.rest2 * (g * g);
    m[i] = first;
    v[i] = second;
    params[i] = params[i] * (decayed[i] ? u.keep : 1.0f) - u.scale * first / (sqrtf(second) * u.root + u.epsilon);
  }
}
