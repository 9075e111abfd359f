#include "core/threads.h"

#include <pthread.h>

#include <algorithm>
#include <vector>

#include "core/allocator.h"

namespace lampas {

void* (*release_interpreter)() = nullptr;
void (*acquire_interpreter)(void*) = nullptr;

namespace {
bool forked = false;
int threads = [] {
  pthread_atfork(nullptr, nullptr, [] {
    forked = true;
    omp_set_num_threads(1);  // for the libraries that ask OpenMP themselves
  });
  return std::max(1, omp_get_max_threads());
}();
std::vector<std::pair<void*, size_t>> retired;
}  // namespace

int Unlocked::readers_ = 0;

void Unlocked::flush_retired() {
  for (auto [p, bytes] : retired) deallocate(p, bytes);
  retired.clear();
}

void retire(void* p, size_t bytes) {
  if (Unlocked::any())
    retired.emplace_back(p, bytes);
  else
    deallocate(p, bytes);
}

int num_threads() { return forked ? 1 : threads; }

void set_num_threads(int n) {
  threads = n;
  if (!forked) omp_set_num_threads(n);
}

}  // namespace lampas
