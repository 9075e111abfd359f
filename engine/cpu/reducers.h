// What a reduction does to elements: loops over runs and columns of them, which know nothing of shapes.
#pragma once

#include "cpu/reduce.h"

namespace lampas::cpu {

constexpr int64_t kColumns = 1024;  // the most states that `columns` takes at once

struct Reducer {
  DType type, state_type;
  size_t state_size;
  bool positional;  // cares where along the reduced dimension an element stands
  void (*init)(void* states, int64_t n);
  // n contiguous elements into one state; `position` is that of the first.
  void (*row)(double p, const char* x, int64_t n, int64_t position, void* state, const void* centre);
  // Rows of n <= kColumns elements, each row `stride` bytes after the one before, into n states.
  void (*columns)(double p, const char* x, int64_t stride, int64_t rows, int64_t n, int64_t position, void* states,
                  const void* centres);
  void (*merge)(void* into, const void* from, int64_t n);
  // As `row`, of every second element; may be null.
  decltype(row) every_second = nullptr;
};

// The reducer of a call.
const Reducer* pick_reducer(const ReduceCall& c);
// The one that gives what has to be known of each result before its elements can be reduced; null: nothing.
const Reducer* pick_centre(const ReduceCall& c);

}  // namespace lampas::cpu
