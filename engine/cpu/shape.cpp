// Triangles of matrices.
#include "cpu/shape.h"

#include <cstring>

#include "core/threads.h"

namespace lampas::cpu {

void triangle(const TriangleCall& c) {
  size_t item = c.item;
  Unlocked unlocked(c.batches * c.rows * c.columns);
  parallel_for(0, c.batches * c.rows, std::max<int64_t>(1, kGrain / c.columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const char* in = static_cast<const char*>(c.in) + row * c.columns * int64_t(item);
      char* out = static_cast<char*>(c.out) + row * c.columns * int64_t(item);
      // Elements [from, to) stay, the others become zero.
      int64_t edge = row % c.rows + c.diagonal;
      int64_t from = c.upper ? std::clamp<int64_t>(edge, 0, c.columns) : 0;
      int64_t to = c.upper ? c.columns : std::clamp<int64_t>(edge + 1, 0, c.columns);
      std::memset(out, 0, size_t(from) * item);
      std::memcpy(out + from * int64_t(item), in + from * int64_t(item), size_t(to - from) * item);
      std::memset(out + to * int64_t(item), 0, size_t(c.columns - to) * item);
    }
  });
}

}  // namespace lampas::cpu
