//! The driver's memory: allocations, copies and fills, each checked against the allocation it touches.
#include <algorithm>
#include <cstring>

#include "driver.h"
#include "memory.h"
#include "recording.h"

using namespace stand_in;

namespace {
void* device(CUdeviceptr p) { return reinterpret_cast<void*>(p); }

CUresult outside(const char* function, size_t bytes) {
  return fail(CUDA_ERROR_INVALID_VALUE,
              std::string(function) + ": " + std::to_string(bytes) + " bytes reach outside an allocation");
}

CUresult not_recorded(const char* function) {
  return fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
              std::string(function) + " while a stream is recorded is not part of the stand-in");
}

CUresult copy(void* to, const void* from, size_t bytes, bool to_device, bool from_device, const char* name) {
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
  if (!bytes) return CUDA_SUCCESS;
  if (recording::on()) return not_recorded(name);
  if ((to_device && !memory::inside(to, bytes)) || (from_device && !memory::inside(from, bytes)))
    return outside(name, bytes);
  memmove(to, from, bytes);
  return CUDA_SUCCESS;
}

template <class T>
CUresult fill(CUdeviceptr to, T value, size_t n, const char* name) {
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
  if (!n) return CUDA_SUCCESS;
  if (recording::on()) return not_recorded(name);
  if (!memory::inside(device(to), n * sizeof(T))) return outside(name, n * sizeof(T));
  std::fill_n(static_cast<T*>(device(to)), n, value);
  return CUDA_SUCCESS;
}

CUresult allocate(CUdeviceptr* out, size_t bytes) {
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
  if (recording::on()) return not_recorded("an allocation");
  void* data = memory::allocate(bytes);
  if (!data) return CUDA_ERROR_OUT_OF_MEMORY;
  *out = reinterpret_cast<CUdeviceptr>(data);
  return CUDA_SUCCESS;
}

CUresult release(CUdeviceptr p) {
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (!p) return CUDA_SUCCESS;
  std::string fault = memory::release(device(p), last_kernel);
  return fault.empty() ? CUDA_SUCCESS : broken(CUDA_ERROR_ILLEGAL_ADDRESS, fault);
}

}  // namespace

CUresult cuMemGetInfo(size_t* free, size_t* total) {
  ENTER;

  *total = memory::limit();
  *free = memory::limit() - memory::used();
  return CUDA_SUCCESS;
}
CUresult cuMemAlloc(CUdeviceptr* out, size_t bytes) {
  ENTER;

  return bytes ? allocate(out, bytes) : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuMemAllocAsync(CUdeviceptr* out, size_t bytes, CUstream) {
  ENTER;

  *out = 0;  // cudarc asks for 0 bytes and means it
  return bytes ? allocate(out, bytes) : CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr p) {
  ENTER;
  return release(p);
}
CUresult cuMemFreeAsync(CUdeviceptr p, CUstream) {
  ENTER;
  return release(p);
}
CUresult cuMemHostAlloc(void** out, size_t bytes, unsigned) {
  ENTER;

  *out = transfer::allocate(bytes);
  return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemFreeHost(void* p) {
  ENTER;
  return transfer::release(p) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuMemcpyHtoD(CUdeviceptr to, const void* from, size_t n) {
  ENTER;
  return copy(device(to), from, n, true, false, __func__);
}
CUresult cuMemcpyDtoH(void* to, CUdeviceptr from, size_t n) {
  ENTER;

  if (CUresult code = waits()) return code;
  return copy(to, device(from), n, false, true, __func__);
}
CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t n) {
  ENTER;
  return copy(device(to), device(from), n, true, true, __func__);
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t n, CUstream stream) {
  ENTER;

  CUresult code = copy(device(to), from, n, true, false, __func__);
  if (!code && n) transfer::from_host(from, n, stream);
  return code;
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t n, CUstream stream) {
  ENTER;

  if (!poisoned && n && memory::inside(device(from), n) && transfer::to_host(to, device(from), n, stream))
    return CUDA_SUCCESS;
  return copy(to, device(from), n, false, true, __func__);
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream) {
  ENTER;
  return copy(device(to), device(from), n, true, true, __func__);
}
CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t n, CUstream) {
  ENTER;

  return copy(device(to), device(from), n, true, true, __func__);
}
CUresult cuMemsetD8(CUdeviceptr to, unsigned char value, size_t n) {
  ENTER;
  return fill(to, value, n, __func__);
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t n, CUstream) {
  ENTER;
  return fill(to, value, n, __func__);
}
CUresult cuMemsetD32(CUdeviceptr to, unsigned value, size_t n) {
  ENTER;
  return fill(to, value, n, __func__);
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t n, CUstream) {
  ENTER;
  return fill(to, value, n, __func__);
}
