// Everything of a training step that is not a matrix product, for many replicas at once.
//
// blockIdx.y is the replica: every buffer of replica r lies `stride` floats behind that of replica r - 1. Rows and
// keys are those of src/engine/cpu/rows.rs, computed here from the batch. No atomics: whoever owns a sum reads all its
// terms, in an order that does not depend on the schedule, so the same batch gives the same bytes.
//
// Layouts are row-major: q (n_q, d), kv (n_in, 2d) with the keys in the left half, weights and scores (n_out, heads, 4).

typedef unsigned short u16;

// What a layer of the step is like. Mirrors `Dims` in device.rs.
struct Dims {
  long long stride;       // floats from one replica to the next
  long long batch_stride; // u16 from one replica's batch to the next
  int v;                  // symbols
  int d;                  // width
  int heads;
  int rows;               // equations computed: the most that any replica has in this step
  int capacity;           // equations there is room for
  int first;              // first layer: its inputs depend on token and position alone
  int last;               // last layer: outputs of position 3 only
};

// One step of one replica: its batch, and the numbers of AdamW. Mirrors `update_bytes` in batches.rs.
struct Update {
  int rows; // equations in the batch; 0: the replica pauses
  float keep, beta1, rest1, beta2, rest2, scale, root, epsilon;
};

// One batch: x, y, answer, equations sorted by x, sorted by y (capacity each), where each x and each y begins (v + 1 each).
struct Batch {
  const u16 *x, *y, *answer, *by_x, *by_y, *x_start, *y_start;
  __device__ Batch(const Dims& s, const u16* all) {
    const u16* own = all + blockIdx.y * s.batch_stride;
    x = own;
    y = x + s.capacity;
    answer = y + s.capacity;
    by_x = answer + s.capacity;
    by_y = by_x + s.capacity;
    x_start = by_y + s.capacity;
    y_start = x_start + s.v + 1;
  }
};

template <typename T> __device__ __forceinline__ T* own(T* p, long long stride) { return p + blockIdx.y * stride; }

__device__ __forceinline__ float warp_sum(float x) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(0xffffffffu, x, lanes);
  return x;
}
__device__ __forceinline__ double warp_sum(double x) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x += __shfl_xor_sync(0xffffffffu, x, lanes);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lanes));
  return x;
}

// ---- which rows a layer has ----

// An output row's view of the layer's inputs; its own is the last key.
struct Row {
  int keys[4];
  int n;
  __device__ __forceinline__ int own() const { return keys[n - 1]; }
};

__device__ Row row_of(const Dims& s, const Batch& batch, int i) {
  if (s.last) i += 2 * s.v + s.rows;
  Row row;
  int x, y = 0, e = 0;
  if (i < 2 * s.v) {
    row.n = i < s.v ? 1 : 2;
    x = i < s.v ? i : i - s.v;
  } else {
    e = i - 2 * s.v;
    row.n = e < s.rows ? 3 : 4;
    if (e >= s.rows) e -= s.rows;
    x = batch.x[e];
    y = batch.y[e];
  }
  row.keys[0] = x;
  row.keys[1] = s.first ? s.v : s.v + x;
  row.keys[2] = s.first ? s.v + 1 + y : 2 * s.v + e;
  row.keys[3] = s.first ? 2 * s.v + 1 : 2 * s.v + s.rows + e;
  return row;
}

__device__ __forceinline__ int input_rows(const Dims& s) { return s.first ? 2 * s.v + 2 : 2 * s.v + 2 * s.rows; }

__device__ __forceinline__ int first_query(const Dims& s) {
  if (!s.last) return 0;
  return s.first ? 2 * s.v + 1 : 2 * s.v + s.rows;
}

// The output rows that attend to one input row: some of positions 0 and 1, then those of a list of equations.
struct Readers {
  int slot; // which of their keys it is: its position
  int symbols, symbol, symbol_step;
  int equations, equation;
  const u16* list; // null: equations from `equation` on
  int per_equation, row, rows;
  __device__ Readers(const Dims& s, const Batch& batch, int batch_rows, int j) {
    int v = s.v, x = j, y = 0, e = 0;
    if (j < v) {
      slot = 0;
    } else if (s.first) {
      slot = j == v ? 1 : j <= 2 * v ? 2 : 3;
      y = j - v - 1;
    } else {
      slot = j < 2 * v ? 1 : j < 2 * v + s.rows ? 2 : 3;
      x = j - v;
      e = (j - 2 * v) % s.rows;
    }
    symbols = s.last || slot > 1 ? 0 : slot == 0 ? 2 : s.first ? v : 1;
    symbol = slot == 0 ? x : s.first ? v : v + x;
    symbol_step = slot == 0 ? v : 1;
    list = 0;
    equation = 0;
    if (slot == 0 || (slot == 1 && !s.first)) {
      list = batch.by_x + batch.x_start[x];
      equations = batch.x_start[x + 1] - batch.x_start[x];
    } else if (slot == 2 && s.first) {
      list = batch.by_y + batch.y_start[y];
      equations = batch.y_start[y + 1] - batch.y_start[y];
    } else if (s.first) {
      equations = batch_rows;
    } else {
      equation = e;
      equations = 1;
    }
    per_equation = s.last || slot == 3 ? 1 : 2;
    row = s.last ? 0 : slot == 3 ? 2 * v + s.rows : 2 * v;
    rows = s.rows;
  }
  __device__ __forceinline__ int count() const { return symbols + equations * per_equation; }
  __device__ __forceinline__ int at(int k) const {
    if (k < symbols) return symbol + k * symbol_step;
    k -= symbols;
    int n = k / per_equation;
    return row + (k % per_equation) * rows + (list ? list[n] : equation + n);
  }
};

// ---- embedding ----

// Token and position of an input row of the first layer.
__device__ __forceinline__ void embedding_of(int v, int row, int* token, int* position) {
  *position = row < v ? 0 : row == v ? 1 : row <= 2 * v ? 2 : 3;
  *token = row < v ? row : row == v ? v : row <= 2 * v ? row - v - 1 : v + 1;
}

extern "C" __global__ void embed(Dims s, const float* tokens, const float* positions, long long positions_stride,
                                 float* out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= (2 * s.v + 2) * s.d) return;
  int token, position, column = i % s.d;
  embedding_of(s.v, i / s.d, &token, &position);
  own(out, s.stride)[i] =
      own(tokens, s.stride)[token * s.d + column] + own(positions, positions_stride)[position * s.d + column];
}

// One thread a column of one token's row, then of one position's. `tied`: the unembedding's gradient is there already.
extern "C" __global__ void embed_backward(Dims s, const float* d_embedded, float* d_tokens, float* d_positions, int tied) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, v = s.v, d = s.d;
  const float* from = own(d_embedded, s.stride);
  int token = i / d, column = i % d;
  if (token < v + 2) {
    float sum = token < v ? from[token * d + column] + from[(v + 1 + token) * d + column]
                          : from[(token == v ? v : 2 * v + 1) * d + column];
    float* to = own(d_tokens, s.stride) + i;
    *to = tied && token < v ? *to + sum : sum;
  } else if (token < v + 6 && d_positions) {
    int position = token - v - 2;
    int begin = position == 0 ? 0 : position == 1 ? v : position == 2 ? v + 1 : 2 * v + 1;
    int rows = position == 0 || position == 2 ? v : 1;
    float sum = 0;
    for (int r = begin; r < begin + rows; r++) sum += from[r * d + column];
    own(d_positions, s.stride)[position * d + column] = sum;
  }
}

// ---- copies and sums ----

// out = source + bias, row by row; either may be missing. `by_own`: row i takes the source row of its own input.
extern "C" __global__ void start_sum(Dims s, const u16* batches, const float* source, const float* bias, float* out, int rows,
                                     int width, int by_own) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= rows * width) return;
  int row = i / width, column = i % width;
  float sum = 0;
  if (source) {
    int from = by_own ? row_of(s, Batch(s, batches), row).own() : row;
    sum = own(source, s.stride)[from * width + column];
  }
  if (bias) sum += own(bias, s.stride)[column];
  own(out, s.stride)[i] = sum;
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

// dx = (add ? dx : 0) + the gradient through the norm; partial (chunks, 2d) gets the sums of dy·n and dy over the chunk.
// With g = dy·gain and n = (x - mean)·inverse: dx = inverse (g - mean(g) - n·mean(g·n)).
extern "C" __global__ void norm_backward(Dims s, const float* x, const float* stats, const float* affine, const float* dy,
                                         float* dx, float* partial, int rows, int chunk, int add) {
  int begin = blockIdx.x * chunk, end = min(begin + chunk, rows), d = s.d;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const float *gain = own(affine, s.stride), *of = own(stats, s.stride);
  x = own(x, s.stride);
  dy = own(dy, s.stride);
  for (int row = begin + warp; row < end; row += blockDim.x / 32) {
    float mean = of[2 * row], inverse = of[2 * row + 1], sum_g = 0, sum_gn = 0;
    for (int c = lane; c < d; c += 32) {
      float g = dy[row * d + c] * gain[c];
      sum_g += g;
      sum_gn += g * ((x[row * d + c] - mean) * inverse);
    }
    float mean_g = warp_sum(sum_g) / d, mean_gn = warp_sum(sum_gn) / d;
    float* to = own(dx, s.stride) + row * d;
    for (int c = lane; c < d; c += 32) {
      float n = (x[row * d + c] - mean) * inverse;
      float slope = inverse * (dy[row * d + c] * gain[c] - mean_g - n * mean_gn);
      to[c] = add ? to[c] + slope : slope;
    }
  }
  float* sums = own(partial, s.stride) + blockIdx.x * 2 * d;
  for (int c = threadIdx.x; c < d; c += blockDim.x) {
    float d_gain = 0, d_shift = 0;
    for (int row = begin; row < end; row++) {
      d_gain += dy[row * d + c] * ((x[row * d + c] - of[2 * row]) * of[2 * row + 1]);
      d_shift += dy[row * d + c];
    }
    sums[c] = d_gain;
    sums[d + c] = d_shift;
  }
}

// ---- the non-linearity ----

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

// ---- attention ----

// A warp a row and head: out = softmax(q·k / sqrt(d_head))·v over the row's keys; keeps the weights.
extern "C" __global__ void attention_forward(Dims s, const u16* batches, const float* q, const float* kv, float* weights,
                                             float* out, int rows) {
  int pair = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (pair >= rows * s.heads) return;
  int i = pair / s.heads, head = pair % s.heads, d = s.d, width = d / s.heads;
  Row row = row_of(s, Batch(s, batches), i);
  const float* query = own(q, s.stride) + (row.own() - first_query(s)) * d + head * width;
  const float* from = own(kv, s.stride) + head * width;
  float scale = 1.0f / sqrtf((float)width), score[4], largest = 0, total = 0;
  for (int k = 0; k < 4; k++) {
    float dot = 0;
    if (k < row.n)
      for (int c = lane; c < width; c += 32) dot += query[c] * from[row.keys[k] * 2 * d + c];
    score[k] = scale * warp_sum(dot);
    largest = k == 0 || (k < row.n && score[k] > largest) ? score[k] : largest;
  }
  for (int k = 0; k < 4; k++) {
    score[k] = k < row.n ? expf(score[k] - largest) : 0;
    total += score[k];
  }
  for (int k = 0; k < 4; k++) score[k] /= total;
  float* to = own(out, s.stride) + i * d + head * width;
  for (int c = lane; c < width; c += 32) {
    float sum = 0;
    for (int k = 0; k < 4; k++)
      if (k < row.n) sum += score[k] * from[row.keys[k] * 2 * d + d + c];
    to[c] = sum;
  }
  if (lane < 4) own(weights, s.stride)[pair * 4 + lane] = lane == 0 ? score[0] : lane == 1 ? score[1] : lane == 2 ? score[2] : score[3];
}

// A warp a row and head: the gradient of its four scores, before the scale of q·k is taken off.
extern "C" __global__ void scores_backward(Dims s, const u16* batches, const float* kv, const float* weights,
                                           const float* d_out, float* d_scores, int rows) {
  int pair = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (pair >= rows * s.heads) return;
  int i = pair / s.heads, head = pair % s.heads, d = s.d, width = d / s.heads;
  Row row = row_of(s, Batch(s, batches), i);
  const float* from = own(kv, s.stride) + d + head * width;
  const float* slope = own(d_out, s.stride) + i * d + head * width;
  const float* w = own(weights, s.stride) + pair * 4;
  float d_weight[4], mean = 0, scale = 1.0f / sqrtf((float)width);
  for (int k = 0; k < 4; k++) {
    float dot = 0;
    if (k < row.n)
      for (int c = lane; c < width; c += 32) dot += slope[c] * from[row.keys[k] * 2 * d + c];
    d_weight[k] = warp_sum(dot);
    mean += w[k] * d_weight[k];
  }
  if (lane == 0)
    for (int k = 0; k < 4; k++) own(d_scores, s.stride)[pair * 4 + k] = scale * w[k] * (d_weight[k] - mean);
}

// Gradients of queries, keys and values, and of the residual's source, for the input rows from `begin` on.
// blockDim is (32 columns, readers taken side by side, rows); blockIdx.z counts the columns' tiles.
extern "C" __global__ void inputs_backward(Dims s, const u16* batches, const Update* updates, const float* q, const float* kv,
                                           const float* weights, const float* d_scores, const float* d_out,
                                           const float* d_sum, float* d_q, float* d_kv, float* d_h, int begin, int rows) {
  const int GROUPS = 16;
  __shared__ float part[4][GROUPS][32];
  int d = s.d, column = blockIdx.z * 32 + threadIdx.x;
  int n = blockIdx.x * blockDim.z + threadIdx.z, j = begin + n;
  bool live = n < rows && column < d;
  float d_key = 0, d_value = 0, d_input = 0, d_query = 0;
  if (live) {
    q = own(q, s.stride);
    kv = own(kv, s.stride);
    weights = own(weights, s.stride);
    d_scores = own(d_scores, s.stride);
    d_out = own(d_out, s.stride);
    d_sum = own(d_sum, s.stride);
    Batch batch(s, batches);
    Readers readers(s, batch, updates[blockIdx.y].rows, j);
    int head = column / (d / s.heads), queries = first_query(s);
    for (int k = threadIdx.y; k < readers.count(); k += blockDim.y) {
      int i = readers.at(k), pair = (i * s.heads + head) * 4;
      Row row = row_of(s, batch, i);
      d_value += weights[pair + readers.slot] * d_out[i * d + column];
      d_key += d_scores[pair + readers.slot] * q[(row.own() - queries) * d + column];
      if (readers.slot == row.n - 1) { // its own row
        d_input += d_sum[i * d + column];
        for (int key = 0; key < row.n; key++) d_query += d_scores[pair + key] * kv[row.keys[key] * 2 * d + column];
      }
    }
  }
  if (blockDim.y > 1) {
    part[0][threadIdx.y][threadIdx.x] = d_key;
    part[1][threadIdx.y][threadIdx.x] = d_value;
    part[2][threadIdx.y][threadIdx.x] = d_input;
    part[3][threadIdx.y][threadIdx.x] = d_query;
    __syncthreads();
    if (threadIdx.y > 0) return;
    for (int g = 1; g < (int)blockDim.y; g++) {
      d_key += part[0][g][threadIdx.x];
      d_value += part[1][g][threadIdx.x];
      d_input += part[2][g][threadIdx.x];
      d_query += part[3][g][threadIdx.x];
    }
  }
  if (!live) return;
  own(d_kv, s.stride)[j * 2 * d + column] = d_key;
  own(d_kv, s.stride)[j * 2 * d + d + column] = d_value;
  own(d_h, s.stride)[j * d + column] = d_input;
  if (j >= first_query(s)) own(d_q, s.stride)[(j - first_query(s)) * d + column] = d_query;
}

// ---- loss ----

// A warp a row of logits (rows, v): its loss, whether the answer is the (first) largest logit (bit 0) and whether the
// loss is exactly zero (bit 1). `train`: the logits become the gradient of the mean loss; rows that are not in the
// replica's batch get none. `squares`, if given: the sum of the squared logits.
extern "C" __global__ void cross_entropy(Dims s, const u16* batches, const Update* updates, float* logits, float* losses,
                                         int* flags, double* squares, int train) {
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
    for (int c = lane; c < v; c += 32) z[c] = expf(z[c] - largest) * scale - (c == answer ? share : 0.0f);
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
