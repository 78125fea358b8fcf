//! Device memory on the host: limited, filled with NaN bytes, between guards.
//! Promises that a write just outside an allocation is found by the next check, and with STAND_IN_FENCE=1
//! that every touch past its end or after its release stops the program at once.
#pragma once

#include <cstddef>
#include <string>

namespace stand_in::memory {
/// Null when the limit (STAND_IN_MEMORY bytes, 8 GiB unless set) would be passed.
void* allocate(size_t bytes);
/// The empty string, or what was wrong: not an allocation, or a broken guard (told with `kernel`).
std::string release(void* data, const char* kernel);
/// Whether the bytes lie inside one allocation.
bool inside(const void* data, size_t bytes);
/// Verifies the guards of every allocation; tells each broken one once.
std::string check(const char* kernel);
size_t limit();
size_t used();
size_t count();
}  // namespace stand_in::memory
