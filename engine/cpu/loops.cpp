#include "cpu/loops.h"

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/strided.h"
#include "cpu/widen.h"

namespace lampas::cpu {

namespace {

constexpr int64_t kWhole = 32;  // elements of a row that is worth a call of its own

BlockFn kernels[size_t(Ew::Count)][kDTypes];

constexpr int64_t kBlock = 1024;  // elements staged at a time: a few operands of these stay in the first-level cache

template <class From, class To>
void convert_block(const void* from, void* to, int64_t n) {
  const From* f = static_cast<const From*>(from);
  To* t = static_cast<To*>(to);
  if constexpr (k16BitFloat<From> && std::is_same_v<To, float>)
    widen_run(f, n, t);
  else if constexpr (k16BitFloat<To> && std::is_same_v<From, float>)
    narrow_run(f, n, t);
  else
    for (int64_t i = 0; i < n; i++) t[i] = convert<To>(f[i]);
}

struct ConverterTable {
  ConvertFn f[kDTypes][kDTypes];
  ConverterTable() {
    for (int i = 0; i < kDTypes; i++)
      dispatch(DType(i), [&]<class From>(TypeTag<From>) {
        for (int j = 0; j < kDTypes; j++)
          dispatch(DType(j), [&]<class To>(TypeTag<To>) { f[i][j] = &convert_block<From, To>; });
      });
  }
};

void copy_strided(const char* from, int64_t from_stride, char* to, int64_t to_stride, int64_t n, size_t size) {
  dispatch_size(size, [&]<class T>(TypeTag<T>) { move_run<T>(from, from_stride, to, to_stride, n); });
}

// Visits elements [begin, end) of a loop's linear order as runs along dimension 0: visit(position, offset, length,
// runs), where several whole runs follow each other along dimension 1.
template <class F>
void for_runs(const Loop& l, int arg, int64_t begin, int64_t end, F&& visit) {
  int64_t index[Loop::kMaxDims], rest = begin, offset = 0;
  const int64_t* strides = l.args[arg].strides;
  for (int d = 0; d < l.ndim; d++) {
    index[d] = rest % l.sizes[d];
    rest /= l.sizes[d];
    offset += index[d] * strides[d];
  }
  for (int64_t at = begin; at < end;) {
    const int64_t n = std::min(l.sizes[0] - index[0], end - at);
    if (l.ndim > 1 && n == l.sizes[0]) {
      const int64_t rows = std::min(l.sizes[1] - index[1], (end - at) / n);
      visit(at - begin, offset, n, rows);
      at += rows * n;
      offset += (rows - 1) * strides[1] + n * strides[0];
      index[0] = n;
      index[1] += rows - 1;
    } else {
      visit(at - begin, offset, n, int64_t(1));
      at += n;
      offset += n * strides[0];
      index[0] += n;
    }
    for (int d = 0; d + 1 < l.ndim && index[d] == l.sizes[d]; d++) {
      offset += strides[d + 1] - l.sizes[d] * strides[d];
      index[d] = 0;
      index[d + 1]++;
    }
  }
}

// Elements [begin, end) of argument `arg` in the loop's linear order from or to one piece of memory. Whole runs along
// dimension 0 that follow each other along dimension 1 are taken together.
void gather(const Loop& l, int arg, int64_t begin, int64_t end, char* to) {
  const LoopArg& a = l.args[arg];
  const int64_t a_row = l.ndim > 1 ? a.strides[1] : 0;
  dispatch_size(item_size(a.dtype), [&]<class T>(TypeTag<T>) {
    constexpr int64_t item = sizeof(T);
    for_runs(l, arg, begin, end, [&](int64_t at, int64_t offset, int64_t n, int64_t rows) {
      move_rows<T>(a.data + offset, a.strides[0], a_row, to + at * item, item, n * item, n, rows);
    });
  });
}
void scatter(const Loop& l, int arg, int64_t begin, int64_t end, const char* from) {
  const LoopArg& a = l.args[arg];
  const int64_t a_row = l.ndim > 1 ? a.strides[1] : 0;
  dispatch_size(item_size(a.dtype), [&]<class T>(TypeTag<T>) {
    constexpr int64_t item = sizeof(T);
    for_runs(l, arg, begin, end, [&](int64_t at, int64_t offset, int64_t n, int64_t rows) {
      move_rows<T>(from + at * item, item, n * item, a.data + offset, a.strides[0], a_row, n, rows);
    });
  });
}

struct Runner {
  const Loop& l;
  BlockFn fn;
  const EwParams& params;
  bool flat[5], constant[5], direct[5];  // contiguous in the loop's order; one value; of the kernel's own type
  int64_t period[5];                     // of what repeats itself in the loop's order, if short, else 0
  alignas(64) char values[5][16];

  Runner(const Loop& loop, BlockFn f, const EwParams& p) : l(loop), fn(f), params(p) {
    for (int a = 0; a < l.count; a++) {
      const LoopArg& arg = l.args[a];
      int64_t expected = int64_t(item_size(arg.dtype)), below = 1;
      period[a] = 1;
      flat[a] = true;
      for (int d = 0; d < l.ndim; d++) {
        flat[a] &= arg.strides[d] == expected;
        expected *= l.sizes[d], below *= l.sizes[d];
        if (arg.strides[d] != 0) period[a] = below;
      }
      constant[a] = period[a] == 1 && a > 0;
      direct[a] = arg.dtype == l.types[a];
      if (constant[a]) converter(arg.dtype, l.types[a])(arg.data, values[a], 1);
      if (a == 0 || constant[a] || l.ndim == 1 || period[a] == l.numel || period[a] > kBlock) period[a] = 0;
    }
  }

  void range(int64_t begin, int64_t end) const {
    bool all_direct = true;
    for (int a = 0; a < l.count; a++) all_direct &= constant[a] || (flat[a] && direct[a]);
    if (all_direct) {
      char* p[5];
      for (int a = 0; a < l.count; a++)
        p[a] =
            constant[a] ? const_cast<char*>(values[a]) : l.args[a].data + begin * int64_t(item_size(l.args[a].dtype));
      fn(p, constant, end - begin, params);
      return;
    }
    if (l.ndim > 1 && l.sizes[0] >= kWhole && unstaged()) return whole_rows(begin, end);
    // Rows long enough are taken one by one, and what is contiguous along a row needs no staging.
    if (l.ndim > 1 && l.sizes[0] >= 64) {
      for_runs(l, 0, begin, end, [&](int64_t at, int64_t, int64_t n, int64_t rows) {
        for (int64_t r = 0; r < rows; r++)
          for (int64_t k = 0; k < n; k += kBlock) row(begin + at + r * n + k, std::min(kBlock, n - k));
      });
      return;
    }
    if (l.ndim == 1) {
      for (int64_t at = begin; at < end; at += kBlock) row(at, std::min(kBlock, end - at));
      return;
    }
    const Repeats repeats(*this);
    for (int64_t at = begin; at < end; at += kBlock) mixed(at, std::min(kBlock, end - at), repeats);
  }

  int64_t offset_of(int a, int64_t at) const {
    int64_t offset = 0;
    for (int d = 0; d < l.ndim; d++) {
      offset += at % l.sizes[d] * l.args[a].strides[d];
      at /= l.sizes[d];
    }
    return offset;
  }

  struct Staging {
    alignas(64) char raw[kBlock * 16];
    alignas(64) char buffers[5][kBlock * 16];
  };

  // What repeats itself, in the kernel's type and often enough that every block finds its part in one piece.
  struct Repeats {
    Scratch memory;
    char* at[5] = {};
    explicit Repeats(const Runner& r) : memory(bytes(r)) {
      char* to = memory.as<char>();
      for (int a = 1; a < r.l.count; a++)
        if (const int64_t n = r.period[a]) {
          const size_t from_size = item_size(r.l.args[a].dtype), size = item_size(r.l.types[a]);
          Scratch once(size_t(n) * from_size);
          gather(r.l, a, 0, n, once.as<char>());
          converter(r.l.args[a].dtype, r.l.types[a])(once.as<void>(), to, n);
          for (int64_t have = n; have < n + kBlock;) {
            const int64_t more = std::min(have, n + kBlock - have);
            std::memcpy(to + have * int64_t(size), to, size_t(more) * size);
            have += more;
          }
          at[a] = to;
          to += (n + kBlock) * 16;
        }
    }
    static size_t bytes(const Runner& r) {
      size_t sum = 0;
      for (int a = 1; a < r.l.count; a++)
        if (r.period[a]) sum += size_t(r.period[a] + kBlock) * 16;
      return sum;
    }
  };

  // One kernel call on [at, at + n), which goes over the ends of short rows.
  void mixed(int64_t at, int64_t n, const Repeats& repeats) const {
    Staging s;
    char* p[5] = {};
    for (int a = 0; a < l.count; a++) {
      const LoopArg& arg = l.args[a];
      const int64_t size = int64_t(item_size(arg.dtype));
      p[a] = s.buffers[a];
      if (constant[a]) {
        p[a] = const_cast<char*>(values[a]);
      } else if (repeats.at[a]) {
        p[a] = repeats.at[a] + at % period[a] * int64_t(item_size(l.types[a]));
      } else if (flat[a]) {
        if (direct[a])
          p[a] = arg.data + at * size;
        else if (a > 0)
          converter(arg.dtype, l.types[a])(arg.data + at * size, s.buffers[a], n);
      } else if (a > 0) {
        gather(l, a, at, at + n, direct[a] ? s.buffers[a] : s.raw);
        if (!direct[a]) converter(arg.dtype, l.types[a])(s.raw, s.buffers[a], n);
      }
    }
    fn(p, constant, n, params);
    const LoopArg& out = l.args[0];
    const int64_t size = int64_t(item_size(out.dtype));
    if (flat[0]) {
      if (!direct[0]) converter(l.types[0], out.dtype)(s.buffers[0], out.data + at * size, n);
      return;
    }
    if (!direct[0]) converter(l.types[0], out.dtype)(s.buffers[0], s.raw, n);
    scatter(l, 0, at, at + n, direct[0] ? s.buffers[0] : s.raw);
  }

  // Whether rows can be handed to the kernel as they lie.
  bool unstaged() const {
    bool all = true;
    for (int a = 0; a < l.count; a++) {
      const int64_t step = l.args[a].strides[0];
      all &= constant[a] || (direct[a] && (step == int64_t(item_size(l.args[a].dtype)) || (step == 0 && a > 0)));
    }
    return all;
  }
  // A kernel call on each row of [begin, end).
  void whole_rows(int64_t begin, int64_t end) const {
    int64_t index[Loop::kMaxDims], rest = begin;
    for (int d = 0; d < l.ndim; d++) index[d] = rest % l.sizes[d], rest /= l.sizes[d];
    char* p[5];
    bool single[5];
    for (int a = 0; a < l.count; a++) {
      single[a] = constant[a] || l.args[a].strides[0] == 0;
      p[a] = constant[a] ? const_cast<char*>(values[a]) : l.args[a].data + offset_of(a, begin);
    }
    const auto move = [&](int d, int64_t steps) {
      for (int a = 0; a < l.count; a++)
        if (!constant[a]) p[a] += steps * l.args[a].strides[d];
    };
    for (int64_t at = begin; at < end;) {
      const int64_t n = std::min(l.sizes[0] - index[0], end - at);
      fn(p, single, n, params);
      at += n;
      if (index[0] != 0) move(0, -index[0]), index[0] = 0;
      move(1, 1);
      index[1]++;
      for (int d = 1; d + 1 < l.ndim && index[d] == l.sizes[d]; d++) {
        move(d, -l.sizes[d]);
        move(d + 1, 1);
        index[d] = 0;
        index[d + 1]++;
      }
    }
  }

  // One kernel call on [at, at + n), at most a block, which lie along dimension 0.
  void row(int64_t at, int64_t n) const {
    Staging s;
    char* p[5] = {};
    bool single[5];
    bool result_direct = false;
    for (int a = 0; a < l.count; a++) {
      const LoopArg& arg = l.args[a];
      size_t size = item_size(arg.dtype);
      single[a] = constant[a];
      if (constant[a]) {
        p[a] = const_cast<char*>(values[a]);
        continue;
      }
      const int64_t offset = offset_of(a, at);
      if (arg.strides[0] == int64_t(size)) {
        if (direct[a]) {
          p[a] = arg.data + offset;
          if (a == 0) result_direct = true;
          continue;
        }
        p[a] = s.buffers[a];
        if (a > 0) converter(arg.dtype, l.types[a])(arg.data + offset, s.buffers[a], n);
        continue;
      }
      p[a] = s.buffers[a];
      if (a == 0) continue;
      if (arg.strides[0] == 0) {
        single[a] = true;
        converter(arg.dtype, l.types[a])(arg.data + offset, s.buffers[a], 1);
        continue;
      }
      char* gathered = direct[a] ? s.buffers[a] : s.raw;
      copy_strided(arg.data + offset, arg.strides[0], gathered, int64_t(size), n, size);
      if (!direct[a]) converter(arg.dtype, l.types[a])(s.raw, s.buffers[a], n);
    }
    single[0] = false;
    fn(p, single, n, params);
    if (result_direct) return;
    const LoopArg& out = l.args[0];
    size_t size = item_size(out.dtype);
    char *from = s.buffers[0], *to = out.data + offset_of(0, at);
    if (!direct[0]) {
      const bool contiguous = out.strides[0] == int64_t(size);
      converter(l.types[0], out.dtype)(s.buffers[0], contiguous ? to : s.raw, n);
      if (contiguous) return;
      from = s.raw;
    }
    copy_strided(from, int64_t(size), to, out.strides[0], n, size);
  }
};

}  // namespace

BlockFn& kernel(Ew op, DType compute) { return kernels[size_t(op)][size_t(compute)]; }

ConvertFn converter(DType from, DType to) {
  static const ConverterTable table;
  return table.f[size_t(from)][size_t(to)];
}

void run(Loop& l, BlockFn fn, const EwParams& params) {
  if (l.numel == 0) return;
  Runner runner(l, fn, params);
  Unlocked unlocked(l.numel);
  parallel_for(0, l.numel, kGrain, [&](int64_t b, int64_t e) { runner.range(b, e); });
}

}  // namespace lampas::cpu
