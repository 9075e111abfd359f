// A caching allocator: freed blocks wait in size classes for the next tensor of their size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lampas {

// 64-byte aligned memory of at least `bytes`; large blocks ask for huge pages. OutOfMemory when the machine has none.
// `allocate` and `deallocate` of small blocks (<= kSmall bytes) need the interpreter's lock.
inline constexpr size_t kSmall = 1024;
void* allocate(size_t bytes);
void deallocate(void* p, size_t bytes);

struct MemoryStats {
  size_t allocated;      // bytes in use by tensors, rounded to their size class
  size_t peak;           // the most that `allocated` has been
  size_t cached;         // bytes of free blocks kept for reuse
  size_t limit;          // bound on `cached`
  uint64_t allocations;  // number of calls
  uint64_t reused;       // of these, answered from the cache
};
MemoryStats memory_stats();
void reset_peak_memory();
void empty_cache();
void set_cache_limit(size_t bytes);

// Memory for the duration of a scope; usable in kernels that have given the interpreter's lock away.
class Scratch {
 public:
  explicit Scratch(size_t bytes) : bytes_(bytes < kSmall + 1 ? kSmall + 1 : bytes), p_(allocate(bytes_)) {}
  ~Scratch() { deallocate(p_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(p_);
  }

 private:
  size_t bytes_;
  void* p_;
};

}  // namespace lampas
