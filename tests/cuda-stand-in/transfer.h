//! Copies between the device and pinned host memory that the driver may still have under way.
//! Promises that what such a copy brings is seen on the host only after the program has waited for it (before
//! that it reads NaN bytes), and that a source which the program changes before it has waited is told as a
//! fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace stand_in::transfer {
void* allocate(size_t bytes);
bool release(void* pinned);

/// Device to host; true when it was taken (the host side is pinned), else the caller copies at once.
bool to_host(void* host, const void* device, size_t bytes, const void* stream);
/// Host to device has just been done: watches the source when it is pinned.
void from_host(const void* host, size_t bytes, const void* stream);

/// The number of the next copy: an event that is recorded now covers all copies below it.
uint64_t now();
/// What a wait gives: lands copies below `before`, of one stream unless that is `every`.
/// The empty string, or what the program did wrong.
extern const void* const every;
std::string wait(uint64_t before, const void* stream);
}  // namespace stand_in::transfer
