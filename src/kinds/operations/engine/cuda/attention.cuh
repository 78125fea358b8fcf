// Attention over at most four keys a row, and its gradients.
#pragma once
#include "rows.cuh"

// Lanes that share a row and head: a power of two, and as many as the head has vectors if it has less than a warp.
__device__ __forceinline__ int lanes_of(int vectors) {
  int lanes = 1;
  while (lanes < vectors && lanes < 32) lanes *= 2;
  return lanes;
}

// Of such lanes.
__device__ __forceinline__ float lanes_sum(float x, int lanes) {
  for (int apart = lanes / 2; apart > 0; apart /= 2) x += __shfl_xor_sync(0xffffffffu, x, apart);
  return x;
}

template <int W>
__device__ void attention_forward_by(const Dims& s, const u16* batches, const float* q, const float* kv, float* weights,
                                     float* out, int rows) {
  int d = s.d, width = d / s.heads, lanes = lanes_of(width / W);
  int thread = blockIdx.x * blockDim.x + threadIdx.x, pair = thread / lanes, lane = thread % lanes;
  bool live = pair < rows * s.heads;
  if (!live) pair = 0; // its lanes are needed where others meet
  int i = pair / s.heads, head = pair % s.heads;
  Row row = row_of(s, Batch(s, batches), i);
  const float* query = own(q, s.stride) + (row.own() - first_query(s)) * d + head * width;
  const float* from = own(kv, s.stride) + head * width;
  float scale = 1.0f / sqrtf((float)width), score[4], largest = 0, total = 0;
  for (int k = 0; k < 4; k++) {
    float dot = 0;
    if (k < row.n)
      for (int c = lane * W; c < width; c += lanes * W) dot += vec<W>(query, c).dot(vec<W>(from, row.keys[k] * 2 * d + c));
    score[k] = scale * lanes_sum(dot, lanes);
    largest = k == 0 || (k < row.n && score[k] > largest) ? score[k] : largest;
  }
  for (int k = 0; k < 4; k++) {
    score[k] = k < row.n ? expf(score[k] - largest) : 0;
    total += score[k];
  }
  for (int k = 0; k < 4; k++) score[k] /= total;
  if (!live) return;
  float* to = own(out, s.stride) + i * d + head * width;
  for (int c = lane * W; c < width; c += lanes * W) {
    Vec<W> sum = Vec<W>::zero();
    for (int k = 0; k < 4; k++)
      if (k < row.n) sum.add(score[k], vec<W>(from, row.keys[k] * 2 * d + d + c));
    vec<W>(to, c) = sum;
  }
  if (lane == 0)
    for (int k = 0; k < 4; k++) own(weights, s.stride)[pair * 4 + k] = score[k];
}

// Some lanes a row and head: out = softmax(q·k / sqrt(d_head))·v over the row's keys; keeps the weights.
extern "C" __global__ void attention_forward(Dims s, const u16* batches, const float* q, const float* kv, float* weights,
                                             float* out, int rows, int vector) {
  if (vector == 4) attention_forward_by<4>(s, batches, q, kv, weights, out, rows);
  if (vector == 2) attention_forward_by<2>(s, batches, q, kv, weights, out, rows);
  if (vector == 1) attention_forward_by<1>(s, batches, q, kv, weights, out, rows);
}

template <int W>
__device__ void scores_backward_by(const Dims& s, const u16* batches, const float* kv, const float* weights,
                                   const float* d_out, float* d_scores, int rows) {
  int d = s.d, width = d / s.heads, lanes = lanes_of(width / W);
  int thread = blockIdx.x * blockDim.x + threadIdx.x, pair = thread / lanes, lane = thread % lanes;
  bool live = pair < rows * s.heads;
  if (!live) pair = 0;
  int i = pair / s.heads, head = pair % s.heads;
  Row row = row_of(s, Batch(s, batches), i);
  const float* from = own(kv, s.stride) + d + head * width;
  const float* slope = own(d_out, s.stride) + i * d + head * width;
  const float* w = own(weights, s.stride) + pair * 4;
  float d_weight[4], mean = 0, scale = 1.0f / sqrtf((float)width);
  for (int k = 0; k < 4; k++) {
    float dot = 0;
    if (k < row.n)
      for (int c = lane * W; c < width; c += lanes * W) dot += vec<W>(slope, c).dot(vec<W>(from, row.keys[k] * 2 * d + c));
    d_weight[k] = lanes_sum(dot, lanes);
    mean += w[k] * d_weight[k];
  }
  if (live && lane == 0)
    for (int k = 0; k < 4; k++) own(d_scores, s.stride)[pair * 4 + k] = scale * w[k] * (d_weight[k] - mean);
}

// Some lanes a row and head: the gradient of its four scores, before the scale of q·k is taken off.
extern "C" __global__ void scores_backward(Dims s, const u16* batches, const float* kv, const float* weights,
                                           const float* d_out, float* d_scores, int rows, int vector) {
  if (vector == 4) scores_backward_by<4>(s, batches, kv, weights, d_out, d_scores, rows);
  if (vector == 2) scores_backward_by<2>(s, batches, kv, weights, d_out, d_scores, rows);
  if (vector == 1) scores_backward_by<1>(s, batches, kv, weights, d_out, d_scores, rows);
}

// Which of a layer's input rows `inputs_backward` is to take. Mirrors `Inputs` in step.rs.
enum Inputs {
  SYMBOLS,   // those of one symbol, read by all equations that have it: x and y of a first layer, else x and the operator
  SIGNS,     // the operator and `=`, which the first layer has once each: read by all equations
  EQUATIONS, // those of one equation, behind the first layer: read by two rows at most
};

template <int W>
__device__ void inputs_backward_by(const Dims& s, const u16* batches, const Update* updates, const float* q, const float* kv,
                                   const float* weights, const float* d_scores, const float* d_out, const float* d_sum,
                                   float* d_q, float* d_kv, float* d_h, int inputs, int rows, float (*part)[1024]) {
  int d = s.d, column = (blockIdx.z * 32 + threadIdx.x) * W;
  int n = blockIdx.x * blockDim.z + threadIdx.z;
  int j = inputs == EQUATIONS ? symbol_rows(s) + n : n + (s.first && n >= s.v ? s.operators : 0);
  if (inputs == SIGNS) j = n < s.operators ? s.v : 2 * s.v + s.operators;
  bool live = n < rows && column < d;
  Vec<W> sums[4]; // gradients of key, value, input and query
  for (int k = 0; k < 4; k++) sums[k] = Vec<W>::zero();
  if (live) {
    q = own(q, s.stride);
    kv = own(kv, s.stride);
    weights = own(weights, s.stride);
    d_scores = own(d_scores, s.stride);
    d_out = own(d_out, s.stride);
    d_sum = own(d_sum, s.stride);
    Batch batch(s, batches);
    Readers readers(s, batch, updates[blockIdx.y].rows, j);
    int head = column / (d / s.heads), queries = first_query(s), count = readers.count();
#pragma unroll 2
    for (int k = threadIdx.y; k < count; k += blockDim.y) {
      int i = readers.at(k), pair = (i * s.heads + head) * 4;
      Row row = row_of(s, batch, i);
      sums[0].add(d_scores[pair + readers.slot], vec<W>(q, (row.own() - queries) * d + column));
      sums[1].add(weights[pair + readers.slot], vec<W>(d_out, i * d + column));
      if (readers.slot == row.n - 1) { // its own row
        sums[2].add(1, vec<W>(d_sum, i * d + column));
        for (int key = 0; key < 4; key++)
          if (key < row.n) sums[3].add(d_scores[pair + key], vec<W>(kv, row.keys[key] * 2 * d + column));
      }
    }
  }
  if (blockDim.y > 1) {
    int at = (threadIdx.y * 32 + threadIdx.x) * W;
    for (int k = 0; k < 4; k++) vec<W>(part[k], at) = sums[k];
    __syncthreads();
    if (threadIdx.y > 0) return;
    for (int k = 0; k < 4; k++)
      for (int g = 1; g < (int)blockDim.y; g++) sums[k].add(1, vec<W>(part[k], at + g * 32 * W));
  }
  if (!live) return;
  vec<W>(own(d_kv, s.stride), j * 2 * d + column) = sums[0];
  vec<W>(own(d_kv, s.stride), j * 2 * d + d + column) = sums[1];
  vec<W>(own(d_h, s.stride), j * d + column) = sums[2];
  if (j >= first_query(s)) vec<W>(own(d_q, s.stride), (j - first_query(s)) * d + column) = sums[3];
}

// Gradients of queries, keys and values, and of the residual's source, for `rows` of the layer's `inputs`.
// blockDim is (32 vectors, readers taken side by side, rows), 256 threads and 1024 floats at most; blockIdx.z counts tiles of
// 32 vectors.
extern "C" __global__ void __launch_bounds__(256)
    inputs_backward(Dims s, const u16* batches, const Update* updates, const float* q, const float* kv, const float* weights,
                    const float* d_scores, const float* d_out, const float* d_sum, float* d_q, float* d_kv, float* d_h,
                    int inputs, int rows, int vector) {
  __align__(16) __shared__ float part[4][1024];
#define BY(W) inputs_backward_by<W>(s, batches, updates, q, kv, weights, d_scores, d_out, d_sum, d_q, d_kv, d_h, inputs, rows, part)
  if (vector == 4) BY(4);
  if (vector == 2) BY(2);
  if (vector == 1) BY(1);
}

// The same in blocks of 1024 threads and without vectors, for rows with many readers.
extern "C" __global__ void __launch_bounds__(1024)
    signs_backward(Dims s, const u16* batches, const Update* updates, const float* q, const float* kv, const float* weights,
                   const float* d_scores, const float* d_out, const float* d_sum, float* d_q, float* d_kv, float* d_h,
                   int inputs, int rows, int vector) {
  __shared__ float part[4][1024];
  if (vector == 1) BY(1);
#undef BY
}
