//! How often each function was called and how long it took; printed at the end with STAND_IN_COUNT=1.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace stand_in {
inline bool set(const char* variable) {
  const char* value = getenv(variable);
  return value && *value && strcmp(value, "0") != 0;
}

struct Tally {
  long calls = 0;
  double seconds = 0;
};

// never destroyed: the program may call until its very end
inline std::map<std::string, Tally>& tallies() {
  static auto* all = new std::map<std::string, Tally>;
  return *all;
}
inline std::mutex& tally_lock() {
  static auto* lock = new std::mutex;
  return *lock;
}

/// Counts one call from here to the end of the scope.
class Counted {
  static bool wanted() {
    static const bool yes = set("STAND_IN_COUNT");
    return yes;
  }
  std::string name;
  std::chrono::steady_clock::time_point start;

 public:
  explicit Counted(const std::string& called) {
    if (!wanted()) return;
    name = called;
    start = std::chrono::steady_clock::now();
  }
  ~Counted() {
    if (!wanted()) return;
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::lock_guard<std::mutex> hold(tally_lock());
    Tally& tally = tallies()[name];
    ++tally.calls;
    tally.seconds += took.count();
  }
};

inline void print_tallies(const char* library) {
  if (!set("STAND_IN_COUNT")) return;
  std::lock_guard<std::mutex> hold(tally_lock());
  for (const auto& [name, tally] : tallies())
    fprintf(stderr, "cuda stand-in: %s %-40s %8ld calls %10.6f s\n", library, name.c_str(), tally.calls, tally.seconds);
}
}  // namespace stand_in
