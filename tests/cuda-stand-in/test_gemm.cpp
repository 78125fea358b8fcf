//! cuBLAS's products against a triple loop over small integers (exact), and the rounding to TF32 of known
//! numbers.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>

#include "test.h"

extern "C" {
int cublasCreate_v2(void**);
int cublasSetMathMode(void*, int);
int cublasSgemm_v2(void*, int, int, int, int, int, const float*, const float*, int, const float*, int,
                   const float*, float*, int);
int cublasSgemmStridedBatched(void*, int, int, int, int, int, const float*, const float*, int, long long,
                              const float*, int, long long, const float*, float*, int, long long, int);
int cublasDgemmStridedBatched(void*, int, int, int, int, int, const double*, const double*, int, long long,
                              const double*, int, long long, const double*, double*, int, long long, int);
int cublasGemmStridedBatchedEx(void*, int, int, int, int, int, const void*, const void*, int, int, long long,
                               const void*, int, int, long long, const void*, void*, int, int, long long, int,
                               int, int);
}

static uint64_t state = 1;
static int small_integer() {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return int(state >> 40) % 17 - 8;
}

template <class T>
static void gemm_against_loop(void* blas, int ta, int tb, int m, int n, int k, T alpha, T beta, int batches,
                              int compute) {
  const int rows_a = ta ? k : m, cols_a = ta ? m : k, rows_b = tb ? n : k, cols_b = tb ? k : n;
  const int lda = rows_a + 3, ldb = rows_b + 1, ldc = m + 2;
  const long long sa = lda * cols_a + 5, sb = batches > 2 ? 0 : ldb * cols_b, sc = ldc * n + 7;
  auto random = [](size_t size) {
    std::vector<T> v(size);
    for (T& x : v) x = small_integer();
    return v;
  };
  auto a = random(sa * batches), b = random(sb * batches + ldb * cols_b), c = random(sc * batches);
  if (beta == 0)
    for (T& x : c) x = std::numeric_limits<T>::quiet_NaN();
  Device<T> da(a), db(b), dc(c);
  int status;
  if (compute) {
    int type = sizeof(T) == 4 ? 0 : 1;
    status = cublasGemmStridedBatchedEx(blas, ta, tb, m, n, k, &alpha, da.data(), type, lda, sa, db.data(),
                                        type, ldb, sb, &beta, dc.data(), type, ldc, sc, batches, compute, -1);
  } else if constexpr (sizeof(T) == 4) {
    status = batches == 1 ? cublasSgemm_v2(blas, ta, tb, m, n, k, &alpha, da.data(), lda, db.data(), ldb,
                                           &beta, dc.data(), ldc)
                          : cublasSgemmStridedBatched(blas, ta, tb, m, n, k, &alpha, da.data(), lda, sa,
                                                      db.data(), ldb, sb, &beta, dc.data(), ldc, sc, batches);
  } else {
    status = cublasDgemmStridedBatched(blas, ta, tb, m, n, k, &alpha, da.data(), lda, sa, db.data(), ldb, sb,
                                       &beta, dc.data(), ldc, sc, batches);
  }
  MUST(status);
  auto got = dc.host();
  bool equal = true;
  for (int x = 0; x < batches; ++x)
    for (int j = 0; j < n; ++j)
      for (int i = 0; i < ldc; ++i) {
        T was = c[x * sc + j * ldc + i], is = got[x * sc + j * ldc + i], want = was;
        if (i < m) {
          double sum = 0;
          for (int p = 0; p < k; ++p)
            sum += double(a[x * sa + (ta ? p + i * lda : i + p * lda)]) *
                   double(b[x * sb + (tb ? j + p * ldb : p + j * ldb)]);
          want = alpha * T(sum) + (beta == 0 ? T(0) : beta * was);
        }
        equal &= is == want || (std::isnan(is) && std::isnan(want));
      }
  if (!equal)
    printf("gemm %d %d, %d x %d x %d, %d batches, compute %d differs\n", ta, tb, m, n, k, batches, compute),
        ++failures;
}

void gemm() {
  void* blas;
  MUST(cublasCreate_v2(&blas));
  const int sizes[][3] = {{1, 1, 1},      {5, 7, 3},      {16, 6, 8},     {33, 13, 40},
                          {130, 97, 129}, {20, 11, 1100}, {300, 310, 260}};
  for (auto& s : sizes)
    for (int ta = 0; ta < 3; ++ta)
      for (int tb = 0; tb < 3; ++tb) {
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 1, 0);
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], -2, 3, 2, 0);
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 0.5f, 1, 3, 68);
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 2,
                                 77);  // small integers are TF32 numbers
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 2, 69);
        gemm_against_loop<double>(blas, ta, tb, s[0], s[1], s[2], 2, 1, 2, 0);
        gemm_against_loop<double>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 3, 70);
      }
  gemm_against_loop<float>(blas, 0, 1, 8, 9, 0, 1, 2, 2, 0);  // no terms: C is only scaled

  // 1 + 2^-11 lies between the TF32 numbers 1 and 1 + 2^-10 and goes up; 1 + 2^-12 goes down; 2^-11 + 2^-21
  // keeps its bits
  const float one = 1, zero = 0;
  std::vector<float> a{1 + 0x1p-11f, 1 + 0x1p-12f, 0x1p-11f + 0x1p-21f, -1 - 0x1p-11f}, b{1};
  Device<float> da(a), db(b), dc(4);
  auto outer = [&](int compute) {
    MUST(cublasGemmStridedBatchedEx(blas, 0, 0, 4, 1, 1, &one, da.data(), 0, 4, 0, db.data(), 0, 1, 0, &zero,
                                    dc.data(), 0, 4, 0, 1, compute, -1));
    return dc.host();
  };
  const std::vector<float> rounded{1 + 0x1p-10f, 1, 0x1p-11f + 0x1p-21f, -1 - 0x1p-10f};
  CHECK(outer(77) == rounded);
  CHECK(outer(68) == a);
  MUST(cublasSetMathMode(blas, 3));
  CHECK(outer(68) == rounded);
  CHECK(outer(69) == a);
  MUST(cublasSetMathMode(blas, 0));

  auto status = [&](int ta, int tb, int m, int n, int k, int lda, int ldb, int ldc) {
    Device<float> x(100);
    return cublasSgemm_v2(blas, ta, tb, m, n, k, &one, x.data(), lda, x.data(), ldb, &zero, x.data(), ldc);
  };
  CHECK(status(0, 0, 4, 5, 6, 3, 6, 4) == 7);
  CHECK(status(1, 0, 4, 5, 6, 4, 6, 4) == 7);
  CHECK(status(0, 0, 4, 5, 6, 4, 5, 4) == 7);
  CHECK(status(0, 1, 4, 5, 6, 4, 4, 4) == 7);
  CHECK(status(0, 0, 4, 5, 6, 4, 6, 3) == 7);
  CHECK(status(0, 0, -1, 5, 6, 4, 6, 4) == 7);
  CHECK(status(0, 0, 0, 5, 6, 4, 6, 4) == 0);
  CHECK(status(0, 0, 4, 5, 6, 4, 20, 4) == 0);   // 4 columns of 20 and one of 6: 86 numbers of 100
  CHECK(status(0, 0, 4, 5, 6, 4, 24, 4) == 13);  // 102 numbers

  const int m = 512, n = 512, k = 512;
  Device<float> x(std::vector<float>(m * k, 1.0f)), y(std::vector<float>(k * n, 1.0f)), z(m * n);
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i)
    MUST(cublasSgemm_v2(blas, 0, 1, m, n, k, &one, x.data(), m, y.data(), n, &zero, z.data(), m));
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  printf("%.1f GFLOP/s\n", 2.0 * m * n * k * 10 / seconds / 1e9);
}
