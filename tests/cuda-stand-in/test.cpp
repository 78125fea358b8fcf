//! The stand-in tried through the driver's interface with the kernels of toys.cu; test.sh runs each part.
//! The expected values are closed forms, a triple loop, or what CUDA's programming guide says.
#include <cuda.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <vector>

extern "C" {
int cublasCreate_v2(void**);
int cublasSetMathMode(void*, int);
int cublasSgemm_v2(void*, int, int, int, int, int, const float*, const float*, int, const float*, int, const float*, float*, int);
int cublasSgemmStridedBatched(void*, int, int, int, int, int, const float*, const float*, int, long long, const float*, int, long long, const float*, float*, int, long long, int);
int cublasDgemmStridedBatched(void*, int, int, int, int, int, const double*, const double*, int, long long, const double*, int, long long, const double*, double*, int, long long, int);
int cublasGemmStridedBatchedEx(void*, int, int, int, int, int, const void*, const void*, int, int, long long, const void*, int, int, long long, const void*, void*, int, int, long long, int, int, int);
}

static int failures = 0;
#define CHECK(ok) \
  do { if (!(ok)) { printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #ok); ++failures; } } while (0)
#define MUST(call) \
  do { int code = int(call); if (code) { printf("%s:%d: %s gave %d\n", __FILE__, __LINE__, #call, code); exit(1); } } while (0)

static CUcontext context;
static CUmodule module_;
static CUstream stream;

static CUfunction function(const char* name) {
  CUfunction f;
  MUST(cuModuleGetFunction(&f, module_, name));
  return f;
}

template <class... A>
static CUresult launch(const char* name, unsigned grid, unsigned block, A... arguments) {
  void* pointers[] = {&arguments...};
  return cuLaunchKernel(function(name), grid, 1, 1, block, 1, 1, 0, stream, pointers, nullptr);
}

template <class T>
struct Device {
  CUdeviceptr p = 0;
  size_t n;
  explicit Device(size_t n) : n(n) { MUST(cuMemAllocAsync(&p, n * sizeof(T), stream)); }
  explicit Device(const std::vector<T>& v) : Device(v.size()) { MUST(cuMemcpyHtoDAsync(p, v.data(), n * sizeof(T), stream)); }
  ~Device() { cuMemFreeAsync(p, stream); }
  std::vector<T> host() const {
    std::vector<T> v(n);
    MUST(cuMemcpyDtoHAsync(v.data(), p, n * sizeof(T), stream));
    MUST(cuStreamSynchronize(stream));
    return v;
  }
  T* data() const { return reinterpret_cast<T*>(p); }
};

static void kernels() {
  const int n = 1000;
  std::vector<float> a(n), b(n);
  for (int i = 0; i < n; ++i) a[i] = i, b[i] = 2 * i;
  Device<float> da(a), db(b), dc(n);
  CHECK(std::isnan(dc.host()[5]));  // fresh memory
  MUST(launch("add", 4, 256, da.p, db.p, dc.p, n));
  auto c = dc.host();
  for (int i = 0; i < n; ++i) CHECK(c[i] == 3.0f * i);

  Device<double> sums(3);
  MUST(launch("block_sum", 3, 256, da.p, sums.p, n));
  auto s = sums.host();
  CHECK(s[0] + s[1] + s[2] == n * (n - 1) / 2);
  double first = 0;
  for (int i = 0; i < 256; ++i) first += i + (i + 768 < n ? i + 768 : 0);
  CHECK(s[0] == first);

  Device<float> box(256);
  MUST(launch("uninitialised", 200, 256, box.p));
  auto seen = box.host();
  for (int i = 0; i < 256; ++i) CHECK(i == 7 ? std::isnan(seen[i]) : seen[i] == 1.0f);

  Device<float> rows(std::vector<float>(3 * 64, 2.0f)), totals(3);
  Device<double> squares(3);
  MUST(launch("row_sums", 3, 64, rows.p, totals.p, squares.p));
  for (int r = 0; r < 3; ++r) CHECK(totals.host()[r] == 128 + 0.5f && squares.host()[r] == 256);

  struct Plan { int n; float by; } plan{250, 0.5f};
  MUST(launch("scale", 1, 256, da.p, plan));
  auto halves = da.host();
  for (int i = 0; i < n; ++i) CHECK(halves[i] == 0.5f * i);

  Device<unsigned> places(2 * 3 * 4 * 5 * 3 * 2);
  void* arguments[] = {&places.p};
  MUST(cuLaunchKernel(function("where"), 2, 3, 4, 5, 3, 2, 0, stream, arguments, nullptr));
  auto w = places.host();
  size_t i = 0;
  for (unsigned bz = 0; bz < 4; ++bz) for (unsigned by = 0; by < 3; ++by) for (unsigned bx = 0; bx < 2; ++bx)
    for (unsigned z = 0; z < 2; ++z) for (unsigned y = 0; y < 3; ++y) for (unsigned x = 0; x < 5; ++x)
      CHECK(w[i++] == (bz << 20 | by << 16 | bx << 12 | z << 8 | y << 4 | x));

  std::vector<float> x{0.25f, 1.0f, 3.0f, 7.5f};
  Device<float> dx(x), dy(4);
  MUST(launch("mathematics", 1, 32, dx.p, dy.p, 4));
  auto y = dy.host();
  for (int k = 0; k < 4; ++k) {
    double v = x[k];
    double want = exp(v) + log(v) + sqrt(v) + 1 / sqrt(v) + std::max(v, 2.0) + std::min(v, 2.0) + v + erf(v) + v / 3 + v + exp(-v) +
                  std::max(k, 3) + std::min(v, 1.0);
    CHECK(std::fabs(y[k] - want) < 1e-6 * want);
  }
}

static void shuffles() {
  Device<int> out(256);
  Device<float> floats(32);
  MUST(launch("shuffles", 1, 32, out.p, floats.p));
  auto o = out.host();
  auto f = floats.host();
  for (int lane = 0; lane < 32; ++lane) {
    CHECK(o[lane] == 5);
    CHECK(o[32 + lane] == lane / 8 * 8 + 1);
    CHECK(o[64 + lane] == (lane + 3 < 32 ? lane + 3 : lane));
    CHECK(o[96 + lane] == (lane % 8 + 3 < 8 ? lane + 3 : lane));
    CHECK(o[128 + lane] == (lane % 16 >= 2 ? lane - 2 : lane));
    CHECK(o[160 + lane] == (lane ^ 9));
    CHECK(unsigned(o[192 + lane]) == 0x49249249u);
    CHECK(o[224 + lane] == (lane < 16 ? lane ^ 1 : 0));
    CHECK(lane < 8 ? f[lane] == 1.5f : lane < 16 ? std::isnan(f[lane]) : f[lane] == 0.0f);
  }
}

static void hash_of(const char* name) {
  Device<int> out(256);
  MUST(launch(name, 3, 256, out.p));
  unsigned hash = 0;
  for (int v : out.host()) hash = hash * 31 + unsigned(v);
  printf("%u\n", hash);
}

static void refusals() {
  Device<float> x(64);
  CUfunction f;
  CHECK(cuModuleGetFunction(&f, module_, "no_such_kernel") == CUDA_ERROR_NOT_FOUND);
  CHECK(launch("block_sum", 1, 512, x.p, x.p, 0) == CUDA_ERROR_INVALID_VALUE);  // over its launch bound
  CHECK(launch("nothing", 1, 2048, x.p, 0) == CUDA_ERROR_INVALID_VALUE);
  CHECK(launch("nothing", 0, 32, x.p, 0) == CUDA_ERROR_INVALID_VALUE);
  int none = 0;
  void* arguments[] = {&x.p, &none};
  CHECK(cuLaunchKernel(function("nothing"), 1, 65536, 1, 32, 1, 1, 0, stream, arguments, nullptr) == CUDA_ERROR_INVALID_VALUE);
  CHECK(cuMemsetD8Async(x.p, 0, 257, stream) == CUDA_ERROR_INVALID_VALUE);
  float host[128];
  CHECK(cuMemcpyDtoH(host, x.p + 4, 256) == CUDA_ERROR_INVALID_VALUE);
  // a thread without a context gets nothing done
  CUdeviceptr p;
  MUST(cuCtxSetCurrent(nullptr));
  CHECK(cuMemAlloc(&p, 4) == CUDA_ERROR_INVALID_CONTEXT);
  CHECK(cuMemcpyHtoD(x.p, host, 4) == CUDA_ERROR_INVALID_CONTEXT);
  CHECK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, stream, arguments, nullptr) == CUDA_ERROR_INVALID_CONTEXT);
  MUST(cuCtxSetCurrent(context));
  // PTX is believed: a kernel that it lacks is not found even if the stand-in has it
  CUmodule ptx;
  MUST(cuModuleLoadData(&ptx, "\n.version 9.0\n.visible .entry add(\n.param .u64 a,\n.param .u64 b,\n.param .u64 c,\n.param .u32 n\n)\n"
                              ".visible .entry nothing(\n.param .u64 a\n)\n{ld.param.u64}"));
  CHECK(cuModuleGetFunction(&f, ptx, "add") == CUDA_SUCCESS);
  CHECK(cuModuleGetFunction(&f, ptx, "scale") == CUDA_ERROR_NOT_FOUND);
  CHECK(cuModuleGetFunction(&f, ptx, "nothing") == CUDA_ERROR_NOT_FOUND);  // it takes two
}

// with STAND_IN_MEMORY=1000000
static void memory() {
  size_t free_bytes, total;
  MUST(cuMemGetInfo(&free_bytes, &total));
  CHECK(total == 1000000 && free_bytes == total);
  CUdeviceptr a, b;
  MUST(cuMemAlloc(&a, 600000));
  CHECK(cuMemAllocAsync(&b, 400001, stream) == CUDA_ERROR_OUT_OF_MEMORY);
  MUST(cuMemAllocAsync(&b, 400000, stream));
  MUST(cuMemGetInfo(&free_bytes, &total));
  CHECK(free_bytes == 0);
  MUST(cuMemFree(a));
  MUST(cuMemFreeAsync(b, stream));
  MUST(cuMemGetInfo(&free_bytes, &total));
  CHECK(free_bytes == total);
  CHECK(a % 256 == 0 && b % 256 == 0);
}

// the host sees what a copy to pinned memory brings only after it has waited
static void pinned() {
  Device<float> x(std::vector<float>{1, 2, 3, 4});
  float* host;
  CUevent first;
  CUstream other;
  MUST(cuMemHostAlloc(reinterpret_cast<void**>(&host), 48, 0));
  MUST(cuEventCreate(&first, CU_EVENT_DISABLE_TIMING));
  MUST(cuStreamCreate(&other, 0));
  MUST(cuMemcpyDtoHAsync(host, x.p, 16, stream));
  MUST(cuEventRecord(first, stream));
  MUST(launch("write_at", 1, 1, x.p, 0ll));
  MUST(launch("write_at", 1, 1, x.p, 3ll));
  MUST(cuMemcpyDtoHAsync(host + 4, x.p, 16, stream));
  MUST(cuMemcpyDtoHAsync(host + 8, x.p, 16, other));
  for (int i = 0; i < 12; ++i) CHECK(std::isnan(host[i]));
  MUST(cuEventSynchronize(first));
  CHECK(host[3] == 4 && std::isnan(host[7]) && std::isnan(host[11]));
  MUST(cuStreamSynchronize(stream));
  CHECK(host[7] == 1 && std::isnan(host[11]));
  MUST(cuCtxSynchronize());
  CHECK(host[11] == 1);
  // a source may change after the wait, not before
  MUST(cuMemcpyHtoDAsync(x.p, host, 16, stream));
  MUST(cuStreamSynchronize(stream));
  host[0] = 5;
  MUST(cuMemcpyHtoDAsync(x.p, host, 16, stream));
  MUST(cuStreamSynchronize(stream));
  CHECK(x.host()[0] == 5);
  MUST(cuMemFreeHost(host));
}

static void pinned_source_changed() {
  Device<float> x(4);
  float* host;
  MUST(cuMemHostAlloc(reinterpret_cast<void**>(&host), 16, 0));
  MUST(cuMemcpyHtoDAsync(x.p, host, 16, stream));
  host[2] = 1;
  CHECK(cuStreamSynchronize(stream) == CUDA_ERROR_ILLEGAL_STATE);
}

static void events() {
  CUevent start, end;
  MUST(cuEventCreate(&start, 0));
  MUST(cuEventCreate(&end, 0));
  Device<float> x(1 << 20);
  MUST(cuEventRecord(start, stream));
  MUST(launch("nothing", 1 << 12, 256, x.p, 1 << 20));
  MUST(cuEventRecord(end, stream));
  float ms = -1;
  MUST(cuEventElapsedTime(&ms, start, end));
  CHECK(ms > 0);
  printf("%.1f million threads a second without barriers\n", (1 << 20) / ms / 1e3);
  Device<float> in(std::vector<float>(1 << 20, 1.0f));
  Device<double> sums(1 << 12);
  MUST(cuEventRecord(start, stream));
  MUST(launch("block_sum", 1 << 12, 256, in.p, sums.p, 1 << 20));
  MUST(cuEventRecord(end, stream));
  MUST(cuEventElapsedTime(&ms, start, end));
  printf("%.1f million threads a second with 5 shuffles and a barrier\n", (1 << 20) / ms / 1e3);
}

// ---- matrix products
static uint64_t state = 1;
static int small_integer() {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return int(state >> 40) % 17 - 8;
}

template <class T>
static void gemm_against_loop(void* blas, int ta, int tb, int m, int n, int k, T alpha, T beta, int batches, int compute) {
  const int rows_a = ta ? k : m, cols_a = ta ? m : k, rows_b = tb ? n : k, cols_b = tb ? k : n;
  const int lda = rows_a + 3, ldb = rows_b + 1, ldc = m + 2;
  const long long sa = lda * cols_a + 5, sb = batches > 2 ? 0 : ldb * cols_b, sc = ldc * n + 7;
  auto random = [](size_t size) {
    std::vector<T> v(size);
    for (T& x : v) x = small_integer();
    return v;
  };
  auto a = random(sa * batches), b = random(sb * batches + ldb * cols_b), c = random(sc * batches);
  if (beta == 0) for (T& x : c) x = std::numeric_limits<T>::quiet_NaN();
  Device<T> da(a), db(b), dc(c);
  int status;
  if (compute) {
    int type = sizeof(T) == 4 ? 0 : 1;
    status = cublasGemmStridedBatchedEx(blas, ta, tb, m, n, k, &alpha, da.data(), type, lda, sa, db.data(), type, ldb, sb, &beta, dc.data(), type, ldc, sc, batches, compute, -1);
  } else if constexpr (sizeof(T) == 4) {
    status = batches == 1 ? cublasSgemm_v2(blas, ta, tb, m, n, k, &alpha, da.data(), lda, db.data(), ldb, &beta, dc.data(), ldc)
                          : cublasSgemmStridedBatched(blas, ta, tb, m, n, k, &alpha, da.data(), lda, sa, db.data(), ldb, sb, &beta, dc.data(), ldc, sc, batches);
  } else {
    status = cublasDgemmStridedBatched(blas, ta, tb, m, n, k, &alpha, da.data(), lda, sa, db.data(), ldb, sb, &beta, dc.data(), ldc, sc, batches);
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
            sum += double(a[x * sa + (ta ? p + i * lda : i + p * lda)]) * double(b[x * sb + (tb ? j + p * ldb : p + j * ldb)]);
          want = alpha * T(sum) + (beta == 0 ? T(0) : beta * was);
        }
        equal &= is == want || (std::isnan(is) && std::isnan(want));
      }
  if (!equal) printf("gemm %d %d, %d x %d x %d, %d batches, compute %d differs\n", ta, tb, m, n, k, batches, compute), ++failures;
}

static void gemm() {
  void* blas;
  MUST(cublasCreate_v2(&blas));
  const int sizes[][3] = {{1, 1, 1}, {5, 7, 3}, {16, 6, 8}, {33, 13, 40}, {130, 97, 129}, {20, 11, 1100}, {300, 310, 260}};
  for (auto& s : sizes)
    for (int ta = 0; ta < 3; ++ta)
      for (int tb = 0; tb < 3; ++tb) {
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 1, 0);
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], -2, 3, 2, 0);
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 0.5f, 1, 3, 68);
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 2, 77);  // small integers are TF32 numbers
        gemm_against_loop<float>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 2, 69);
        gemm_against_loop<double>(blas, ta, tb, s[0], s[1], s[2], 2, 1, 2, 0);
        gemm_against_loop<double>(blas, ta, tb, s[0], s[1], s[2], 1, 0, 3, 70);
      }
  gemm_against_loop<float>(blas, 0, 1, 8, 9, 0, 1, 2, 2, 0);  // no terms: C is only scaled

  // 1 + 2^-11 lies between the TF32 numbers 1 and 1 + 2^-10 and goes up; 1 + 2^-12 goes down; 2^-11 + 2^-21 keeps its bits
  const float one = 1, zero = 0;
  std::vector<float> a{1 + 0x1p-11f, 1 + 0x1p-12f, 0x1p-11f + 0x1p-21f, -1 - 0x1p-11f}, b{1};
  Device<float> da(a), db(b), dc(4);
  auto outer = [&](int compute) {
    MUST(cublasGemmStridedBatchedEx(blas, 0, 0, 4, 1, 1, &one, da.data(), 0, 4, 0, db.data(), 0, 1, 0, &zero, dc.data(), 0, 4, 0, 1, compute, -1));
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
  for (int i = 0; i < 10; ++i) MUST(cublasSgemm_v2(blas, 0, 1, m, n, k, &one, x.data(), m, y.data(), n, &zero, z.data(), m));
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  printf("%.1f GFLOP/s\n", 2.0 * m * n * k * 10 / seconds / 1e9);
}

int main(int argc, char** argv) {
  MUST(cuInit(0));
  CUdevice device;
  MUST(cuDeviceGet(&device, 0));
  MUST(cuDevicePrimaryCtxRetain(&context, device));
  MUST(cuCtxSetCurrent(context));
  MUST(cuStreamCreate(&stream, 0));
  std::string image = "\x7f" "ELF";
  if (argc > 2) {
    std::ifstream file(argv[2]);
    image.assign(std::istreambuf_iterator<char>(file), {});
  }
  MUST(cuModuleLoadData(&module_, image.c_str()));
  const std::map<std::string, std::function<void()>> parts{
      {"kernels", kernels},
      {"shuffles", shuffles},
      {"refusals", refusals},
      {"memory", memory},
      {"events", events},
      {"pinned", pinned},
      {"pinned_source_changed", pinned_source_changed},
      {"past_shared", [] {
         Device<float> x(32);
         MUST(launch("past_shared", 1, 32, x.p, 8));
       }},
      {"misaligned", [] {
         Device<float> x(32);
         struct Plan { int n; float by; } plan{1, 0.5f};
         MUST(launch("scale", 1, 32, x.p + 4, plan));
       }},
      {"gemm", gemm},
      {"neighbour", [] { hash_of("neighbour"); }},
      {"neighbour_no_barrier", [] { hash_of("neighbour_no_barrier"); }},
      {"same_by_block", [] { hash_of("same_by_block"); }},
      {"other_by_block", [] { hash_of("other_by_block"); }},
      {"leaves", [] {
         Device<int> x(64);
         CHECK(launch("leaves", 1, 64, x.p) == CUDA_ERROR_LAUNCH_FAILED);
         CHECK(cuStreamSynchronize(stream) == CUDA_ERROR_LAUNCH_FAILED);
       }},
      {"write_past_end", [] {
         Device<float> x(50);
         MUST(launch("write_at", 1, 1, x.p, 50ll));
       }},
      {"write_past_end_checked", [] {
         Device<float> x(50);
         CHECK(launch("write_at", 1, 1, x.p, 50ll) == CUDA_ERROR_ILLEGAL_ADDRESS);
       }},
      {"write_before_start", [] {
         Device<float> x(50);
         MUST(launch("write_at", 1, 1, x.p, -1ll));
       }},
      {"write_inside", [] {
         Device<float> x(50);
         MUST(launch("write_at", 1, 1, x.p, 49ll));
       }},
      {"read_past_end", [] {
         Device<float> x(52), y(1);
         MUST(launch("read_at", 1, 1, x.p, y.p, 52ll));
         printf("%f\n", y.host()[0]);
       }},
      {"read_freed", [] {
         CUdeviceptr x;
         Device<float> y(1);
         MUST(cuMemAlloc(&x, 64));
         MUST(cuMemFree(x));
         MUST(launch("read_at", 1, 1, x, y.p, 0ll));
       }},
  };
  auto part = parts.find(argc > 1 ? argv[1] : "");
  if (part == parts.end()) return 2;
  part->second();
  printf("%s: %d failures\n", argv[1], failures);
  return failures != 0;
}
