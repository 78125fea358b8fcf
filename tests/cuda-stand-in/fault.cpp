//! Signal handlers: see fault.h.
#include "fault.h"

#include <unistd.h>

#include <cstdio>

namespace stand_in {
std::string place_of_fault(const Kernel& kernel) {
  char text[200];
  snprintf(text, sizeof text, "kernel %s, block (%u, %u, %u), thread (%u, %u, %u): ", kernel.name,
           block_index.x, block_index.y, block_index.z, thread_index.x, thread_index.y, thread_index.z);
  return text;
}

namespace {
const Kernel* under_way;

void on_signal(int number, siginfo_t* info, void*) {
  const char* what = number == SIGSEGV || number == SIGBUS ? "touches memory that is not its own"
                     : number == SIGFPE ? "divides an integer by zero"
                                        : "traps: an index or an alignment is wrong, or __trap()";
  char text[400];
  int n = snprintf(text, sizeof text, "cuda stand-in: %s%s (address %p)\n",
                   place_of_fault(*under_way).c_str(), what, info->si_addr);
  if (write(2, text, n) < 0) _exit(98);
  _exit(99);
}

}  // namespace

NamedSignals::NamedSignals(const Kernel& kernel) {
  under_way = &kernel;
  struct sigaction action = {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int i = 0; i < 4; ++i) sigaction(numbers[i], &action, &before[i]);
}
NamedSignals::~NamedSignals() {
  for (int i = 0; i < 4; ++i) sigaction(numbers[i], &before[i], nullptr);
}
}  // namespace stand_in
