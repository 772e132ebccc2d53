// The scheduler of cuda_on_host.h. It is compiled without a sanitizer, so that what it touches
// counts as nobody's access, but it tells the sanitizer of the fibers (sanitizers.h).
#include "cuda_on_host.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "context.h"
#include "sanitizers.h"

namespace cuda_host {
namespace {

constexpr size_t kStack = 64 << 10;   // bytes of a fiber
constexpr size_t kShared = 48 << 10;  // bytes of a block, which every card has
constexpr size_t kRedZone = 128;      // bytes between its arrays, which nothing may touch
constexpr int kWarp = 32, kMostThreads = 1024;
constexpr int kMostPasses = 100'000;  // a thread that still runs then never ends
constexpr int kMostMessages = 5;

struct Barrier {
  int arrived = 0, expected = 0, line = 0;
  long generation = 0;
  char clock[2];  // of even generations and of odd ones, for ThreadSanitizer
};

struct Block {
  dim3 index;
  Barrier all;
  std::map<std::pair<int, unsigned>, Barrier> warps;  // by warp and mask
  uint64_t lanes[kMostThreads];                       // what each thread gives to a gather
  bool predicates[kMostThreads];
  std::map<const void*, char*> shared;
  alignas(kRedZone) char memory[kShared];
  size_t used = kShared;  // bytes of the memory
};

struct Fiber : Place {
  Context context;
  char* const stack = new_stack(kStack);
  Block* owner = nullptr;
  bool done = true;
  const Barrier* waits = nullptr;
  long generation = 0;  // of the barrier that it waits for
  int line = 0;
  bool fenced = false;
  void* atomics[8];  // addresses of the last ones that it used
  int atomics_used = 0;
  TSAN(void* tsan = __tsan_create_fiber(0);)
  ASAN(void* asan = nullptr;)
};

Context home;  // of the scheduler
TSAN(void* home_tsan;)
ASAN(void* home_asan; const void* home_stack; size_t home_stack_size;)
const std::function<void()>* body;
std::mt19937 random_order;
std::string messages;
int failures;

Fiber* self() { return static_cast<Fiber*>(const_cast<Place*>(now)); }

void go_home() {
  Fiber* f = self();
  TSAN(__tsan_switch_to_fiber(home_tsan, __tsan_switch_to_fiber_no_sync);)
  ASAN(__sanitizer_start_switch_fiber(f->done ? nullptr : &f->asan, home_stack, home_stack_size);)
  f->context.go_to(&home);
  ASAN(__sanitizer_finish_switch_fiber(f->asan, &home_stack, &home_stack_size);)
}

void go_to(Fiber* f) {
  now = f;
  TSAN(__tsan_switch_to_fiber(f->tsan, __tsan_switch_to_fiber_no_sync);)
  TSAN(__tsan_acquire(&home);)
  ASAN(__sanitizer_start_switch_fiber(&home_asan, f->stack, kStack);)
  home.go_to(&f->context);
  ASAN(__sanitizer_finish_switch_fiber(home_asan, nullptr, nullptr);)
}

void run() {
  ASAN(__sanitizer_finish_switch_fiber(nullptr, &home_stack, &home_stack_size);)
  (*body)();
  TSAN(__tsan_release(self());)
  self()->done = true;
  go_home();
}

// Lets others run now and then, so that atomics are seen in many orders.
void pause() {
  if (random_order() % 2 == 0) go_home();
}

// `orders`: whether it also orders accesses to memory.
void wait(Barrier& b, int line, bool orders) {
  Fiber* f = self();
  if (b.arrived == 0) b.line = line;
  if (b.line != line) fail("others wait at another barrier, line " + std::to_string(b.line), line);
  char* clock = &b.clock[b.generation % 2];
  (void)clock, (void)orders;
  TSAN(if (orders) __tsan_release(clock);)
  if (++b.arrived == b.expected) {
    b.arrived = 0;
    ++b.generation;
  } else {
    f->waits = &b;
    f->generation = b.generation;
    f->line = line;
    go_home();
    f->waits = nullptr;
  }
  TSAN(if (orders) __tsan_acquire(clock);)
}

Barrier& warp(unsigned mask, int line) {
  if (!(mask >> lane() & 1)) fail("the mask leaves out the lane itself", line);
  Barrier& b = self()->owner->warps[{now->number / kWarp, mask}];
  b.expected = __builtin_popcount(mask);
  return b;
}

std::string text(const dim3& i) {
  return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
}

// Fibers and blocks are used again: all that one does is ordered before what the next one does.
template <class T>
T* reused(size_t i) {
  static std::vector<std::unique_ptr<T>> all;
  while (all.size() <= i) all.emplace_back(new T);
  return all[i].get();
}

void start(Fiber* f, Block* block, unsigned number, const dim3& size) {
  f->number = int(number);
  f->owner = block;
  f->block = block->index;
  f->thread = {number % size.x, number / size.x % size.y, number / size.x / size.y};
  f->done = f->fenced = false;
  f->waits = nullptr;
  f->line = f->atomics_used = 0;
  f->context.start(f->stack, kStack, run);
}

void end(Fiber* f) {
  if (!f->done) {
    now = f;
    fail(f->waits == nullptr ? "never ends" : "waits for a barrier that not all threads reach",
         f->line);
    // What it leaves on its stack must not count as the next one's.
    ASAN(__asan_unpoison_memory_region(f->stack, kStack);)
    TSAN(__tsan_destroy_fiber(f->tsan); f->tsan = __tsan_create_fiber(0);)
  }
  TSAN(__tsan_acquire(f);)
}

void start(Block* block, const dim3& index, int threads) {
  block->index = index;
  block->all = {};
  block->all.expected = threads;
  block->warps.clear();
  block->shared.clear();
  ASAN(__asan_unpoison_memory_region(block->memory, kShared);)
  std::memset(block->memory, 0xff, block->used);  // NaN, or -1
  ASAN(__asan_poison_memory_region(block->memory, kShared);)
  block->used = 0;
}

// Runs these blocks, all in flight.
void run_blocks(const dim3* index, size_t blocks, const dim3& size) {
  const unsigned threads = size.x * size.y * size.z;
  std::vector<Fiber*> order;
  for (size_t i = 0; i < blocks; ++i) {
    start(reused<Block>(i), index[i], int(threads));
    for (unsigned n = 0; n < threads; ++n) {
      order.push_back(reused<Fiber>(order.size()));
      start(order.back(), reused<Block>(i), n, size);
    }
  }
  TSAN(__tsan_release(&home);)
  bool progress = true;
  for (int pass = 0; progress && pass < kMostPasses; ++pass) {
    progress = false;
    std::shuffle(order.begin(), order.end(), random_order);
    for (Fiber* f : order) {
      if (f->done || (f->waits != nullptr && f->waits->generation == f->generation)) continue;
      progress = true;
      go_to(f);
    }
  }
  for (Fiber* f : order) end(f);
}

std::map<std::string, Kernel>& table() {
  static std::map<std::string, Kernel> all;
  return all;
}

}  // namespace

const Place* now;
dim3 block_dim, grid_dim;

const std::map<std::string, Kernel>& kernels() { return table(); }
Listed::Listed(const char* name, const Kernel& kernel) { table().emplace(name, kernel); }

void fail(const std::string& what, int line) {
  if (++failures > kMostMessages) return;
  messages += "block " + text(now->block) + ", thread " + text(now->thread) + ", line " +
              std::to_string(line) + ": " + what + "\n";
}

void syncthreads(int line) { wait(self()->owner->all, line, true); }

int syncthreads_count(bool predicate, int line) {
  Block* block = self()->owner;
  block->predicates[now->number] = predicate;
  wait(block->all, line, true);
  const int count = int(std::count(block->predicates, block->predicates + block->all.expected, 1));
  wait(block->all, line, true);
  return count;
}

void syncwarp(unsigned mask, int line) { wait(warp(mask, line), line, true); }

void gather(unsigned mask, uint64_t value, int line, uint64_t* all) {
  uint64_t* lanes = self()->owner->lanes + now->number / kWarp * kWarp;
  lanes[lane()] = value;
  Barrier& b = warp(mask, line);
  wait(b, line, false);
  std::copy(lanes, lanes + kWarp, all);
  wait(b, line, false);
}

void* shared(const void* id, size_t bytes) {
  Block* block = self()->owner;
  char*& at = block->shared[id];
  if (at != nullptr) return at;
  const size_t room = (bytes + kRedZone - 1) / kRedZone * kRedZone + kRedZone;
  if (block->used + room > kShared) {
    fail("more than " + std::to_string(kShared) + " bytes of shared memory", 0);
    std::fprintf(stderr, "%s", messages.c_str());
    std::abort();
  }
  at = block->memory + block->used;
  block->used += room;
  ASAN(__asan_unpoison_memory_region(at, bytes);)
  return at;
}

// Between two threads, an atomic after a fence and a fence after an atomic at the same address
// order what is before with what is after. (A little too much is ordered: all that comes before
// the atomic, not only before the fence.)
void fence() {
  Fiber* f = self();
  f->fenced = true;
  pause();
  TSAN(for (int i = 0; i < std::min(f->atomics_used, 8); ++i) __tsan_acquire(f->atomics[i]);)
}
void before_atomic(void* address) {
  pause();
  (void)address;
  TSAN(if (self()->fenced) __tsan_release(address);)
}
void after_atomic(void* address) {
  Fiber* f = self();
  f->atomics[f->atomics_used++ % 8] = address;
}

std::string launch(dim3 grid, dim3 block, const std::function<void()>& kernel, Order order) {
  grid_dim = grid;
  block_dim = block;
  body = &kernel;
  failures = 0;
  messages.clear();
  random_order.seed(order.seed);
  TSAN(home_tsan = __tsan_get_current_fiber();)
  std::vector<dim3> blocks;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) blocks.push_back({x, y, z});
    }
  }
  std::shuffle(blocks.begin(), blocks.end(), random_order);
  for (size_t first = 0; first < blocks.size(); first += order.together) {
    run_blocks(&blocks[first], std::min<size_t>(order.together, blocks.size() - first), block);
  }
  if (failures > kMostMessages) messages += std::to_string(failures) + " failures in all\n";
  return messages;
}

}  // namespace cuda_host
