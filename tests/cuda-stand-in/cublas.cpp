//! libcublas.so.13 on the CPU: matrix products of f32 and f64 as cuBLAS defines them, column by column.
//! Promises cuBLAS's checks of sizes and leading dimensions, C unread when beta is 0, f32 sums for f32 (their
//! order is this file's own, as cuBLAS's is its own), and for TF32 operands rounded to 10 mantissa bits,
//! nearest, ties away from zero (`cvt.rna.tf32.f32`; what a tensor core does with the lower bits is not
//! documented).
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "count.h"
#include "recording.h"

extern "C" bool stand_in_inside(const void* data, size_t bytes);

namespace {
using stand_in::Counted;
enum Status {
  success = 0,
  not_initialized = 1,
  invalid_value = 7,
  execution_failed = 13,
  not_supported = 15
};
enum Type { f32 = 0, f64 = 1 };
enum Compute {
  compute_32f = 68,
  compute_32f_pedantic = 69,
  compute_64f = 70,
  compute_64f_pedantic = 71,
  compute_32f_fast_tf32 = 77
};
enum Math { pedantic_math = 2, tf32_math = 3 };

struct Handle {
  void* stream = nullptr;
  int math = 0, pointer_mode = 0;
};

Status fail(Status status, const std::string& what) {
  fprintf(stderr, "cuda stand-in: cublas: %s\n", what.c_str());
  return status;
}

float to_tf32(float x) {
  unsigned bits;
  memcpy(&bits, &x, 4);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x;
  bits = (bits + 0x1000u) & ~0x1fffu;
  memcpy(&x, &bits, 4);
  return x;
}

// one matrix op(A): element (i, j)
template <class T>
struct Operand {
  const T* data;
  long ld;
  bool transposed, tf32;
  T at(long i, long j) const {
    T x = transposed ? data[j + i * ld] : data[i + j * ld];
    if constexpr (sizeof(T) == 4) return tf32 ? to_tf32(x) : x;
    return x;
  }
};

// a tile of 2 vectors of rows by 6 columns stays in registers
template <class T>
struct Tile {
  typedef T Vector __attribute__((vector_size(32), aligned(sizeof(T))));
  static constexpr long lanes = 32 / sizeof(T), rows = 2 * lanes, columns = 6;
};

template <class T>
void tile(long k, const T* a, const T* b, T* out) {
  using Vector = typename Tile<T>::Vector;
  Vector sum[Tile<T>::columns][2] = {};
  for (long p = 0; p < k; ++p, a += Tile<T>::rows, b += Tile<T>::columns) {
    Vector low = *reinterpret_cast<const Vector*>(a),
           high = *reinterpret_cast<const Vector*>(a + Tile<T>::lanes);
#pragma GCC unroll 6
    for (long j = 0; j < Tile<T>::columns; ++j) {
      sum[j][0] += low * b[j];
      sum[j][1] += high * b[j];
    }
  }
  memcpy(out, sum, sizeof sum);
}

// C = alpha op(A) op(B) + beta C, one batch
template <class T>
void product(long m, long n, long k, T alpha, Operand<T> a, Operand<T> b, T beta, T* c, long ldc) {
  constexpr long rows = Tile<T>::rows, columns = Tile<T>::columns, deep = 512, high = 8 * rows;
  std::vector<T> packed_a(high * std::min(k, deep)), packed_b((n + columns) * std::min(k, deep));
  for (long j = 0; j < n; ++j)
    for (long i = 0; i < m; ++i) c[i + j * ldc] = beta == 0 ? T(0) : beta * c[i + j * ldc];
  if (alpha == 0) return;
  for (long p0 = 0; p0 < k; p0 += deep) {
    const long depth = std::min(deep, k - p0);
    for (long j0 = 0; j0 < n; j0 += columns)
      for (long p = 0; p < depth; ++p)
        for (long j = 0; j < columns; ++j)
          packed_b[j0 * depth + p * columns + j] = j0 + j < n ? b.at(p0 + p, j0 + j) : T(0);
    for (long i1 = 0; i1 < m; i1 += high) {
      const long height = std::min(high, m - i1);
      for (long i0 = 0; i0 < height; i0 += rows)
        for (long p = 0; p < depth; ++p)
          for (long i = 0; i < rows; ++i)
            packed_a[i0 * depth + p * rows + i] = i0 + i < height ? a.at(i1 + i0 + i, p0 + p) : T(0);
      for (long j0 = 0; j0 < n; j0 += columns)
        for (long i0 = 0; i0 < height; i0 += rows) {
          T sums[columns * rows];
          tile(depth, &packed_a[i0 * depth], &packed_b[j0 * depth], sums);
          for (long j = 0; j < std::min(columns, n - j0); ++j)
            for (long i = 0; i < std::min(rows, height - i0); ++i)
              c[i1 + i0 + i + (j0 + j) * ldc] += alpha * sums[j * rows + i];
        }
    }
  }
}

struct Shape {
  int transa, transb;
  long m, n, k, lda, stridea, ldb, strideb, ldc, stridec, batches;
};

template <class T>
Status gemm(void* handle, const Shape& s, bool tf32, const void* alpha, const void* a, const void* b,
            const void* beta, void* c) {
  if (!handle) return not_initialized;
  auto wrong = [&](const char* what) {
    char text[300];
    snprintf(text, sizeof text,
             "%s (op %d %d, m %ld n %ld k %ld, lda %ld ldb %ld ldc %ld, strides %ld %ld %ld, %ld batches)",
             what, s.transa, s.transb, s.m, s.n, s.k, s.lda, s.ldb, s.ldc, s.stridea, s.strideb, s.stridec,
             s.batches);
    return fail(invalid_value, text);
  };
  const bool ta = s.transa != 0, tb = s.transb != 0;
  if (s.transa < 0 || s.transa > 2 || s.transb < 0 || s.transb > 2) return wrong("no such operation");
  if (s.m < 0 || s.n < 0 || s.k < 0 || s.batches < 0) return wrong("a size is negative");
  if (s.lda < std::max(1l, ta ? s.k : s.m)) return wrong("lda is less than the rows of A");
  if (s.ldb < std::max(1l, tb ? s.n : s.k)) return wrong("ldb is less than the rows of B");
  if (s.ldc < std::max(1l, s.m)) return wrong("ldc is less than the rows of C");
  if (!s.m || !s.n || !s.batches) return success;
  if (!alpha || !beta) return wrong("alpha or beta is null");
  const T scalars[] = {*static_cast<const T*>(alpha), *static_cast<const T*>(beta)};
  const stand_in::recording::Work again = [=] {
    return int(gemm<T>(handle, s, tf32, scalars, a, b, scalars + 1, c));
  };
  if (stand_in_keep(static_cast<Handle*>(handle)->stream, &again)) return success;
  const T by = *static_cast<const T*>(alpha), keep = *static_cast<const T*>(beta);

  auto covers = [&](const void* data, long rows, long columns, long ld, long stride) {
    long lowest = std::min(0l, stride * (s.batches - 1));
    long elements = std::labs(stride) * (s.batches - 1) + ld * (columns - 1) + rows;
    return stand_in_inside(static_cast<const T*>(data) + lowest, elements * sizeof(T));
  };
  if (s.k && !(covers(a, ta ? s.k : s.m, ta ? s.m : s.k, s.lda, s.stridea) &&
               covers(b, tb ? s.n : s.k, tb ? s.k : s.n, s.ldb, s.strideb))) {
    wrong("an operand reaches outside its allocation");
    return execution_failed;
  }
  if (!covers(c, s.m, s.n, s.ldc, s.stridec)) {
    wrong("C reaches outside its allocation");
    return execution_failed;
  }
  if (s.batches > 1 && std::labs(s.stridec) < s.ldc * (s.n - 1) + s.m)
    return wrong("the batches of C overlap");

  auto some = [&](long first, long last, long column, long columns) {
    for (long i = first; i < last; ++i) {
      const T* bi = static_cast<const T*>(b) + i * s.strideb;
      product<T>(s.m, columns, s.k, by, {static_cast<const T*>(a) + i * s.stridea, s.lda, ta, tf32},
                 {bi + (tb ? column : column * s.ldb), s.ldb, tb, tf32}, keep,
                 static_cast<T*>(c) + i * s.stridec + column * s.ldc, s.ldc);
    }
  };
  // two threads for what takes longer than starting one
  const bool large = double(s.m) * s.n * s.k * s.batches > 2e7 && std::thread::hardware_concurrency() > 1;
  if (!large) {
    some(0, s.batches, 0, s.n);
  } else if (s.batches > 1) {
    std::thread other([&] { some(0, s.batches / 2, 0, s.n); });
    some(s.batches / 2, s.batches, 0, s.n);
    other.join();
  } else {
    std::thread other([&] { some(0, 1, 0, s.n / 2); });
    some(0, 1, s.n / 2, s.n - s.n / 2);
    other.join();
  }
  return success;
}

bool handle_wants_tf32(void* handle) { return handle && static_cast<Handle*>(handle)->math == tf32_math; }

Status gemm_ex(void* handle, const Shape& s, const void* alpha, const void* a, int ta, const void* b, int tb,
               const void* beta, void* c, int tc, int compute) {
  if (ta == f32 && tb == f32 && tc == f32) {
    if (compute == compute_32f)
      return gemm<float>(handle, s, handle_wants_tf32(handle), alpha, a, b, beta, c);
    if (compute == compute_32f_pedantic) return gemm<float>(handle, s, false, alpha, a, b, beta, c);
    if (compute == compute_32f_fast_tf32) return gemm<float>(handle, s, true, alpha, a, b, beta, c);
  }
  if (ta == f64 && tb == f64 && tc == f64 && (compute == compute_64f || compute == compute_64f_pedantic))
    return gemm<double>(handle, s, false, alpha, a, b, beta, c);
  return fail(not_supported, "types " + std::to_string(ta) + ", " + std::to_string(tb) + ", " +
                                 std::to_string(tc) + " with compute type " + std::to_string(compute) +
                                 " are not part of the stand-in");
}
}  // namespace

#define COUNTED Counted counted(__func__)

extern "C" {
int cublasCreate_v2(void** out) {
  COUNTED;
  *out = new Handle;
  return success;
}
int cublasDestroy_v2(void* handle) {
  COUNTED;
  delete static_cast<Handle*>(handle);
  return success;
}
int cublasGetVersion_v2(void*, int* version) {
  COUNTED;
  *version = 130000;
  return success;
}
int cublasSetStream_v2(void* handle, void* stream) {
  COUNTED;
  static_cast<Handle*>(handle)->stream = stream;
  return success;
}
int cublasGetStream_v2(void* handle, void** stream) {
  COUNTED;
  *stream = static_cast<Handle*>(handle)->stream;
  return success;
}
int cublasSetWorkspace_v2(void*, void*, size_t) {
  COUNTED;
  return success;
}
int cublasSetMathMode(void* handle, int mode) {
  COUNTED;
  static_cast<Handle*>(handle)->math = mode & 15;
  return success;
}
int cublasGetMathMode(void* handle, int* mode) {
  COUNTED;
  *mode = static_cast<Handle*>(handle)->math;
  return success;
}
// scalars on the device are read like those on the host: both are host memory here
int cublasSetPointerMode_v2(void* handle, int mode) {
  COUNTED;
  static_cast<Handle*>(handle)->pointer_mode = mode;
  return success;
}
int cublasGetPointerMode_v2(void* handle, int* mode) {
  COUNTED;
  *mode = static_cast<Handle*>(handle)->pointer_mode;
  return success;
}
int cublasSetAtomicsMode(void*, int) {
  COUNTED;
  return success;
}

int cublasSgemm_v2(void* h, int ta, int tb, int m, int n, int k, const float* alpha, const float* a, int lda,
                   const float* b, int ldb, const float* beta, float* c, int ldc) {
  COUNTED;
  return gemm<float>(h, {ta, tb, m, n, k, lda, 0, ldb, 0, ldc, 0, 1}, handle_wants_tf32(h), alpha, a, b, beta,
                     c);
}
int cublasDgemm_v2(void* h, int ta, int tb, int m, int n, int k, const double* alpha, const double* a,
                   int lda, const double* b, int ldb, const double* beta, double* c, int ldc) {
  COUNTED;
  return gemm<double>(h, {ta, tb, m, n, k, lda, 0, ldb, 0, ldc, 0, 1}, false, alpha, a, b, beta, c);
}
int cublasSgemmStridedBatched(void* h, int ta, int tb, int m, int n, int k, const float* alpha,
                              const float* a, int lda, long long sa, const float* b, int ldb, long long sb,
                              const float* beta, float* c, int ldc, long long sc, int batches) {
  COUNTED;
  return gemm<float>(h, {ta, tb, m, n, k, lda, sa, ldb, sb, ldc, sc, batches}, handle_wants_tf32(h), alpha, a,
                     b, beta, c);
}
int cublasDgemmStridedBatched(void* h, int ta, int tb, int m, int n, int k, const double* alpha,
                              const double* a, int lda, long long sa, const double* b, int ldb, long long sb,
                              const double* beta, double* c, int ldc, long long sc, int batches) {
  COUNTED;
  return gemm<double>(h, {ta, tb, m, n, k, lda, sa, ldb, sb, ldc, sc, batches}, false, alpha, a, b, beta, c);
}
int cublasGemmEx(void* h, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int type_a,
                 int lda, const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc,
                 int compute, int) {
  COUNTED;
  return gemm_ex(h, {ta, tb, m, n, k, lda, 0, ldb, 0, ldc, 0, 1}, alpha, a, type_a, b, type_b, beta, c,
                 type_c, compute);
}
int cublasGemmStridedBatchedEx(void* h, int ta, int tb, int m, int n, int k, const void* alpha, const void* a,
                               int type_a, int lda, long long sa, const void* b, int type_b, int ldb,
                               long long sb, const void* beta, void* c, int type_c, int ldc, long long sc,
                               int batches, int compute, int) {
  COUNTED;
  return gemm_ex(h, {ta, tb, m, n, k, lda, sa, ldb, sb, ldc, sc, batches}, alpha, a, type_a, b, type_b, beta,
                 c, type_c, compute);
}
}
