//! What candle's own kernels ask of the language beyond emulate.h: atomics, and half types by name only.
//! Only its kernels of f32, f64 and integers are built (what its files keep for `__CUDA_ARCH__ >= 530` is
//! left out), so the plain model can run too. Our own kernels are compiled without this file.
#pragma once
#include <limits>

#include "emulate.h"

// fibers of one OS thread: nothing comes between
template <class T>
T atomicAdd(T* p, T value) {
  T was = *p;
  *p = was + value;
  return was;
}
template <class T>
T atomicMin(T* p, T value) {
  T was = *p;
  *p = value < was ? value : was;
  return was;
}
template <class T>
T atomicMax(T* p, T value) {
  T was = *p;
  *p = was < value ? value : was;
  return was;
}
template <class T, class E, class V>
T atomicCAS(T* p, E expected, V value) {
  T was = *p;
  if (was == expected) *p = value;
  return was;
}
inline unsigned long long atomicMin(unsigned long long* p, long long value) {
  return atomicMin<unsigned long long>(p, value);
}
inline unsigned long long atomicMax(unsigned long long* p, long long value) {
  return atomicMax<unsigned long long>(p, value);
}

inline float normcdff(float x) { return 0.5f * erfcf(-x * 0.70710678118654752f); }
inline double normcdf(double x) { return 0.5 * erfc(-x * 0.70710678118654752); }

template <int kind>
struct StandInHalf {
  unsigned short __x;
};
using __half = StandInHalf<0>;
using __nv_bfloat16 = StandInHalf<1>;
using __nv_fp8_e4m3 = StandInHalf<2>;
// never called: no kernel with these types is built
inline bool __hisnan(__half) { return false; }
inline __half __hmax(__half a, __half) { return a; }
inline __half __hmin(__half a, __half) { return a; }
inline unsigned short __half_as_ushort(__half a) { return a.__x; }
constexpr int __NV_E4M3 = 0;
inline __half __nv_cvt_fp8_to_halfraw(unsigned short a, int) { return {a}; }
inline float __half2float(__half) { return 0; }
inline __half __ushort_as_half(unsigned short a) { return {a}; }

namespace cuda::std {
using ::std::numeric_limits;
}
