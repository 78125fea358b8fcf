//! Allocations and their guards: see memory.h.
#include "memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>

#include "count.h"

namespace stand_in::memory {
namespace {
constexpr size_t guard = 1024, page = 4096, alignment = 256;
struct Allocation {
  char* base;  // guard, data, guard
  char* data;
  size_t bytes;
  char* end;
  bool fenced;
};
std::map<uintptr_t, Allocation>& all() {
  static auto* map = new std::map<uintptr_t, Allocation>;
  return *map;
}
size_t in_use = 0;

size_t up(size_t n, size_t to) { return (n + to - 1) / to * to; }
uintptr_t key(const void* p) { return reinterpret_cast<uintptr_t>(p); }

bool whole(const char* from, const char* to) {
  for (; from < to; ++from)
    if (*from != char(0xff)) return false;
  return true;
}

std::string broken(const Allocation& a, const char* kernel) {
  const char* where = !whole(a.data + a.bytes, a.end) ? "past the end"
                      : !whole(a.base, a.data)        ? "before the start"
                                                      : nullptr;
  if (!where) return "";
  return std::string("something wrote ") + where + " of an allocation of " + std::to_string(a.bytes) +
         " bytes; the last kernel was " + kernel;
}
}  // namespace

size_t limit() {
  static const char* text = getenv("STAND_IN_MEMORY");
  static const size_t bytes = text ? strtoull(text, nullptr, 10) : size_t(8) << 30;
  return bytes;
}
size_t used() { return in_use; }
size_t count() { return all().size(); }

void* allocate(size_t bytes) {
  static const bool fenced = set("STAND_IN_FENCE");
  if (bytes > limit() - in_use) return nullptr;
  Allocation a{};
  a.bytes = bytes;
  a.fenced = fenced;
  if (fenced) {
    // the end lies at a page that nobody may touch; 16 bytes suit the widest load
    size_t room = up(bytes, page);
    void* region = mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) return nullptr;
    a.base = static_cast<char*>(region);
    a.end = a.base + room;
    a.data = a.end - up(bytes, 16);
    mprotect(a.end, page, PROT_NONE);
  } else {
    size_t room = up(guard + up(bytes, alignment) + guard, page);
    a.base = static_cast<char*>(aligned_alloc(page, room));
    if (!a.base) return nullptr;
    a.data = a.base + guard;
    a.end = a.data + bytes + guard;
  }
  memset(a.base, 0xff, a.end - a.base);
  in_use += bytes;
  all()[key(a.data)] = a;
  return a.data;
}

std::string release(void* data, const char* kernel) {
  auto found = all().find(key(data));
  if (found == all().end()) return "a pointer is freed that is no allocation, or freed already";
  Allocation a = found->second;
  all().erase(found);
  in_use -= a.bytes;
  std::string fault = broken(a, kernel);
  if (a.fenced) {
    // the addresses are never used again
    mmap(a.base, up(a.end - a.base, page), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
         -1, 0);
  } else {
    memset(a.data, 0xff, a.bytes);
    free(a.base);
  }
  return fault;
}

bool inside(const void* data, size_t bytes) {
  auto next = all().upper_bound(key(data));
  if (next == all().begin()) return false;
  const Allocation& a = std::prev(next)->second;
  return key(data) + bytes <= key(a.data) + a.bytes;
}

std::string check(const char* kernel) {
  std::string first;
  for (auto& [start, a] : all()) {
    std::string fault = broken(a, kernel);
    if (fault.empty()) continue;
    if (first.empty()) first = fault;
    memset(a.base, 0xff, a.data - a.base);
    memset(a.data + a.bytes, 0xff, a.end - a.data - a.bytes);
  }
  return first;
}
}  // namespace stand_in::memory
