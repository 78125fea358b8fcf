//! libcuda.so.1 without a device: the driver's streams, events, modules and launches.
//! Promises that work is done when the call returns, in the order of the calls (copies to pinned memory land
//! later: transfer.h), and that a wrong argument or a fault of a kernel gives the driver's own error code,
//! with a line on stderr that says what and where.
#include "driver.h"

#include <chrono>
#include <map>
#include <vector>

#include "block.h"
#include "recording.h"

using namespace stand_in;

namespace {
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

}  // namespace

// ---- streams and events
CUresult cuStreamCreate(CUstream* out, unsigned) {
  ENTER;
  *out = reinterpret_cast<CUstream>(new char);
  return CUDA_SUCCESS;
}
CUresult cuStreamCreateWithPriority(CUstream* out, unsigned, int) {
  ENTER;
  *out = reinterpret_cast<CUstream>(new char);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy(CUstream stream) {
  ENTER;

  CUresult code = waits(stream);
  delete reinterpret_cast<char*>(stream);
  return code;
}
CUresult cuStreamSynchronize(CUstream stream) {
  ENTER;
  return waits(stream);
}
CUresult cuStreamQuery(CUstream stream) {
  ENTER;
  return waits(stream);
}
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned) {
  ENTER;
  return poisoned;
}
CUresult cuLaunchHostFunc(CUstream, CUhostFn call, void* data) {
  ENTER;
  call(data);
  return poisoned;
}
CUresult cuEventCreate(CUevent* out, unsigned flags) {
  ENTER;

  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  auto* event = new Event;
  event->timed = !(flags & CU_EVENT_DISABLE_TIMING);
  *out = reinterpret_cast<CUevent>(event);
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy(CUevent event) {
  ENTER;
  delete reinterpret_cast<Event*>(event);
  return CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent event, CUstream stream) {
  ENTER;

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
CUresult cuEventSynchronize(CUevent event) {
  ENTER;
  return wait_for(event);
}
CUresult cuEventQuery(CUevent event) {
  ENTER;
  return wait_for(event);
}
static CUresult elapsed(float* milliseconds, CUevent start, CUevent end) {
  auto *a = reinterpret_cast<Event*>(start), *b = reinterpret_cast<Event*>(end);
  if (!a->recorded || !b->recorded || !a->timed || !b->timed) return CUDA_ERROR_INVALID_HANDLE;
  *milliseconds = std::chrono::duration<float, std::milli>(b->when - a->when).count();
  return CUDA_SUCCESS;
}
#undef cuEventElapsedTime  // older and newer headers name different ones of the two
CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  ENTER;
  return elapsed(milliseconds, start, end);
}
CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent start, CUevent end) {
  ENTER;
  return elapsed(milliseconds, start, end);
}

// ---- modules and launches
CUresult cuModuleLoadData(CUmodule* out, const void* image) {
  ENTER;

  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  const char* text = static_cast<const char*>(image);
  // PTX is text; cubins and fat binaries say their own length and are not read
  bool ptx = text && (isspace(*text) || *text == '/' || *text == '.');
  *out = reinterpret_cast<CUmodule>(new Module{ptx ? text : "", {}});
  return CUDA_SUCCESS;
}
CUresult cuModuleLoad(CUmodule* out, const char*) {
  ENTER;
  *out = reinterpret_cast<CUmodule>(new Module);
  return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule module) {
  ENTER;
  delete reinterpret_cast<Module*>(module);
  return CUDA_SUCCESS;
}
static unsigned parameters(const std::string& ptx, size_t entry) {
  unsigned n = 0;
  const size_t end = ptx.find(')', entry);
  for (size_t at = entry; (at = ptx.find(".param", at)) < end; ++at) ++n;
  return n;
}
CUresult cuModuleGetFunction(CUfunction* out, CUmodule module, const char* name) {
  ENTER;

  auto& [text, found] = *reinterpret_cast<Module*>(module);
  if (const Kernel* known = found[name]) {
    *out = reinterpret_cast<CUfunction>(const_cast<Kernel*>(known));
    return CUDA_SUCCESS;
  }
  const size_t entry = text.find(".entry " + std::string(name) + "(");
  if (!text.empty() && entry == std::string::npos)
    return fail(CUDA_ERROR_NOT_FOUND, std::string("the module's PTX has no kernel ") + name);
  const Kernel* kernel = find(name);
  if (!kernel)
    return fail(CUDA_ERROR_NOT_FOUND, std::string("the stand-in was not built with the kernel ") + name);
  if (!text.empty() && parameters(text, entry) != kernel->arguments)
    return fail(CUDA_ERROR_NOT_FOUND,
                std::string("the program's PTX of kernel ") + name +
                    " takes another number of arguments than the stand-in's: rebuild one of the two");
  found[name] = kernel;
  *out = reinterpret_cast<CUfunction>(const_cast<Kernel*>(kernel));
  return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int* out, CUfunction_attribute attribute, CUfunction f) {
  ENTER;

  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  *out = attribute == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? int(reinterpret_cast<Kernel*>(f)->max_threads)
                                                              : 0;
  return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) {
  ENTER;
  return CUDA_SUCCESS;
}
static CUresult launch(const Kernel& kernel, dim3 grid, dim3 block, void** arguments) {
  last_kernel = kernel.name;
  const std::string name = std::string("kernel ") + kernel.name;
  Counted counted(name.c_str());
  std::string fault = run(kernel, grid, block, arguments);
  if (!fault.empty()) return broken(CUDA_ERROR_LAUNCH_FAILED, fault);
  static const bool check = set("STAND_IN_CHECK");
  return check ? guards("checked after its launch") : CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                        unsigned bz, unsigned shared, CUstream stream, void** arguments, void** extra) {
  ENTER;

  if (no_context()) return CUDA_ERROR_INVALID_CONTEXT;
  if (poisoned) return poisoned;
  if (!f) return CUDA_ERROR_INVALID_HANDLE;
  const Kernel& kernel = *reinterpret_cast<Kernel*>(f);
  const std::string name = std::string("kernel ") + kernel.name;
  if (!gx || !gy || !gz || gx > 2147483647u || gy > 65535 || gz > 65535)
    return fail(CUDA_ERROR_INVALID_VALUE, name + ": no device takes a grid of " + std::to_string(gx) + " x " +
                                              std::to_string(gy) + " x " + std::to_string(gz));
  if (!bx || !by || !bz || bx > 1024 || by > 1024 || bz > 64 || uint64_t(bx) * by * bz > kernel.max_threads)
    return fail(CUDA_ERROR_INVALID_VALUE, name + " takes " + std::to_string(kernel.max_threads) +
                                              " threads a block, not " + std::to_string(bx) + " x " +
                                              std::to_string(by) + " x " + std::to_string(bz));
  if (shared || extra || (kernel.arguments && !arguments))
    return fail(CUDA_ERROR_NOT_SUPPORTED,
                name + ": dynamic shared memory and packed arguments are not part of the stand-in");
  const dim3 grid(gx, gy, gz), block(bx, by, bz);
  if (!recording::on(stream)) return launch(kernel, grid, block, arguments);
  // the caller's arguments live until this call returns
  std::vector<std::vector<char>> kept;
  for (unsigned i = 0; i < kernel.arguments; ++i) {
    const char* argument = static_cast<const char*>(arguments[i]);
    kept.emplace_back(argument, argument + kernel.sizes[i]);
  }
  recording::keep([&kernel, grid, block, kept]() mutable {
    std::vector<void*> pointers;
    for (auto& argument : kept) pointers.push_back(argument.data());
    return int(launch(kernel, grid, block, pointers.data()));
  });
  return CUDA_SUCCESS;
}
