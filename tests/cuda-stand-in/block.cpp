//! Fibers, warps and barriers: see block.h.
//! A fiber runs one thread after another and is left only when a thread waits, so kernels without barriers cost
//! little more than a loop. Warps run one after the other up to the block's barrier.
#include "block.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <vector>

#ifndef __x86_64__
#error "the context switch is written for x86-64"
#endif

// the callee-saved registers lie on the stack that is left
extern "C" void stand_in_switch(void** save, void* to);
asm(R"(
.text
.type stand_in_switch, @function
.hidden stand_in_switch
stand_in_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size stand_in_switch, .-stand_in_switch
)");

namespace stand_in {
uint3 thread_index, block_index;
dim3 block_shape, grid_shape;

namespace {
constexpr size_t stack_bytes = 128 << 10;
enum class State : uint8_t { fresh, ready, at_barrier, at_warp, gone };
struct Fiber {
  void* stack_pointer;
  char* stack;
};
struct Thread {
  State state;
  Warp kind;
  unsigned mask, source;
  uint64_t value;
  Fiber* fiber;
  uint3 index;
};

Thread threads[1024];
unsigned thread_count, current;
unsigned lanes[32], cursor, lane_count;  // the warp under way, in its order
Fiber* running;
std::vector<Fiber*> idle;
void* scheduler;
const Kernel* launched;
void** launched_arguments;
std::string fault;

void leave() { stand_in_switch(&running->stack_pointer, scheduler); }

void make_current(unsigned thread) {
  current = thread;
  thread_index = threads[thread].index;
  threads[thread].fiber = running;
}

void fiber_main() {
  for (;;) {
    for (;;) {
      launched->call(launched_arguments);
      threads[current].state = State::gone;
      if (cursor == lane_count || threads[lanes[cursor]].state != State::fresh) break;
      make_current(lanes[cursor++]);
    }
    idle.push_back(running);
    leave();
  }
}

void make_fresh(Fiber* fiber) {
  void** top = reinterpret_cast<void**>(fiber->stack + stack_bytes) - 2;
  *top = reinterpret_cast<void*>(fiber_main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber->stack_pointer = top;
  idle.push_back(fiber);
}

Fiber* take_fiber() {
  if (idle.empty()) {
    void* stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) abort();
    mprotect(stack, 4096, PROT_NONE);  // a stack that overflows stops here
    make_fresh(new Fiber{nullptr, static_cast<char*>(stack)});
  }
  Fiber* fiber = idle.back();
  idle.pop_back();
  return fiber;
}

void enter(unsigned thread) {
  running = threads[thread].state == State::fresh ? take_fiber() : threads[thread].fiber;
  make_current(thread);
  stand_in_switch(&scheduler, running->stack_pointer);
}

/// Position `i` of `n` in the order asked for: forward, reverse, or strewn (another order for every `seed`).
unsigned place(unsigned i, unsigned n, uint64_t seed) {
  static const char* order = getenv("STAND_IN_ORDER");
  static const char kind = order ? order[0] : 'f';
  if (kind == 'r') return n - 1 - i;
  if (kind == 's') return unsigned((i * 2654435761ull + seed * 40503ull) % n);  // a prime step, so a permutation
  return i;
}

/// Lets go the lanes of the warp whose partners have all come; whether there were any.
bool release_warp(unsigned first, unsigned count) {
  unsigned live = 0, waiting = 0, done = 0;
  for (unsigned i = 0; i < count; ++i) {
    live |= unsigned(threads[first + i].state != State::gone) << i;
    waiting |= unsigned(threads[first + i].state == State::at_warp) << i;
  }
  for (unsigned i = 0; i < count; ++i) {
    if (!((waiting & ~done) >> i & 1)) continue;
    const Thread& leader = threads[first + i];
    unsigned group = leader.mask & live;
    if (group & ~waiting) continue;  // somebody is still on the way
    uint64_t values[32], ballot = 0;
    for (unsigned j = 0; j < count; ++j) {
      if (!(group >> j & 1)) continue;
      const Thread& t = threads[first + j];
      if (t.mask != leader.mask || t.kind != leader.kind) {
        fault = "lanes " + std::to_string(i) + " and " + std::to_string(j) +
                " of a warp wait in different warp operations or with different masks";
        return false;
      }
      values[j] = t.value;
      ballot |= t.value << j;
    }
    for (unsigned j = 0; j < count; ++j) {
      if (!(group >> j & 1)) continue;
      Thread& t = threads[first + j];
      if (t.kind == Warp::ballot) t.value = ballot;
      // a lane that takes no part has no value: NaN bytes
      if (t.kind == Warp::shuffle) t.value = t.source < 32 && (group >> t.source & 1) ? values[t.source] : ~0ull;
      t.state = State::ready;
    }
    done |= group;
  }
  return done != 0;
}

void run_warp(unsigned warp, uint64_t seed) {
  unsigned first = warp * 32, count = thread_count - first < 32 ? thread_count - first : 32;
  do {
    for (unsigned i = 0; i < count; ++i) lanes[i] = first + place(i, count, seed);
    lane_count = count;
    for (cursor = 0; cursor < count && fault.empty();) {
      unsigned thread = lanes[cursor++];
      if (threads[thread].state == State::fresh || threads[thread].state == State::ready) enter(thread);
    }
  } while (fault.empty() && release_warp(first, count));
}

void run_block(uint64_t seed) {
  for (unsigned i = 0; i < thread_count; ++i) threads[i].state = State::fresh;
  unsigned warps = (thread_count + 31) / 32;
  for (;;) {
    for (unsigned w = 0; w < warps && fault.empty(); ++w) run_warp(place(w, warps, seed), seed + w);
    if (!fault.empty()) return;
    unsigned gone = 0, at_barrier = 0, at_warp = 0;
    for (unsigned i = 0; i < thread_count; ++i) {
      gone += threads[i].state == State::gone;
      at_barrier += threads[i].state == State::at_barrier;
      at_warp += threads[i].state == State::at_warp;
    }
    if (gone == thread_count) return;
    if (at_barrier != thread_count) {
      fault = std::to_string(at_barrier) + " of " + std::to_string(thread_count) + " threads wait at __syncthreads, " +
              std::to_string(at_warp) + " in a warp operation, " + std::to_string(gone) +
              " have left: they wait for ever";
      return;
    }
    for (unsigned i = 0; i < thread_count; ++i) threads[i].state = State::ready;
  }
}

struct Segment {
  void* start = nullptr;
  size_t bytes = 0;
};

/// This library's thread-local segment in the calling thread: the kernels' shared memory and nothing else.
Segment shared_memory() {
  Segment segment;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        const ElfW(Phdr)* tls = nullptr;
        bool ours = false;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& header = info->dlpi_phdr[i];
          uintptr_t here = reinterpret_cast<uintptr_t>(&threads), start = info->dlpi_addr + header.p_vaddr;
          if (header.p_type == PT_TLS) tls = &header;
          ours |= header.p_type == PT_LOAD && here >= start && here < start + header.p_memsz;
        }
        if (ours && tls) *static_cast<Segment*>(out) = {info->dlpi_tls_data, tls->p_memsz};
        return int(ours);
      },
      &segment);
  return segment;
}

std::string place_of_fault() {
  char text[200];
  snprintf(text, sizeof text, "kernel %s, block (%u, %u, %u), thread (%u, %u, %u): ", launched->name, block_index.x,
           block_index.y, block_index.z, thread_index.x, thread_index.y, thread_index.z);
  return text;
}

void on_signal(int number, siginfo_t* info, void*) {
  const char* what = number == SIGSEGV || number == SIGBUS ? "touches memory that is not its own"
                     : number == SIGFPE                    ? "divides an integer by zero"
                                                           : "traps: an index or an alignment is wrong, or __trap()";
  char text[400];
  int n = snprintf(text, sizeof text, "cuda stand-in: %s%s (address %p)\n", place_of_fault().c_str(), what, info->si_addr);
  if (write(2, text, n) < 0) _exit(98);
  _exit(99);
}

/// While a kernel runs, a signal names it.
class NamedSignals {
  static constexpr int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  struct sigaction before[4];

 public:
  NamedSignals() {
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (int i = 0; i < 4; ++i) sigaction(numbers[i], &action, &before[i]);
  }
  ~NamedSignals() {
    for (int i = 0; i < 4; ++i) sigaction(numbers[i], &before[i], nullptr);
  }
};
}  // namespace

unsigned lane() { return current & 31; }

void barrier() {
  threads[current].state = State::at_barrier;
  leave();
}

uint64_t meet(Warp kind, unsigned mask, unsigned source, uint64_t value) {
  Thread& thread = threads[current];
  if (!(mask >> (current & 31) & 1)) fault = "the mask of a warp operation lacks the calling lane";
  thread.state = State::at_warp;
  thread.kind = kind;
  thread.mask = mask;
  thread.source = source;
  thread.value = value;
  leave();
  return thread.value;
}

std::string run(const Kernel& kernel, dim3 grid, dim3 block, void** arguments) {
  launched = &kernel;
  launched_arguments = arguments;
  grid_shape = grid;
  block_shape = block;
  thread_count = block.x * block.y * block.z;
  fault.clear();
  for (unsigned i = 0; i < thread_count; ++i)
    threads[i].index = {i % block.x, i / block.x % block.y, i / block.x / block.y};
  Segment shared = shared_memory();
  NamedSignals named;
  uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    uint64_t b = blocks < 1u << 31 ? place(unsigned(i), unsigned(blocks), 1) : i;
    block_index = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
    if (shared.bytes) memset(shared.start, 0xff, shared.bytes);
    run_block(i);
    if (fault.empty()) continue;
    for (unsigned t = 0; t < thread_count; ++t) {
      State state = threads[t].state;
      if (state == State::at_barrier || state == State::at_warp || state == State::ready) make_fresh(threads[t].fiber);
    }
    return place_of_fault() + fault;
  }
  return "";
}
}  // namespace stand_in
