//! How often each function was called and how long it took; printed at the end with STAND_IN_COUNT=1.
#pragma once

#include <chrono>
#include <cstdlib>
#include <cstring>

namespace stand_in {
inline bool set(const char* variable) {
  const char* value = getenv(variable);
  return value && *value && strcmp(value, "0") != 0;
}

/// Kept by libcuda.so.1 for all the libraries.
extern "C" void stand_in_count(const char* name, double seconds);

/// Counts one call from here to the end of the scope.
class Counted {
  static bool wanted() {
    static const bool yes = set("STAND_IN_COUNT");
    return yes;
  }
  const char* name;
  std::chrono::steady_clock::time_point start;

 public:
  explicit Counted(const char* called) : name(called) {
    if (wanted()) start = std::chrono::steady_clock::now();
  }
  ~Counted() {
    if (!wanted()) return;
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    stand_in_count(name, took.count());
  }
};
}  // namespace stand_in
