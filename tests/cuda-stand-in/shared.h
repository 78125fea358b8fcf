//! The kernels' shared memory: this library's thread-local segment.
#pragma once
#include <cstddef>
#include <cstdint>

namespace stand_in {
/// Where the calling thread has it.
struct Segment {
  char* start = nullptr;
  size_t bytes = 0;
};
Segment shared_memory();

/// Fills shared memory with NaN bytes before every block. A kernel touches little of the segment, which holds
/// the arrays of all kernels: the touched part is learned from its first blocks, and anew every 64 blocks.
class Poison {
  Segment segment = shared_memory();
  size_t low = segment.bytes, high = 0;
  void learn();

 public:
  void before(uint64_t block);
};
}  // namespace stand_in
