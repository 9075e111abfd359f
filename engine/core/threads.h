// Parallel loops on OpenMP (the runtime oneDNN uses too), and the release of the interpreter's lock.
#pragma once

#include <omp.h>
#include <cstddef>
#include <cstdint>
#include <exception>

namespace lampas {

// Threads a parallel region may use: 1 in a forked child, where GNU OpenMP's pool does not exist and would hang.
int num_threads();
void set_num_threads(int n);

// Work below this many elementary steps is not worth waking a thread for.
inline constexpr int64_t kGrain = 32768;

// Calls f(begin, end) on chunks of at least `grain` steps that cover [begin, end). An exception in a chunk is rethrown
// here.
template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, F&& f) {
  int64_t n = end - begin;
  if (n <= 0) return;
  if (n <= grain || num_threads() == 1 || omp_in_parallel()) {
    f(begin, end);
    return;
  }
  int64_t chunks = (n + (grain > 0 ? grain : 1) - 1) / (grain > 0 ? grain : 1);
  int threads = int(chunks < num_threads() ? chunks : num_threads());
  std::exception_ptr error;
#pragma omp parallel num_threads(threads)
  {
    int64_t t = omp_get_thread_num(), count = omp_get_num_threads();
    int64_t per = (n + count - 1) / count, b = begin + t * per, e = b + per < end ? b + per : end;
    try {
      if (b < e) f(b, e);
    } catch (...) {
#pragma omp critical
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

// Set by the bindings: give the interpreter's lock away, take it back. Null when there is no interpreter.
extern void* (*release_interpreter)();
extern void (*acquire_interpreter)(void*);

// Lets other Python threads run while a kernel works, if the work is long enough to pay for it.
// Tensors must be neither created, copied nor destroyed inside.
class Unlocked {
 public:
  explicit Unlocked(int64_t work) {
    if (work > 4 * kGrain && release_interpreter) {
      readers_++;
      state_ = release_interpreter();
    }
  }
  ~Unlocked() {
    if (!state_) return;
    acquire_interpreter(state_);
    if (--readers_ == 0) flush_retired();
  }
  static bool any() { return readers_ > 0; }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  static int readers_;  // changes only while the lock is held
  static void flush_retired();
  void* state_ = nullptr;
};

// Frees memory of the caching allocator as soon as no unlocked kernel can still be reading it.
void retire(void* p, size_t bytes);

}  // namespace lampas
