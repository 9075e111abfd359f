#include "core/allocator.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <vector>

#include "core/error.h"

// Under AddressSanitizer free and unused parts of blocks are poisoned, so that it sees through the cache.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define POISON(p, bytes) ASAN_POISON_MEMORY_REGION(p, bytes)
#define UNPOISON(p, bytes) ASAN_UNPOISON_MEMORY_REGION(p, bytes)
#else
#define POISON(p, bytes) (void)0
#define UNPOISON(p, bytes) (void)0
#endif

namespace lampas {
namespace {

// Small blocks come in multiples of 64 bytes; larger ones in eight steps per doubling, so at most 1/8 is lost.
constexpr int kSmallClasses = int(kSmall / 64) + 1;
constexpr int kSteps = 8;
constexpr int kClasses = kSmallClasses + kSteps * 54;
constexpr size_t kHuge = size_t(2) << 20;
constexpr size_t kMapped = size_t(64) << 10;
constexpr size_t kSlab = 64 << 10;

struct Block {
  Block* next;
};

Block* small_free[kSmallClasses];
char* slab = nullptr;
size_t slab_left = 0;

std::atomic_flag lock = ATOMIC_FLAG_INIT;
struct Guard {
  Guard() {
    while (lock.test_and_set(std::memory_order_acquire)) {}
  }
  ~Guard() { lock.clear(std::memory_order_release); }
};
Block* large_free[kClasses];
uint64_t last_used[kClasses];  // the number of the allocation that last wanted a block of this class
size_t most_in_use = 0;        // the most that stats.allocated has ever been
constexpr size_t kAlwaysKept = size_t(64) << 20;
constexpr size_t kUnset = ~size_t(0);
MemoryStats stats{0, 0, 0, kUnset, 0, 0};
size_t small_allocated = 0, small_cached = 0;
uint64_t small_allocations = 0;

size_t pages(size_t bytes) {
  static const size_t page = size_t(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}
size_t total_memory() { return size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGESIZE)); }

struct Class {
  int index;
  size_t bytes;
};

Class class_of(size_t bytes) {
  int exponent = std::bit_width(bytes - 1) - 1;  // 2^exponent < bytes <= 2^(exponent + 1)
  size_t step = (size_t(1) << exponent) / kSteps;
  size_t k = (bytes - (size_t(1) << exponent) + step - 1) / step;
  return {kSmallClasses + exponent * kSteps + int(k) - 1, (size_t(1) << exponent) + k * step};
}

// Blocks from 64 KB on come from the system and go back to it: freed in any order, they would leave malloc's memory
// full of holes. Those of 2 MB and more lie so that huge pages fit.
void* system_allocate(size_t bytes) {
  void* p = nullptr;
  if (bytes < kMapped) return posix_memalign(&p, 64, bytes) == 0 ? p : nullptr;
  const size_t whole = pages(bytes), spare = bytes < kHuge ? 0 : kHuge;
  p = mmap(nullptr, whole + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  if (!spare) return p;
  char* start = static_cast<char*>(p);
  const size_t before = (kHuge - reinterpret_cast<uintptr_t>(start) % kHuge) % kHuge;
  if (before) munmap(start, before);
  munmap(start + before + whole, spare - before);
  madvise(start + before, whole, MADV_HUGEPAGE);
  return start + before;
}
void system_free(void* p, size_t bytes) {
  if (bytes < kMapped)
    free(p);
  else
    munmap(p, pages(bytes));
}

void set_default_limit() {
  if (stats.limit == kUnset) stats.limit = total_memory() / 4;
}

// A forked child has only the thread that forked: nobody would release a lock another one holds.
[[maybe_unused]] const int at_fork = pthread_atfork(
    [] {
      while (lock.test_and_set(std::memory_order_acquire)) {}
    },
    [] { lock.clear(std::memory_order_release); }, [] { lock.clear(std::memory_order_release); });

size_t bytes_of(int index) {
  const int step = index - kSmallClasses;
  const size_t base = size_t(1) << (step / kSteps);
  return base + size_t(step % kSteps + 1) * (base / kSteps);
}

// Gives cached blocks back to the system, of the classes that were not wanted for longest first, until at most `keep`
// bytes stay cached. Needs the lock.
void trim(size_t keep) {
  while (stats.cached > keep) {
    int oldest = -1;
    for (int c = 0; c < kClasses; c++)
      if (large_free[c] && (oldest < 0 || last_used[c] < last_used[oldest])) oldest = c;
    if (oldest < 0) return;
    const size_t bytes = bytes_of(oldest);
    while (large_free[oldest] && stats.cached > keep) {
      Block* b = large_free[oldest];
      UNPOISON(b, bytes);
      large_free[oldest] = b->next;
      stats.cached -= bytes;
      system_free(b, bytes);
    }
  }
}

// No more is kept than was ever in use at once: a program whose shapes vary would otherwise keep blocks of every size.
size_t cache_limit() {
  const size_t worth = most_in_use > kAlwaysKept ? most_in_use : kAlwaysKept;
  return worth < stats.limit ? worth : stats.limit;
}

void* allocate_large(size_t bytes) {
  CHECK_KIND(OutOfMemory, bytes < (size_t(1) << 50), "out of memory: a tensor of ", bytes, " bytes (",
             double(bytes) / (1ull << 40), " TiB) was asked for, the machine has ", total_memory(), " bytes");
  Class c = class_of(bytes);
  Guard guard;
  set_default_limit();
  last_used[c.index] = ++stats.allocations;
  void* p;
  if (Block* b = large_free[c.index]) {
    UNPOISON(b, c.bytes);
    large_free[c.index] = b->next;
    stats.cached -= c.bytes;
    stats.reused++;
    p = b;
  } else {
    // Overcommitting systems grant any amount and kill the process when it is touched: refuse what cannot be there.
    if (c.bytes > total_memory())
      p = nullptr;
    else if (!(p = system_allocate(c.bytes))) {
      trim(0);
      p = system_allocate(c.bytes);
    }
    CHECK_KIND(OutOfMemory, p, "out of memory: tried to allocate ", bytes, " bytes (", double(bytes) / (1 << 30),
               " GiB); ", stats.allocated, " bytes are in use by tensors and the machine has ", total_memory(),
               ". Use smaller batches or a smaller dtype, or delete tensors that are no longer needed");
  }
  stats.allocated += c.bytes;
  if (stats.allocated > stats.peak) stats.peak = stats.allocated;
  if (stats.allocated > most_in_use) most_in_use = stats.allocated;
  POISON(static_cast<char*>(p) + bytes, c.bytes - bytes);
  return p;
}

void deallocate_large(void* p, size_t bytes) {
  Class c = class_of(bytes);
  Guard guard;
  stats.allocated -= c.bytes;
  const size_t limit = cache_limit();
  // An eighth more than needed at a time, as looking for the oldest takes longer than freeing it.
  if (stats.cached + c.bytes > limit) trim(c.bytes > limit ? 0 : limit - c.bytes - (limit - c.bytes) / 8);
  if (c.bytes > limit) {
    UNPOISON(p, c.bytes);
    system_free(p, c.bytes);
    return;
  }
  Block* b = static_cast<Block*>(p);
  UNPOISON(b, sizeof(Block));
  b->next = large_free[c.index];
  large_free[c.index] = b;
  stats.cached += c.bytes;
  POISON(p, c.bytes);
}

void* carve(size_t bytes) {
  if (slab_left < bytes) {
    // What is left of the old slab is a multiple of 64 bytes: it serves a smaller class.
    if (slab_left >= 64) {
      Block* rest = reinterpret_cast<Block*>(slab);
      UNPOISON(rest, sizeof(Block));
      rest->next = small_free[slab_left / 64];
      small_free[slab_left / 64] = rest;
      small_cached += slab_left;
      POISON(rest, slab_left);
    }
    void* fresh = nullptr;
    CHECK_KIND(OutOfMemory, posix_memalign(&fresh, 64, kSlab) == 0, "out of memory: no room for small tensors");
    slab = static_cast<char*>(fresh);
    slab_left = kSlab;
    POISON(slab, kSlab);
  }
  void* p = slab;
  slab += bytes;
  slab_left -= bytes;
  return p;
}

}  // namespace

void* allocate(size_t bytes) {
  if (bytes > kSmall) return allocate_large(bytes);
  size_t c = bytes ? (bytes + 63) / 64 : 1;
  small_allocations++;
  small_allocated += c * 64;
  if (Block* b = small_free[c]) [[likely]] {
    UNPOISON(b, bytes < sizeof(Block) ? sizeof(Block) : bytes);
    small_free[c] = b->next;
    small_cached -= c * 64;
    return b;
  }
  void* p = carve(c * 64);
  UNPOISON(p, bytes);
  return p;
}

void deallocate(void* p, size_t bytes) {
  if (bytes > kSmall) return deallocate_large(p, bytes);
  size_t c = bytes ? (bytes + 63) / 64 : 1;
  Block* b = static_cast<Block*>(p);
  UNPOISON(b, sizeof(Block));
  b->next = small_free[c];
  small_free[c] = b;
  small_allocated -= c * 64;
  small_cached += c * 64;
  POISON(b, c * 64);
}

MemoryStats memory_stats() {
  Guard guard;
  set_default_limit();
  MemoryStats s = stats;
  s.peak += small_allocated;  // not followed block by block: it would cost more than the blocks
  s.allocated += small_allocated;
  s.cached += small_cached;
  s.allocations += small_allocations;
  return s;
}

void reset_peak_memory() {
  Guard guard;
  stats.peak = stats.allocated;
}

void empty_cache() {
  Guard guard;
  trim(0);
}

void set_cache_limit(size_t bytes) {
  Guard guard;
  stats.limit = bytes;
  trim(bytes);
}

}  // namespace lampas
