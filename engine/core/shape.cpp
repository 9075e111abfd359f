#include "core/shape.h"

#include "core/error.h"

namespace lampas {

std::ostream& operator<<(std::ostream& s, Shown v) {
  s << '[';
  for (size_t i = 0; i < v.v.size(); i++) s << (i ? ", " : "") << v.v[i];
  return s << ']';
}

IntVec contiguous_strides(Ints sizes) {
  IntVec strides;
  strides.resize(int(sizes.size()));
  int64_t step = 1;
  for (int i = int(sizes.size()) - 1; i >= 0; i--) {
    strides[i] = step;
    step *= std::max<int64_t>(sizes[i], 1);
  }
  return strides;
}

bool is_contiguous(Ints sizes, Ints strides) {
  int64_t step = 1;
  for (int64_t n : sizes)
    if (n == 0) return true;
  for (int i = int(sizes.size()) - 1; i >= 0; i--) {
    if (sizes[i] != 1 && strides[i] != step) return false;
    step *= sizes[i];
  }
  return true;
}

IntVec broadcast(Ints a, Ints b) {
  int na = int(a.size()), nb = int(b.size()), n = std::max(na, nb);
  IntVec out;
  out.resize(n);
  for (int i = 1; i <= n; i++) {
    int64_t x = i <= na ? a[na - i] : 1, y = i <= nb ? b[nb - i] : 1;
    CHECK(x == y || x == 1 || y == 1, "The size of tensor a (", x, ") must match the size of tensor b (", y,
          ") at non-singleton dimension ", n - i, ": shapes ", shown(a), " and ", shown(b),
          " do not broadcast; aligned from the right, each pair of sizes must be equal or one of them 1");
    out[n - i] = x == 1 ? y : x;
  }
  return out;
}

bool can_broadcast(Ints from, Ints to) {
  if (from.size() > to.size()) return false;
  for (size_t i = 1; i <= from.size(); i++) {
    int64_t f = from[from.size() - i];
    if (f != 1 && f != to[to.size() - i]) return false;
  }
  return true;
}

IntVec infer_size(Ints wanted, int64_t numel) {
  IntVec out(wanted);
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < out.size(); i++) {
    if (out[i] == -1) {
      CHECK(unknown < 0, "only one dimension can be inferred, but shape ", shown(wanted), " has -1 more than once");
      unknown = i;
    } else {
      CHECK(out[i] >= 0, "invalid shape dimension ", out[i], " in ", shown(wanted), ": sizes are 0 or more, or one -1");
      known *= out[i];
    }
  }
  if (unknown >= 0) {
    CHECK(known != 0, "cannot reshape tensor of ", numel, " elements into shape ", shown(wanted),
          " because the unspecified dimension size -1 can be any value and is ambiguous");
    if (numel % known == 0) {
      out[unknown] = numel / known;
      return out;
    }
  }
  CHECK(unknown < 0 && known == numel, "shape '", shown(wanted), "' is invalid for input of size ", numel,
        unknown < 0 ? text(": it holds ", known, " elements") : text(": ", numel, " is not a multiple of ", known));
  return out;
}

int64_t checked_numel(Ints sizes) {
  int64_t n = 1;
  bool overflow = false, zero = false;
  for (int64_t s : sizes) {
    CHECK(s >= 0, "Trying to create tensor with negative dimension ", s, ": ", shown(sizes));
    zero |= s == 0;
    overflow |= __builtin_mul_overflow(n, s, &n);
  }
  if (zero) return 0;
  CHECK(!overflow, "a tensor of shape ", shown(sizes), " has more elements than a 64-bit integer counts");
  return n;
}

int wrap_dim(int64_t dim, int ndim) {
  int n = std::max(ndim, 1);
  CHECK_KIND(Index, dim >= -n && dim < n, "Dimension out of range (expected to be in range of [", -n, ", ", n - 1,
             "], but got ", dim, ")");
  return int(dim < 0 ? dim + n : dim);
}

uint64_t dim_mask(Ints dims, int ndim, bool empty_is_all) {
  CHECK(ndim <= 64, "reductions take at most 64 dimensions, got ", ndim);
  if (dims.empty() && empty_is_all) return ndim == 64 ? ~0ull : (1ull << ndim) - 1;
  uint64_t mask = 0;
  for (int64_t d : dims) {
    uint64_t bit = 1ull << wrap_dim(d, ndim);
    CHECK(!(mask & bit), "dim ", wrap_dim(d, ndim), " appears multiple times in the list of dims ", shown(dims));
    mask |= bit;
  }
  return mask;
}

}  // namespace lampas
