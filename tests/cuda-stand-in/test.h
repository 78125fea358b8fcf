//! What the parts of the test share.
#pragma once
#include <cuda.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

extern int failures;
extern CUstream stream;

#define CHECK(ok)                                             \
  do {                                                        \
    if (!(ok)) {                                              \
      printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #ok); \
      ++failures;                                             \
    }                                                         \
  } while (0)
#define MUST(call)                                                    \
  do {                                                                \
    int code = int(call);                                             \
    if (code) {                                                       \
      printf("%s:%d: %s gave %d\n", __FILE__, __LINE__, #call, code); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

template <class T>
struct Device {
  CUdeviceptr p = 0;
  size_t n;
  explicit Device(size_t n) : n(n) { MUST(cuMemAllocAsync(&p, n * sizeof(T), stream)); }
  explicit Device(const std::vector<T>& v) : Device(v.size()) {
    MUST(cuMemcpyHtoDAsync(p, v.data(), n * sizeof(T), stream));
  }
  ~Device() { cuMemFreeAsync(p, stream); }
  std::vector<T> host() const {
    std::vector<T> v(n);
    MUST(cuMemcpyDtoHAsync(v.data(), p, n * sizeof(T), stream));
    MUST(cuStreamSynchronize(stream));
    return v;
  }
  T* data() const { return reinterpret_cast<T*>(p); }
};

void gemm();
