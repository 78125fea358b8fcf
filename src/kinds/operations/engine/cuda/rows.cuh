// What all kernels share: sizes, batches, sums over a warp, vectors, and which rows a layer has.
#pragma once

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
  int last;               // last layer: outputs of `=` only
  int operators;          // in an equation: 1, or 0 where the input is `x y =`
};

// Tokens beside the symbols: the operator, and `=`.
__device__ __forceinline__ int signs(const Dims& s) { return s.operators + 1; }

// Rows of x and of the operator behind it, by x.
__device__ __forceinline__ int symbol_rows(const Dims& s) { return (1 + s.operators) * s.v; }

// One step of one replica: its batch, the numbers of AdamW, and the pull at LAR. Mirrors `update_bytes` in batches.rs.
struct Update {
  int rows; // equations in the batch; 0: the replica pauses
  float keep, beta1, rest1, beta2, rest2, scale, root, epsilon;
  float lar, sigma_p, norm; // strengths of the pull at LAR
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

// W floats that are read and written at once. A kernel that takes `vector` is given 4, 2 or 1: what the heads' width is a
// multiple of, so that no vector reaches over two heads.
template <int W> struct alignas(4 * W) Vec {
  float x[W];
  __device__ __forceinline__ static Vec zero() {
    Vec v;
    for (int i = 0; i < W; i++) v.x[i] = 0;
    return v;
  }
  __device__ __forceinline__ void add(float by, const Vec& v) {
    for (int i = 0; i < W; i++) x[i] += by * v.x[i];
  }
  __device__ __forceinline__ float dot(const Vec& v) const {
    float sum = 0;
    for (int i = 0; i < W; i++) sum += x[i] * v.x[i];
    return sum;
  }
};

// The vector that begins with float `at`.
template <int W> __device__ __forceinline__ Vec<W>& vec(float* p, int at) { return *(Vec<W>*)(p + at); }
template <int W> __device__ __forceinline__ const Vec<W>& vec(const float* p, int at) { return *(const Vec<W>*)(p + at); }

// ---- which rows a layer has ----

// An output row's view of the layer's inputs; its own is the last key.
struct Row {
  int keys[4];
  int n;
  __device__ __forceinline__ int own() const { return keys[n - 1]; }
};

__device__ Row row_of(const Dims& s, const Batch& batch, int i) {
  int symbols = symbol_rows(s);
  if (s.last) i += symbols + s.rows;
  Row row;
  int x, y = 0, e = 0;
  if (i < symbols) {
    row.n = i < s.v ? 1 : 2;
    x = i < s.v ? i : i - s.v;
  } else {
    e = i - symbols;
    row.n = (e < s.rows ? 2 : 3) + s.operators;
    if (e >= s.rows) e -= s.rows;
    x = batch.x[e];
    y = batch.y[e];
  }
  // indices that the compiler knows keep the keys in registers
  int of_y = s.first ? s.v + s.operators + y : symbols + e;
  int of_equals = s.first ? 2 * s.v + s.operators : symbols + s.rows + e;
  row.keys[0] = x;
  row.keys[1] = !s.operators ? of_y : s.first ? s.v : s.v + x;
  row.keys[2] = s.operators ? of_y : of_equals;
  row.keys[3] = of_equals;
  return row;
}

__device__ __forceinline__ int input_rows(const Dims& s) {
  return s.first ? 2 * s.v + signs(s) : symbol_rows(s) + 2 * s.rows;
}

__device__ __forceinline__ int first_query(const Dims& s) {
  if (!s.last) return 0;
  return s.first ? 2 * s.v + s.operators : symbol_rows(s) + s.rows;
}

// Where in the equation a row stands.
enum Place { X, OPERATOR, Y, EQUALS };

// The output rows that attend to one input row: some of x and of the operator, then those of a list of equations.
struct Readers {
  int slot; // which of their keys it is: its position
  int symbols, symbol, symbol_step;
  int equations, equation;
  const u16* list; // null: equations from `equation` on
  int per_equation, row, rows;
  __device__ Readers(const Dims& s, const Batch& batch, int batch_rows, int j) {
    int v = s.v, all_x = symbol_rows(s), x = j, y = 0, e = 0;
    Place place;
    if (j < v) {
      place = X;
    } else if (s.first) {
      y = j - v - s.operators;
      place = y < 0 ? OPERATOR : y < v ? Y : EQUALS;
    } else {
      place = j < all_x ? OPERATOR : j < all_x + s.rows ? Y : EQUALS;
      x = j - v;
      e = (j - all_x) % s.rows;
    }
    slot = place < Y ? (int)place : (int)place - 1 + s.operators;
    symbols = s.last || place > OPERATOR ? 0 : place == X ? 1 + s.operators : s.first ? v : 1;
    symbol = place == X ? x : s.first ? v : v + x;
    symbol_step = place == X ? v : 1;
    list = 0;
    equation = 0;
    if (place == X || (place == OPERATOR && !s.first)) {
      list = batch.by_x + batch.x_start[x];
      equations = batch.x_start[x + 1] - batch.x_start[x];
    } else if (place == Y && s.first) {
      list = batch.by_y + batch.y_start[y];
      equations = batch.y_start[y + 1] - batch.y_start[y];
    } else if (s.first) {
      equations = batch_rows;
    } else {
      equation = e;
      equations = 1;
    }
    per_equation = s.last || place == EQUALS ? 1 : 2;
    row = s.last ? 0 : place == EQUALS ? all_x + s.rows : all_x;
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
