//! Copies under way: see transfer.h.
#include "transfer.h"

#include <cstdlib>
#include <cstring>
#include <list>
#include <map>
#include <vector>

namespace stand_in::transfer {
namespace {
struct Copy {
  uint64_t number;
  const void* stream;
  char* host;
  std::vector<char> bytes;
  bool lands;  // to the host
};
std::list<Copy>& under_way() {
  static auto* list = new std::list<Copy>;
  return *list;
}
std::map<char*, size_t>& pinned() {
  static auto* map = new std::map<char*, size_t>;
  return *map;
}
uint64_t next = 0;

bool is_pinned(const void* host, size_t bytes) {
  char* start = const_cast<char*>(static_cast<const char*>(host));
  auto after = pinned().upper_bound(start);
  if (after == pinned().begin()) return false;
  auto [base, size] = *std::prev(after);
  return start + bytes <= base + size;
}
char mark;
}  // namespace
const void* const every = &mark;

void* allocate(size_t bytes) {
  size_t room = bytes ? (bytes + 4095) / 4096 * 4096 : 4096;
  char* p = static_cast<char*>(aligned_alloc(4096, room));
  if (!p) return nullptr;
  memset(p, 0xff, room);
  pinned()[p] = bytes;
  return p;
}

bool release(void* host) {
  auto found = pinned().find(static_cast<char*>(host));
  if (found == pinned().end()) return false;
  char *start = found->first, *end = start + found->second;
  under_way().remove_if([&](const Copy& c) { return c.host >= start && c.host < end; });
  pinned().erase(found);
  free(host);
  return true;
}

bool to_host(void* host, const void* device, size_t bytes, const void* stream) {
  if (!is_pinned(host, bytes)) return false;
  const char* from = static_cast<const char*>(device);
  under_way().push_back(
      {next++, stream, static_cast<char*>(host), std::vector<char>(from, from + bytes), true});
  memset(host, 0xff, bytes);
  return true;
}

void from_host(const void* host, size_t bytes, const void* stream) {
  if (!is_pinned(host, bytes)) return;
  char* from = const_cast<char*>(static_cast<const char*>(host));
  under_way().push_back({next++, stream, from, std::vector<char>(from, from + bytes), false});
}

uint64_t now() { return next; }

std::string wait(uint64_t before, const void* stream) {
  std::string fault;
  under_way().remove_if([&](const Copy& c) {
    if (c.number >= before || (stream != every && c.stream != stream)) return false;
    if (c.lands) {
      memcpy(c.host, c.bytes.data(), c.bytes.size());
    } else if (memcmp(c.host, c.bytes.data(), c.bytes.size()) != 0) {
      fault = "the host changed " + std::to_string(c.bytes.size()) +
              " bytes of pinned memory before it had waited for the copy from there";
    }
    return true;
  });
  return fault;
}
}  // namespace stand_in::transfer
