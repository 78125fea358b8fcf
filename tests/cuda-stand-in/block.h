//! Running a launch: every block of the grid, its threads as fibers of the calling OS thread.
//! Promises one order of threads and blocks for one setting of STAND_IN_ORDER, and an error by name for a
//! fault.
#pragma once

#include <string>
#include <utility>

#include "emulate.h"

namespace stand_in {
struct Kernel {
  const char* name;
  void (*call)(void** arguments);
  unsigned max_threads;  // of __launch_bounds__, 1024 without
  unsigned arguments;
  const unsigned* sizes;  // of the arguments, in bytes
};

template <auto F, class... A, size_t... I>
void call_with(void (*)(A...), void** p, std::index_sequence<I...>) {
  F(*static_cast<std::remove_const_t<A>*>(p[I])...);
}
template <auto F, class... A>
constexpr unsigned arity(void (*)(A...)) {
  return sizeof...(A);
}
template <class... A>
std::index_sequence_for<A...> indices(void (*)(A...));
template <class... A>
const unsigned* sizes(void (*)(A...)) {
  static const unsigned bytes[] = {sizeof(A)..., 0};
  return bytes;
}

template <auto F>
Kernel kernel(const char* name, unsigned max_threads = 1024) {
  return {name, [](void** p) { call_with<F>(F, p, decltype(indices(F)){}); }, max_threads, arity<F>(F),
          sizes(F)};
}

/// The kernels of one file; build.sh makes one table for each file that the library is built for.
void offer(const Kernel* table, size_t count);
/// Null when no file has it.
const Kernel* find(const char* name);

/// Runs the whole grid; the empty string, or what went wrong with the kernel's name and place.
std::string run(const Kernel& kernel, dim3 grid, dim3 block, void** arguments);
}  // namespace stand_in
