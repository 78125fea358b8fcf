//! The driver's device, context and memory pool, its errors, and what is told at the end.
#include <pthread.h>
#include <unistd.h>

#include <map>

#include "driver.h"
#include "memory.h"
#include "recording.h"

namespace stand_in {
CUresult poisoned = CUDA_SUCCESS;
const char* last_kernel = "none";

namespace {
bool faulty = false;  // something was found: the program's exit code must show it
bool initialised = false;
char context_object;
pthread_key_t current_context;  // not thread_local: that segment is the kernels' shared memory
const int made_key = pthread_key_create(&current_context, nullptr);

struct Tally {
  long calls = 0;
  double seconds = 0;
};
// of functions and, after the word "kernel", of launches; never destroyed: the program may call until its
// very end
std::map<std::string, Tally>& tallies() {
  static auto* all = new std::map<std::string, Tally>;
  return *all;
}

__attribute__((destructor)) void at_end() {
  guards("at the end");
  if (set("STAND_IN_COUNT")) {
    for (const auto& [name, tally] : tallies())
      fprintf(stderr, "cuda stand-in: %-45s %9ld times %12.6f s\n", name.c_str(), tally.calls, tally.seconds);
    fprintf(stderr, "cuda stand-in: %zu allocations with %zu bytes were never freed\n", memory::count(),
            memory::used());
  }
  if (faulty) {
    fflush(nullptr);
    _exit(99);
  }
}
}  // namespace

std::recursive_mutex& lock() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}
bool no_context() { return !pthread_getspecific(current_context); }

CUresult fail(CUresult code, const std::string& what) {
  fprintf(stderr, "cuda stand-in: %s\n", what.c_str());
  return code;
}
CUresult broken(CUresult code, const std::string& what) {
  faulty = true;
  poisoned = code;
  return fail(code, what);
}
CUresult guards(const char* when) {
  std::string fault = memory::check(last_kernel);
  return fault.empty() ? CUDA_SUCCESS : broken(CUDA_ERROR_ILLEGAL_ADDRESS, fault + " (" + when + ")");
}
CUresult waits(const void* stream, uint64_t before) {
  if (recording::on()) return fail(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the host waits while a stream is recorded");
  std::string fault = transfer::wait(before, stream);
  return fault.empty() ? poisoned : broken(CUDA_ERROR_ILLEGAL_STATE, fault);
}
}  // namespace stand_in

using namespace stand_in;

// ---- for the other libraries
extern "C" void stand_in_count(const char* name, double seconds) {
  std::lock_guard<std::recursive_mutex> hold(lock());
  Tally& tally = tallies()[name];
  ++tally.calls;
  tally.seconds += seconds;
}
extern "C" bool stand_in_inside(const void* data, size_t bytes) {
  std::lock_guard<std::recursive_mutex> hold(lock());
  return memory::inside(data, bytes);
}
extern "C" int stand_in_missing(const char* name) {
  return fail(CUDA_ERROR_NOT_SUPPORTED, std::string(name) + " is not part of the stand-in");
}

// ---- device and context
CUresult cuInit(unsigned flags) {
  ENTER;

  if (flags) return CUDA_ERROR_INVALID_VALUE;
  initialised = true;
  return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int* version) {
  ENTER;
  *version = 13000;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
  ENTER;

  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  *count = 1;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* out, int ordinal) {
  ENTER;

  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (ordinal != 0) return CUDA_ERROR_INVALID_DEVICE;
  *out = 0;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char* name, int length, CUdevice) {
  ENTER;
  snprintf(name, length, "stand-in for a CUDA device (CPU)");
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice) {
  ENTER;
  memset(uuid, 0x5a, sizeof *uuid);
  return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem(size_t* bytes, CUdevice) {
  ENTER;
  *bytes = memory::limit();
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* out, CUdevice_attribute attribute, CUdevice) {
  ENTER;

  switch (attribute) {  // figures of an H200; the clocks only matter to a report
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      *out = 9;
      break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      *out = 0;
      break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      *out = 132;
      break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      *out = 32;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
      *out = 1024;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
      *out = 64;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
      *out = 2147483647;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
      *out = 65535;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      *out = 2048;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      *out = 49152;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      *out = 232448;
      break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
      *out = 65536;
      break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
      *out = 1980000;
      break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
      *out = 3201000;
      break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
      *out = 6144;
      break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      *out = 62914560;
      break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
      *out = 1;
      break;
    default:
      *out = 0;
  }
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice) {
  ENTER;

  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  *out = reinterpret_cast<CUcontext>(&context_object);
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice) {
  ENTER;
  return CUDA_SUCCESS;
}
CUresult cuCtxDestroy(CUcontext) {
  ENTER;
  return CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext* out) {
  ENTER;
  *out = static_cast<CUcontext>(pthread_getspecific(current_context));
  return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
  ENTER;
  pthread_setspecific(current_context, context);
  return CUDA_SUCCESS;
}
CUresult cuCtxSetFlags(unsigned) {
  ENTER;
  return CUDA_SUCCESS;
}
CUresult cuCtxSynchronize() {
  ENTER;
  return no_context() ? CUDA_ERROR_INVALID_CONTEXT : waits();
}
CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  ENTER;
  *least = 0;
  *greatest = -5;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool, CUdevice) {
  ENTER;
  *pool = reinterpret_cast<CUmemoryPool>(&context_object);
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice) {
  ENTER;
  *pool = reinterpret_cast<CUmemoryPool>(&context_object);
  return CUDA_SUCCESS;
}
CUresult cuMemPoolSetAttribute(CUmemoryPool, CUmemPool_attribute, void*) {
  ENTER;
  return CUDA_SUCCESS;
}
CUresult cuMemPoolTrimTo(CUmemoryPool, size_t) {
  ENTER;
  return CUDA_SUCCESS;
}
CUresult cuMemPoolGetAttribute(CUmemoryPool, CUmemPool_attribute attribute, void* value) {
  ENTER;

  bool size =
      attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT || attribute == CU_MEMPOOL_ATTR_USED_MEM_CURRENT;
  if (!size) return CUDA_ERROR_NOT_SUPPORTED;
  *static_cast<cuuint64_t*>(value) = memory::used();
  return CUDA_SUCCESS;
}

// ---- errors
static const char* error_name(CUresult code) {
  switch (code) {
    case CUDA_SUCCESS:
      return "CUDA_SUCCESS";
    case CUDA_ERROR_INVALID_VALUE:
      return "CUDA_ERROR_INVALID_VALUE";
    case CUDA_ERROR_OUT_OF_MEMORY:
      return "CUDA_ERROR_OUT_OF_MEMORY";
    case CUDA_ERROR_NOT_INITIALIZED:
      return "CUDA_ERROR_NOT_INITIALIZED";
    case CUDA_ERROR_INVALID_DEVICE:
      return "CUDA_ERROR_INVALID_DEVICE";
    case CUDA_ERROR_INVALID_HANDLE:
      return "CUDA_ERROR_INVALID_HANDLE";
    case CUDA_ERROR_INVALID_CONTEXT:
      return "CUDA_ERROR_INVALID_CONTEXT";
    case CUDA_ERROR_ILLEGAL_STATE:
      return "CUDA_ERROR_ILLEGAL_STATE";
    case CUDA_ERROR_NOT_FOUND:
      return "CUDA_ERROR_NOT_FOUND";
    case CUDA_ERROR_ILLEGAL_ADDRESS:
      return "CUDA_ERROR_ILLEGAL_ADDRESS";
    case CUDA_ERROR_LAUNCH_FAILED:
      return "CUDA_ERROR_LAUNCH_FAILED";
    case CUDA_ERROR_NOT_SUPPORTED:
      return "CUDA_ERROR_NOT_SUPPORTED";
    default:
      return "CUDA_ERROR_UNKNOWN";
  }
}
CUresult cuGetErrorName(CUresult code, const char** out) {
  ENTER;
  *out = error_name(code);
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult code, const char** out) {
  ENTER;
  *out = error_name(code);
  return CUDA_SUCCESS;
}
