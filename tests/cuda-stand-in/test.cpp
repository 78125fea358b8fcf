//! The stand-in tried through the driver's interface with the kernels of toys.cu; test.sh runs each part.
//! The expected values are closed forms, a triple loop, or what CUDA's programming guide says.
#include "test.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

int failures = 0;
CUstream stream;
static CUcontext context;
static CUmodule module_;

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

  struct Plan {
    int n;
    float by;
  } plan{250, 0.5f};
  MUST(launch("scale", 1, 256, da.p, plan));
  auto halves = da.host();
  for (int i = 0; i < n; ++i) CHECK(halves[i] == 0.5f * i);

  Device<unsigned> places(2 * 3 * 4 * 5 * 3 * 2);
  void* arguments[] = {&places.p};
  MUST(cuLaunchKernel(function("where"), 2, 3, 4, 5, 3, 2, 0, stream, arguments, nullptr));
  auto w = places.host();
  size_t i = 0;
  for (unsigned bz = 0; bz < 4; ++bz)
    for (unsigned by = 0; by < 3; ++by)
      for (unsigned bx = 0; bx < 2; ++bx)
        for (unsigned z = 0; z < 2; ++z)
          for (unsigned y = 0; y < 3; ++y)
            for (unsigned x = 0; x < 5; ++x)
              CHECK(w[i++] == (bz << 20 | by << 16 | bx << 12 | z << 8 | y << 4 | x));

  std::vector<float> x{0.25f, 1.0f, 3.0f, 7.5f};
  Device<float> dx(x), dy(4);
  MUST(launch("mathematics", 1, 32, dx.p, dy.p, 4));
  auto y = dy.host();
  for (int k = 0; k < 4; ++k) {
    double v = x[k];
    double want = exp(v) + log(v) + sqrt(v) + 1 / sqrt(v) + std::max(v, 2.0) + std::min(v, 2.0) + v + erf(v) +
                  v / 3 + v + exp(-v) + std::max(k, 3) + std::min(v, 1.0);
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
  CHECK(cuLaunchKernel(function("nothing"), 1, 65536, 1, 32, 1, 1, 0, stream, arguments, nullptr) ==
        CUDA_ERROR_INVALID_VALUE);
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
  MUST(cuModuleLoadData(&ptx,
                        "\n.version 9.0\n.visible .entry add(\n.param .u64 a,\n.param .u64 b,\n.param .u64 "
                        "c,\n.param .u32 n\n)\n"
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

/// out += x, recorded once: done at each launch, with what x holds then.
static void recorded() {
  const int n = 100;
  Device<float> x(std::vector<float>(n, 1.0f)), out(std::vector<float>(n, 0.0f));
  const auto mode = CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
  CHECK(cuStreamBeginCapture(nullptr, mode) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  MUST(cuStreamBeginCapture(stream, mode));
  {
    int until = n;  // gone when the graph is launched
    MUST(launch("add", 1, 256, out.p, x.p, out.p, until));
    until = 0;
  }
  CHECK(cuStreamSynchronize(stream) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CHECK(cuMemsetD8Async(x.p, 0, 4, stream) == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CUgraph graph;
  CUgraphExec exec;
  MUST(cuStreamEndCapture(stream, &graph));
  MUST(cuGraphInstantiate(&exec, graph, 0));
  CHECK(out.host()[n - 1] == 0.0f);
  MUST(cuGraphLaunch(exec, stream));
  CHECK(out.host()[n - 1] == 1.0f);
  const std::vector<float> two(n, 2.0f);
  MUST(cuMemcpyHtoDAsync(x.p, two.data(), n * sizeof(float), stream));
  MUST(cuGraphLaunch(exec, stream));
  for (float v : out.host()) CHECK(v == 3.0f);
  MUST(cuGraphExecDestroy(exec));
  MUST(cuGraphDestroy(graph));
}

int main(int argc, char** argv) {
  MUST(cuInit(0));
  CUdevice device;
  MUST(cuDeviceGet(&device, 0));
  MUST(cuDevicePrimaryCtxRetain(&context, device));
  MUST(cuCtxSetCurrent(context));
  MUST(cuStreamCreate(&stream, 0));
  std::string image =
      "\x7f"
      "ELF";
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
      {"recorded", recorded},
      {"pinned", pinned},
      {"pinned_source_changed", pinned_source_changed},
      {"past_shared",
       [] {
         Device<float> x(32);
         MUST(launch("past_shared", 1, 32, x.p, 8));
       }},
      {"misaligned",
       [] {
         Device<float> x(32);
         struct Plan {
           int n;
           float by;
         } plan{1, 0.5f};
         MUST(launch("scale", 1, 32, x.p + 4, plan));
       }},
      {"gemm", gemm},
      {"neighbour", [] { hash_of("neighbour"); }},
      {"neighbour_no_barrier", [] { hash_of("neighbour_no_barrier"); }},
      {"same_by_block", [] { hash_of("same_by_block"); }},
      {"other_by_block", [] { hash_of("other_by_block"); }},
      {"leaves",
       [] {
         Device<int> x(64);
         CHECK(launch("leaves", 1, 64, x.p) == CUDA_ERROR_LAUNCH_FAILED);
         CHECK(cuStreamSynchronize(stream) == CUDA_ERROR_LAUNCH_FAILED);
       }},
      {"write_past_end",
       [] {
         Device<float> x(50);
         MUST(launch("write_at", 1, 1, x.p, 50ll));
       }},
      {"write_past_end_checked",
       [] {
         Device<float> x(50);
         CHECK(launch("write_at", 1, 1, x.p, 50ll) == CUDA_ERROR_ILLEGAL_ADDRESS);
       }},
      {"write_before_start",
       [] {
         Device<float> x(50);
         MUST(launch("write_at", 1, 1, x.p, -1ll));
       }},
      {"write_inside",
       [] {
         Device<float> x(50);
         MUST(launch("write_at", 1, 1, x.p, 49ll));
       }},
      {"read_past_end",
       [] {
         Device<float> x(52), y(1);
         MUST(launch("read_at", 1, 1, x.p, y.p, 52ll));
         printf("%f\n", y.host()[0]);
       }},
      {"read_freed",
       [] {
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
