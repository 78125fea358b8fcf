//! Finding and poisoning shared memory: see shared.h.
#include "shared.h"

#include <link.h>

#include <cstring>

namespace stand_in {
Segment shared_memory() {
  Segment segment;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        const ElfW(Phdr)* tls = nullptr;
        bool ours = false;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr) & header = info->dlpi_phdr[i];
          uintptr_t here = reinterpret_cast<uintptr_t>(&shared_memory),
                    start = info->dlpi_addr + header.p_vaddr;
          if (header.p_type == PT_TLS) tls = &header;
          ours |= header.p_type == PT_LOAD && here >= start && here < start + header.p_memsz;
        }
        if (ours && tls)
          *static_cast<Segment*>(out) = {static_cast<char*>(info->dlpi_tls_data), tls->p_memsz};
        return int(ours);
      },
      &segment);
  return segment;
}

void Poison::learn() {
  size_t i = 0, j = segment.bytes;
  while (i < low && segment.start[i] == char(0xff)) ++i;
  while (j > high && segment.start[j - 1] == char(0xff)) --j;
  low = i;
  high = j;
}

void Poison::before(uint64_t block) {
  if (!segment.bytes) return;
  if (block < 4 || block % 64 == 0) {
    if (block) learn();
    memset(segment.start, 0xff, segment.bytes);
  } else if (low < high) {
    memset(segment.start + low, 0xff, high - low);
  }
}
}  // namespace stand_in
