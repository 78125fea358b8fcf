//! The CUDA C++ language on g++: what a kernel file may use, as ordinary C++ on the CPU.
//! Promises the meaning of CUDA's own guide for the subset here; whatever is not here does not compile.
//! nvcc compiles the same file unchanged (test.sh checks it), so this header never adds to the language.
//! Not here on purpose: atomics, dynamic shared memory, textures, cooperative groups, tensor cores.
#pragma once

#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <math.h>  // isnan and its kin without std::

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define __grid_constant__
#ifndef __restrict__
#define __restrict__ __restrict
#endif
// a block runs in one OS thread, so its shared memory is that thread's: the TLS segment, poisoned before each
// block
#define __shared__ static thread_local

struct alignas(8) float2 {
  float x, y;
};
struct float3 {
  float x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct int3 {
  int x, y, z;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int3 make_int3(int x, int y, int z) { return {x, y, z}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

namespace stand_in {
enum class Warp : uint8_t { sync, shuffle, ballot };
extern uint3 thread_index, block_index;
extern dim3 block_shape, grid_shape;
void barrier();
/// Waits for the lanes of `mask`; returns what lane `source` brought (ballot: the lanes that brought 1).
uint64_t meet(Warp kind, unsigned mask, unsigned source, uint64_t value);
unsigned lane();
}  // namespace stand_in

#define threadIdx (::stand_in::thread_index)
#define blockIdx (::stand_in::block_index)
#define blockDim (::stand_in::block_shape)
#define gridDim (::stand_in::grid_shape)
constexpr int warpSize = 32;

inline void __syncthreads() { stand_in::barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { stand_in::meet(stand_in::Warp::sync, mask, 0, 0); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T stand_in_shuffle(unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "CUDA shuffles 4 or 8 bytes");
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = stand_in::meet(stand_in::Warp::shuffle, mask, source, bits);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  unsigned w = width, first = stand_in::lane() & ~(w - 1);
  return stand_in_shuffle(mask, value, first + (unsigned(source) & (w - 1)));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  unsigned lane = stand_in::lane(), first = lane & ~(unsigned(width) - 1);
  return stand_in_shuffle(mask, value, lane - first < delta ? lane : lane - delta);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  unsigned w = width, lane = stand_in::lane(), first = lane & ~(w - 1);
  return stand_in_shuffle(mask, value, lane - first + delta >= w ? lane : lane + delta);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  unsigned w = width, lane = stand_in::lane(), first = lane & ~(w - 1), other = lane ^ unsigned(lanes);
  return stand_in_shuffle(mask, value, other >= first + w ? lane : other);
}
inline unsigned __ballot_sync(unsigned mask, int yes) {
  return unsigned(stand_in::meet(stand_in::Warp::ballot, mask, 0, yes != 0));
}
inline int __any_sync(unsigned mask, int yes) { return __ballot_sync(mask, yes) != 0; }
inline int __all_sync(unsigned mask, int yes) { return __ballot_sync(mask, !yes) == 0; }

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcg(T* p, T value) {
  *p = value;
}
template <class T>
void __stcs(T* p, T value) {
  *p = value;
}

template <class To, class From>
To stand_in_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}
inline unsigned __float_as_uint(float x) { return stand_in_bits<unsigned>(x); }
inline int __float_as_int(float x) { return stand_in_bits<int>(x); }
inline float __uint_as_float(unsigned x) { return stand_in_bits<float>(x); }
inline float __int_as_float(int x) { return stand_in_bits<float>(x); }
inline long long __double_as_longlong(double x) { return stand_in_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return stand_in_bits<double>(x); }

// minimum and maximum as CUDA overloads them; of floats a NaN loses against a number
#define STAND_IN_MIN_MAX(T)                        \
  inline T min(T a, T b) { return b < a ? b : a; } \
  inline T max(T a, T b) { return a < b ? b : a; }
STAND_IN_MIN_MAX(int)
STAND_IN_MIN_MAX(unsigned)
STAND_IN_MIN_MAX(long)
STAND_IN_MIN_MAX(unsigned long)
STAND_IN_MIN_MAX(long long)
STAND_IN_MIN_MAX(unsigned long long)
#undef STAND_IN_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float fdividef(float x, float y) { return x / y; }
// rounded once, never contracted
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
inline int __float2int_rn(float x) { return int(nearbyintf(x)); }
inline int __float2int_rz(float x) { return int(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __umulhi(unsigned x, unsigned y) { return unsigned(uint64_t(x) * y >> 32); }
// the fast forms are exact here: their error shows on a device only (glibc declares some of these names)
#define __expf(x) expf(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __powf(x, y) powf(x, y)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __fdividef(x, y) fdividef(x, y)
inline void __trap() { __builtin_trap(); }
