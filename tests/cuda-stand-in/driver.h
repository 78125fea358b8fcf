//! What the files of the driver's interface share: one lock, the context's state, and how a fault is told.
#pragma once
#include <cuda.h>

#include <cstdint>
#include <mutex>
#include <string>

#include "count.h"
#include "transfer.h"

namespace stand_in {
std::recursive_mutex& lock();
// first in every function of the driver: counted, one at a time
#define ENTER                          \
  stand_in::Counted counted(__func__); \
  std::lock_guard<std::recursive_mutex> hold(stand_in::lock())

/// After a kernel's fault the context answers with its code, as a device does.
extern CUresult poisoned;
extern const char* last_kernel;

/// Whether the calling thread lacks a current context.
bool no_context();
/// Tells a wrong argument on stderr.
CUresult fail(CUresult code, const std::string& what);
/// Tells a fault; the context is poisoned and the program will end with 99.
CUresult broken(CUresult code, const std::string& what);
/// Verifies the guards of all allocations.
CUresult guards(const char* when);
/// The host waits: for a stream, the copies before an event, or everything.
CUresult waits(const void* stream = transfer::every, uint64_t before = UINT64_MAX);
}  // namespace stand_in
