//! Signals that a kernel raises, by its name and place.
#pragma once
#include <csignal>
#include <string>

#include "block.h"

namespace stand_in {
/// "kernel NAME, block (x, y, z), thread (x, y, z): " of the thread under way.
std::string place_of_fault(const Kernel& kernel);

/// While it lives, a signal ends the program with 99 and a line that names the kernel.
class NamedSignals {
  static constexpr int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  struct sigaction before[4];

 public:
  explicit NamedSignals(const Kernel& kernel);
  ~NamedSignals();
};
}  // namespace stand_in
