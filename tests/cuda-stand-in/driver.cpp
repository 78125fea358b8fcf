//! libcuda.so.1 without a device: the part of the driver's interface that cudarc and candle call.
//! Promises that everything is done when the call returns, in the order of the calls, and that a wrong argument
//! or a fault of a kernel gives the driver's own error code, with a line on stderr that says what and where.
#include <cuda.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "block.h"
#include "count.h"
#include "memory.h"
#include "transfer.h"

// a function of the driver, counted, one at a time
#define DRIVER(name, ...)                  \
  extern "C" CUresult name(__VA_ARGS__) {  \
    stand_in::Counted counted(#name);      \
    std::lock_guard<std::recursive_mutex> hold(lock());

namespace {
using namespace stand_in;

std::recursive_mutex& lock() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}
bool faulty = false;              // something was found: the program's exit code must show it
CUresult poisoned = CUDA_SUCCESS;  // after a kernel's fault the context answers with it, as a device does
const char* last_kernel = "none";
struct Tally {
  long calls = 0;
  double seconds = 0;
};
// of functions and, after the word "kernel", of launches; never destroyed: the program may call until its very end
std::map<std::string, Tally>& tallies() {
  static auto* all = new std::map<std::string, Tally>;
  return *all;
}

CUresult fail(CUresult code, const std::string& what) {
  fprintf(stderr, "cuda stand-in: %s\n", what.c_str());
  return code;
}
CUresult broken(CUresult code, const std::string& what) {
  faulty = true;
  poisoned = code;
  return fail(code, what);
}

char context_object;
pthread_key_t current_context;  // not thread_local: that segment is the kernels' shared memory
const int made_key = pthread_key_create(&current_context, nullptr);
bool initialised = false;
bool no_context() { return !pthread_getspecific(current_context); }

struct Event {
  std::chrono::steady_clock::time_point when;
  bool recorded = false, timed = true;
  uint64_t copies = 0;  // those below it come before the event
  const void* stream = nullptr;
};
struct Module {
  std::string text;  // PTX, when it was that
  std::map<std::string, const Kernel*> found;
};

void* device(CUdeviceptr p) { return reinterpret_cast<void*>(p); }

CUresult guards(const char* when) {
  std::string fault = memory::check(last_kernel);
  return fault.empty() ? CUDA_SUCCESS : broken(CUDA_ERROR_ILLEGAL_ADDRESS, fault + " (" + when + ")");
}

CUresult copy(void* to, const void* from, size_t bytes, bool to_device, bool from_device, const char* name) {
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
  if (!bytes) return CUDA_SUCCESS;
  if ((to_device && !memory::inside(to, bytes)) || (from_device && !memory::inside(from, bytes)))
    return fail(CUDA_ERROR_INVALID_VALUE, std::string(name) + ": " + std::to_string(bytes) + " bytes reach outside an allocation");
  memmove(to, from, bytes);
  return CUDA_SUCCESS;
}

// the host waits: for a stream, an event's copies, or everything
CUresult waits(const void* stream = transfer::every, uint64_t before = UINT64_MAX) {
  std::string fault = transfer::wait(before, stream);
  return fault.empty() ? poisoned : broken(CUDA_ERROR_ILLEGAL_STATE, fault);
}

template <class T>
CUresult fill(CUdeviceptr to, T value, size_t n, const char* name) {
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
  if (!n) return CUDA_SUCCESS;
  if (!memory::inside(device(to), n * sizeof(T)))
    return fail(CUDA_ERROR_INVALID_VALUE, std::string(name) + ": " + std::to_string(n * sizeof(T)) + " bytes reach outside an allocation");
  std::fill_n(static_cast<T*>(device(to)), n, value);
  return CUDA_SUCCESS;
}

CUresult allocate(CUdeviceptr* out, size_t bytes) {
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
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

__attribute__((destructor)) void at_end() {
  guards("at the end");
  if (set("STAND_IN_COUNT")) {
    for (const auto& [name, tally] : tallies())
      fprintf(stderr, "cuda stand-in: %-45s %9ld times %12.6f s\n", name.c_str(), tally.calls, tally.seconds);
    fprintf(stderr, "cuda stand-in: %zu allocations with %zu bytes were never freed\n", memory::count(), memory::used());
  }
  if (faulty) {
    fflush(nullptr);
    _exit(99);
  }
}
}  // namespace

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
DRIVER(cuInit, unsigned flags)
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  initialised = true;
  return CUDA_SUCCESS;
}
DRIVER(cuDriverGetVersion, int* version) *version = 13000; return CUDA_SUCCESS; }
DRIVER(cuDeviceGetCount, int* count)
  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  *count = 1;
  return CUDA_SUCCESS;
}
DRIVER(cuDeviceGet, CUdevice* out, int ordinal)
  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  if (ordinal != 0) return CUDA_ERROR_INVALID_DEVICE;
  *out = 0;
  return CUDA_SUCCESS;
}
DRIVER(cuDeviceGetName, char* name, int length, CUdevice) snprintf(name, length, "stand-in for a CUDA device (CPU)"); return CUDA_SUCCESS; }
DRIVER(cuDeviceGetUuid_v2, CUuuid* uuid, CUdevice) memset(uuid, 0x5a, sizeof *uuid); return CUDA_SUCCESS; }
DRIVER(cuDeviceTotalMem, size_t* bytes, CUdevice) *bytes = memory::limit(); return CUDA_SUCCESS; }
DRIVER(cuDeviceGetAttribute, int* out, CUdevice_attribute attribute, CUdevice)
  switch (attribute) {  // figures of an H200; the clocks only matter to a report
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *out = 9; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *out = 0; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *out = 132; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *out = 32; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *out = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *out = 64; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *out = 2147483647; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *out = 65535; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *out = 2048; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *out = 49152; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *out = 232448; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK: *out = 65536; break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *out = 1980000; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *out = 3201000; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *out = 6144; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *out = 62914560; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS: *out = 1; break;
    default: *out = 0;
  }
  return CUDA_SUCCESS;
}
DRIVER(cuDevicePrimaryCtxRetain, CUcontext* out, CUdevice)
  if (!initialised) return CUDA_ERROR_NOT_INITIALIZED;
  *out = reinterpret_cast<CUcontext>(&context_object);
  return CUDA_SUCCESS;
}
DRIVER(cuDevicePrimaryCtxRelease, CUdevice) return CUDA_SUCCESS; }
DRIVER(cuCtxDestroy, CUcontext) return CUDA_SUCCESS; }
DRIVER(cuCtxGetCurrent, CUcontext* out) *out = static_cast<CUcontext>(pthread_getspecific(current_context)); return CUDA_SUCCESS; }
DRIVER(cuCtxSetCurrent, CUcontext context) pthread_setspecific(current_context, context); return CUDA_SUCCESS; }
DRIVER(cuCtxSetFlags, unsigned) return CUDA_SUCCESS; }
DRIVER(cuCtxSynchronize) return no_context() ? CUDA_ERROR_INVALID_CONTEXT : waits(); }
DRIVER(cuCtxGetStreamPriorityRange, int* least, int* greatest) *least = 0; *greatest = -5; return CUDA_SUCCESS; }
DRIVER(cuDeviceGetDefaultMemPool, CUmemoryPool* pool, CUdevice) *pool = reinterpret_cast<CUmemoryPool>(&context_object); return CUDA_SUCCESS; }
DRIVER(cuDeviceGetMemPool, CUmemoryPool* pool, CUdevice) *pool = reinterpret_cast<CUmemoryPool>(&context_object); return CUDA_SUCCESS; }
DRIVER(cuMemPoolSetAttribute, CUmemoryPool, CUmemPool_attribute, void*) return CUDA_SUCCESS; }
DRIVER(cuMemPoolTrimTo, CUmemoryPool, size_t) return CUDA_SUCCESS; }
DRIVER(cuMemPoolGetAttribute, CUmemoryPool, CUmemPool_attribute attribute, void* value)
  bool size = attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT || attribute == CU_MEMPOOL_ATTR_USED_MEM_CURRENT;
  if (!size) return CUDA_ERROR_NOT_SUPPORTED;
  *static_cast<cuuint64_t*>(value) = memory::used();
  return CUDA_SUCCESS;
}

// ---- memory
DRIVER(cuMemGetInfo, size_t* free, size_t* total)
  *total = memory::limit();
  *free = memory::limit() - memory::used();
  return CUDA_SUCCESS;
}
DRIVER(cuMemAlloc, CUdeviceptr* out, size_t bytes)
  return bytes ? allocate(out, bytes) : CUDA_ERROR_INVALID_VALUE;
}
DRIVER(cuMemAllocAsync, CUdeviceptr* out, size_t bytes, CUstream)
  *out = 0;  // cudarc asks for 0 bytes and means it
  return bytes ? allocate(out, bytes) : CUDA_SUCCESS;
}
DRIVER(cuMemFree, CUdeviceptr p) return release(p); }
DRIVER(cuMemFreeAsync, CUdeviceptr p, CUstream) return release(p); }
DRIVER(cuMemHostAlloc, void** out, size_t bytes, unsigned)
  *out = transfer::allocate(bytes);
  return *out ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
DRIVER(cuMemFreeHost, void* p) return transfer::release(p) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; }
DRIVER(cuMemcpyHtoD, CUdeviceptr to, const void* from, size_t n) return copy(device(to), from, n, true, false, "cuMemcpyHtoD"); }
DRIVER(cuMemcpyDtoH, void* to, CUdeviceptr from, size_t n)
  if (CUresult code = waits()) return code;
  return copy(to, device(from), n, false, true, "cuMemcpyDtoH");
}
DRIVER(cuMemcpyDtoD, CUdeviceptr to, CUdeviceptr from, size_t n) return copy(device(to), device(from), n, true, true, "cuMemcpyDtoD"); }
DRIVER(cuMemcpyHtoDAsync, CUdeviceptr to, const void* from, size_t n, CUstream stream)
  CUresult code = copy(device(to), from, n, true, false, "cuMemcpyHtoDAsync");
  if (!code && n) transfer::from_host(from, n, stream);
  return code;
}
DRIVER(cuMemcpyDtoHAsync, void* to, CUdeviceptr from, size_t n, CUstream stream)
  if (!poisoned && n && memory::inside(device(from), n) && transfer::to_host(to, device(from), n, stream)) return CUDA_SUCCESS;
  return copy(to, device(from), n, false, true, "cuMemcpyDtoHAsync");
}
DRIVER(cuMemcpyDtoDAsync, CUdeviceptr to, CUdeviceptr from, size_t n, CUstream) return copy(device(to), device(from), n, true, true, "cuMemcpyDtoDAsync"); }
DRIVER(cuMemcpyPeerAsync, CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t n, CUstream)
  return copy(device(to), device(from), n, true, true, "cuMemcpyPeerAsync");
}
DRIVER(cuMemsetD8, CUdeviceptr to, unsigned char value, size_t n) return fill(to, value, n, "cuMemsetD8"); }
DRIVER(cuMemsetD8Async, CUdeviceptr to, unsigned char value, size_t n, CUstream) return fill(to, value, n, "cuMemsetD8Async"); }
DRIVER(cuMemsetD32, CUdeviceptr to, unsigned value, size_t n) return fill(to, value, n, "cuMemsetD32"); }
DRIVER(cuMemsetD32Async, CUdeviceptr to, unsigned value, size_t n, CUstream) return fill(to, value, n, "cuMemsetD32Async"); }

// ---- streams and events
DRIVER(cuStreamCreate, CUstream* out, unsigned) *out = reinterpret_cast<CUstream>(new char); return CUDA_SUCCESS; }
DRIVER(cuStreamCreateWithPriority, CUstream* out, unsigned, int) *out = reinterpret_cast<CUstream>(new char); return CUDA_SUCCESS; }
DRIVER(cuStreamDestroy, CUstream stream)
  CUresult code = waits(stream);
  delete reinterpret_cast<char*>(stream);
  return code;
}
DRIVER(cuStreamSynchronize, CUstream stream) return waits(stream); }
DRIVER(cuStreamQuery, CUstream stream) return waits(stream); }
DRIVER(cuStreamWaitEvent, CUstream, CUevent, unsigned) return poisoned; }
DRIVER(cuStreamIsCapturing, CUstream, CUstreamCaptureStatus* out) *out = CU_STREAM_CAPTURE_STATUS_NONE; return CUDA_SUCCESS; }
DRIVER(cuLaunchHostFunc, CUstream, CUhostFn call, void* data) call(data); return poisoned; }
DRIVER(cuEventCreate, CUevent* out, unsigned flags)
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  auto* event = new Event;
  event->timed = !(flags & CU_EVENT_DISABLE_TIMING);
  *out = reinterpret_cast<CUevent>(event);
  return CUDA_SUCCESS;
}
DRIVER(cuEventDestroy, CUevent event) delete reinterpret_cast<Event*>(event); return CUDA_SUCCESS; }
DRIVER(cuEventRecord, CUevent event, CUstream stream)
  auto* e = reinterpret_cast<Event*>(event);
  e->when = std::chrono::steady_clock::now();
  e->recorded = true;
  e->copies = transfer::now();
  e->stream = stream;
  return poisoned;
}
static CUresult wait_for(CUevent event) {
  auto* e = reinterpret_cast<Event*>(event);
  return e->recorded ? waits(e->stream, e->copies) : poisoned;
}
DRIVER(cuEventSynchronize, CUevent event) return wait_for(event); }
DRIVER(cuEventQuery, CUevent event) return wait_for(event); }
static CUresult elapsed(float* milliseconds, CUevent start, CUevent end) {
  auto *a = reinterpret_cast<Event*>(start), *b = reinterpret_cast<Event*>(end);
  if (!a->recorded || !b->recorded || !a->timed || !b->timed) return CUDA_ERROR_INVALID_HANDLE;
  *milliseconds = std::chrono::duration<float, std::milli>(b->when - a->when).count();
  return CUDA_SUCCESS;
}
#undef cuEventElapsedTime  // older and newer headers name different ones of the two
DRIVER(cuEventElapsedTime, float* milliseconds, CUevent start, CUevent end) return elapsed(milliseconds, start, end); }
DRIVER(cuEventElapsedTime_v2, float* milliseconds, CUevent start, CUevent end) return elapsed(milliseconds, start, end); }

// ---- modules and launches
DRIVER(cuModuleLoadData, CUmodule* out, const void* image)
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  const char* text = static_cast<const char*>(image);
  // PTX is text; cubins and fat binaries say their own length and are not read
  bool ptx = text && (isspace(*text) || *text == '/' || *text == '.');
  *out = reinterpret_cast<CUmodule>(new Module{ptx ? text : "", {}});
  return CUDA_SUCCESS;
}
DRIVER(cuModuleLoad, CUmodule* out, const char*) *out = reinterpret_cast<CUmodule>(new Module); return CUDA_SUCCESS; }
DRIVER(cuModuleUnload, CUmodule module) delete reinterpret_cast<Module*>(module); return CUDA_SUCCESS; }
static unsigned parameters(const std::string& ptx, size_t entry) {
  unsigned n = 0;
  const size_t end = ptx.find(')', entry);
  for (size_t at = entry; (at = ptx.find(".param", at)) < end; ++at) ++n;
  return n;
}
DRIVER(cuModuleGetFunction, CUfunction* out, CUmodule module, const char* name)
  auto& [text, found] = *reinterpret_cast<Module*>(module);
  if (const Kernel* known = found[name]) {
    *out = reinterpret_cast<CUfunction>(const_cast<Kernel*>(known));
    return CUDA_SUCCESS;
  }
  const size_t entry = text.find(".entry " + std::string(name) + "(");
  if (!text.empty() && entry == std::string::npos)
    return fail(CUDA_ERROR_NOT_FOUND, std::string("the module's PTX has no kernel ") + name);
  const Kernel* kernel = find(name);
  if (!kernel) return fail(CUDA_ERROR_NOT_FOUND, std::string("the stand-in was not built with the kernel ") + name);
  if (!text.empty() && parameters(text, entry) != kernel->arguments)
    return fail(CUDA_ERROR_NOT_FOUND, std::string("the program's PTX of kernel ") + name +
                                          " takes another number of arguments than the stand-in's: rebuild one of the two");
  found[name] = kernel;
  *out = reinterpret_cast<CUfunction>(const_cast<Kernel*>(kernel));
  return CUDA_SUCCESS;
}
DRIVER(cuFuncGetAttribute, int* out, CUfunction_attribute attribute, CUfunction f)
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  *out = attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? int(reinterpret_cast<Kernel*>(f)->max_threads) : 0;
  return CUDA_SUCCESS;
}
DRIVER(cuFuncSetAttribute, CUfunction, CUfunction_attribute, int) return CUDA_SUCCESS; }
DRIVER(cuLaunchKernel, CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
       unsigned shared, CUstream, void** arguments, void** extra)
  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  const Kernel& kernel = *reinterpret_cast<Kernel*>(f);
  const std::string name = std::string("kernel ") + kernel.name;
  if (!gx || !gy || !gz || gx > 2147483647u || gy > 65535 || gz > 65535)
    return fail(CUDA_ERROR_INVALID_VALUE, name + ": no device takes a grid of " + std::to_string(gx) + " x " + std::to_string(gy) + " x " + std::to_string(gz));
  if (!bx || !by || !bz || bx > 1024 || by > 1024 || bz > 64 || uint64_t(bx) * by * bz > kernel.max_threads)
    return fail(CUDA_ERROR_INVALID_VALUE, name + " takes " + std::to_string(kernel.max_threads) + " threads a block, not " + std::to_string(bx) + " x " + std::to_string(by) + " x " + std::to_string(bz));
  if (shared || extra || (kernel.arguments && !arguments))
    return fail(CUDA_ERROR_NOT_SUPPORTED, name + ": dynamic shared memory and packed arguments are not part of the stand-in");
  last_kernel = kernel.name;
  Counted launch(name.c_str());
  std::string fault = run(kernel, dim3(gx, gy, gz), dim3(bx, by, bz), arguments);
  if (!fault.empty()) return broken(CUDA_ERROR_LAUNCH_FAILED, fault);
  static const bool check = set("STAND_IN_CHECK");
  return check ? guards("checked after its launch") : CUDA_SUCCESS;
}

// ---- errors
static const char* error_name(CUresult code) {
  switch (code) {
    case CUDA_SUCCESS: return "CUDA_SUCCESS";
    case CUDA_ERROR_INVALID_VALUE: return "CUDA_ERROR_INVALID_VALUE";
    case CUDA_ERROR_OUT_OF_MEMORY: return "CUDA_ERROR_OUT_OF_MEMORY";
    case CUDA_ERROR_NOT_INITIALIZED: return "CUDA_ERROR_NOT_INITIALIZED";
    case CUDA_ERROR_INVALID_DEVICE: return "CUDA_ERROR_INVALID_DEVICE";
    case CUDA_ERROR_INVALID_HANDLE: return "CUDA_ERROR_INVALID_HANDLE";
    case CUDA_ERROR_INVALID_CONTEXT: return "CUDA_ERROR_INVALID_CONTEXT";
    case CUDA_ERROR_ILLEGAL_STATE: return "CUDA_ERROR_ILLEGAL_STATE";
    case CUDA_ERROR_NOT_FOUND: return "CUDA_ERROR_NOT_FOUND";
    case CUDA_ERROR_ILLEGAL_ADDRESS: return "CUDA_ERROR_ILLEGAL_ADDRESS";
    case CUDA_ERROR_LAUNCH_FAILED: return "CUDA_ERROR_LAUNCH_FAILED";
    case CUDA_ERROR_NOT_SUPPORTED: return "CUDA_ERROR_NOT_SUPPORTED";
    default: return "CUDA_ERROR_UNKNOWN";
  }
}
DRIVER(cuGetErrorName, CUresult code, const char** out) *out = error_name(code); return CUDA_SUCCESS; }
DRIVER(cuGetErrorString, CUresult code, const char** out) *out = error_name(code); return CUDA_SUCCESS; }
