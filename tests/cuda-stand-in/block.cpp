//! Fibers, warps and barriers: see block.h.
//! A fiber runs one thread after another and is left only when a thread waits, so kernels without barriers
//! cost little more than a loop. Warps run one after the other up to the block's barrier.
#include "block.h"

#include <sys/mman.h>

#include <cstdlib>
#include <vector>

#include "fault.h"
#include "shared.h"

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
  size_t colour;
};
struct Thread {
  State state;
  Warp kind;
  unsigned mask, source;
  uint64_t value;
  Fiber* fiber;
  uint3 index;
};

// filled before the program starts, by the tables
std::vector<Kernel>& kernels() {
  static auto* all = new std::vector<Kernel>;
  return *all;
}

Thread threads[1024];
unsigned thread_count, current;
unsigned lanes[32], cursor, lane_count;  // the warp under way, in its order
unsigned live, waiting;                  // its lanes that have not left, and those in a warp operation
Fiber* running;
std::vector<Fiber*> idle;
void* scheduler;
const Kernel* launched;
void** launched_arguments;
std::string fault;

void make_current(unsigned thread) {
  current = thread;
  thread_index = threads[thread].index;
  threads[thread].fiber = running;
}

Fiber* take_fiber();

/// The fiber of the warp's next thread that can run, now the current one; null when there is none.
Fiber* advance() {
  while (cursor < lane_count && fault.empty()) {
    unsigned thread = lanes[cursor++];
    State state = threads[thread].state;
    if (state != State::fresh && state != State::ready) continue;
    running = state == State::fresh ? take_fiber() : threads[thread].fiber;
    make_current(thread);
    return running;
  }
  return nullptr;
}

void leave() {
  Fiber *here = running, *next = advance();
  if (next == here) return;  // it was idle already and goes on with another thread
  stand_in_switch(&here->stack_pointer, next ? next->stack_pointer : scheduler);
}

void fiber_main() {
  for (;;) {
    for (;;) {
      launched->call(launched_arguments);
      threads[current].state = State::gone;
      live &= ~(1u << (current & 31));
      if (cursor == lane_count || threads[lanes[cursor]].state != State::fresh) break;
      make_current(lanes[cursor++]);
    }
    idle.push_back(running);
    leave();
  }
}

void make_fresh(Fiber* fiber) {
  // tops at different distances from the end: else all of them share one set of the cache
  void** top = reinterpret_cast<void**>(fiber->stack + stack_bytes - fiber->colour) - 2;
  *top = reinterpret_cast<void*>(fiber_main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  fiber->stack_pointer = top;
  idle.push_back(fiber);
}

Fiber* take_fiber() {
  if (idle.empty()) {
    void* stack = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) abort();
    mprotect(stack, 4096, PROT_NONE);  // a stack that overflows stops here
    static size_t made = 0;
    make_fresh(new Fiber{nullptr, static_cast<char*>(stack), made++ % 29 * 576});
  }
  Fiber* fiber = idle.back();
  idle.pop_back();
  return fiber;
}

enum class Order { forward, reverse, strewn };
Order order_wanted() {
  const char* text = getenv("STAND_IN_ORDER");
  return text && *text == 'r' ? Order::reverse : text && *text == 's' ? Order::strewn : Order::forward;
}
const Order order = order_wanted();

/// Position `i` of `n` in the order asked for: forward, reverse, or strewn (another order for every `seed`).
unsigned place(unsigned i, unsigned n, uint64_t seed) {
  if (order == Order::forward) return i;
  if (order == Order::reverse) return n - 1 - i;
  return unsigned((i * 2654435761ull + seed * 40503ull) % n);  // a prime step, so a permutation
}

/// Lets go the lanes of the warp whose partners have all come; whether there were any.
bool release_warp(unsigned first) {
  bool any = false;
  for (unsigned left = waiting; left;) {
    const Thread& leader = threads[first + unsigned(__builtin_ctz(left))];
    const unsigned group = leader.mask & live;
    left &= left - 1;
    if (group & ~waiting) continue;  // somebody is still on the way
    uint64_t values[32], ballot = 0;
    for (unsigned rest = group; rest; rest &= rest - 1) {
      unsigned j = unsigned(__builtin_ctz(rest));
      const Thread& t = threads[first + j];
      if (t.mask != leader.mask || t.kind != leader.kind) {
        fault = "lanes " + std::to_string(&leader - threads - first) + " and " + std::to_string(j) +
                " of a warp wait in different warp operations or with different masks";
        return false;
      }
      values[j] = t.value;
      ballot |= t.value << j;
    }
    for (unsigned rest = group; rest; rest &= rest - 1) {
      Thread& t = threads[first + unsigned(__builtin_ctz(rest))];
      if (t.kind == Warp::ballot) t.value = ballot;
      // a lane that takes no part has no value: NaN bytes
      if (t.kind == Warp::shuffle)
        t.value = t.source < 32 && (group >> t.source & 1) ? values[t.source] : ~0ull;
      t.state = State::ready;
    }
    waiting &= ~group;
    left &= ~group;
    any = true;
  }
  return any;
}

void run_warp(unsigned warp, uint64_t seed) {
  const unsigned first = warp * 32;
  lane_count = thread_count - first < 32 ? thread_count - first : 32;
  live = waiting = 0;
  for (unsigned i = 0; i < lane_count; ++i) {
    lanes[i] = first + place(i, lane_count, seed);
    live |= unsigned(threads[first + i].state != State::gone) << i;
  }
  do {
    cursor = 0;
    if (advance()) stand_in_switch(&scheduler, running->stack_pointer);
  } while (fault.empty() && release_warp(first));
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
      fault = std::to_string(at_barrier) + " of " + std::to_string(thread_count) +
              " threads wait at __syncthreads, " + std::to_string(at_warp) + " in a warp operation, " +
              std::to_string(gone) + " have left: they wait for ever";
      return;
    }
    for (unsigned i = 0; i < thread_count; ++i) threads[i].state = State::ready;
  }
}

}  // namespace

void offer(const Kernel* table, size_t count) {
  for (size_t i = 0; i < count; ++i) kernels().push_back(table[i]);
}
const Kernel* find(const char* name) {
  for (const Kernel& kernel : kernels())
    if (strcmp(kernel.name, name) == 0) return &kernel;
  return nullptr;
}

unsigned lane() { return current & 31; }

void barrier() {
  threads[current].state = State::at_barrier;
  leave();
}

uint64_t meet(Warp kind, unsigned mask, unsigned source, uint64_t value) {
  Thread& thread = threads[current];
  if (!(mask >> (current & 31) & 1)) fault = "the mask of a warp operation lacks the calling lane";
  thread.state = State::at_warp;
  waiting |= 1u << (current & 31);
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
  Poison shared;
  NamedSignals named(kernel);
  uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    uint64_t b = blocks < 1u << 31 ? place(unsigned(i), unsigned(blocks), 1) : i;
    block_index = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
    shared.before(i);
    run_block(i);
    if (fault.empty()) continue;
    for (unsigned t = 0; t < thread_count; ++t) {
      State state = threads[t].state;
      if (state == State::at_barrier || state == State::at_warp || state == State::ready)
        make_fresh(threads[t].fiber);
    }
    return place_of_fault(kernel) + fault;
  }
  return "";
}
}  // namespace stand_in
