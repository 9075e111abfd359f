#include "cpu/loops.h"

#include "core/threads.h"
#include "cpu/strided.h"
#include "cpu/widen.h"

namespace lampas::cpu {

namespace {

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
  dispatch_size(size, [&]<class T>(TypeTag<T>) {
    if (to_stride == int64_t(size)) return gather_run(from, from_stride, reinterpret_cast<T*>(to), n);
    for (int64_t i = 0; i < n; i++) {
      *reinterpret_cast<T*>(to) = *reinterpret_cast<const T*>(from);
      from += from_stride;
      to += to_stride;
    }
  });
}

// Visits elements [begin, end) of a loop's linear order as runs along dimension 0: visit(position, offsets, length).
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
    int64_t n = std::min(l.sizes[0] - index[0], end - at);
    visit(at - begin, offset, n);
    at += n;
    offset += n * strides[0];
    index[0] += n;
    for (int d = 0; d + 1 < l.ndim && index[d] == l.sizes[d]; d++) {
      offset += strides[d + 1] - l.sizes[d] * strides[d];
      index[d] = 0;
      index[d + 1]++;
    }
  }
}

struct Runner {
  const Loop& l;
  BlockFn fn;
  const EwParams& params;
  bool linear[5], constant[5], direct[5];  // one run of contiguous elements; one value; needs no staging when linear
  alignas(64) char values[5][16];

  Runner(const Loop& loop, BlockFn f, const EwParams& p) : l(loop), fn(f), params(p) {
    for (int a = 0; a < l.count; a++) {
      const LoopArg& arg = l.args[a];
      bool zero = true;
      for (int d = 0; d < l.ndim; d++) zero &= arg.strides[d] == 0;
      constant[a] = zero && a > 0;
      linear[a] = !constant[a] && l.ndim == 1 && arg.strides[0] == int64_t(item_size(arg.dtype));
      direct[a] = arg.dtype == l.types[a];
      if (constant[a]) converter(arg.dtype, l.types[a])(arg.data, values[a], 1);
    }
  }

  void range(int64_t begin, int64_t end) const {
    bool all_direct = true;
    for (int a = 0; a < l.count; a++) all_direct &= constant[a] || (linear[a] && direct[a]);
    if (all_direct) {
      char* p[5];
      for (int a = 0; a < l.count; a++)
        p[a] =
            constant[a] ? const_cast<char*>(values[a]) : l.args[a].data + begin * int64_t(item_size(l.args[a].dtype));
      fn(p, constant, end - begin, params);
      return;
    }
    // Rows long enough are taken one by one, and what is contiguous along a row needs no staging.
    if (l.ndim > 1 && l.sizes[0] >= 64) {
      for_runs(l, 0, begin, end, [&](int64_t at, int64_t, int64_t n) {
        for (int64_t k = 0; k < n; k += kBlock * 8) block(begin + at + k, std::min(kBlock * 8, n - k), true);
      });
      return;
    }
    for (int64_t at = begin; at < end; at += kBlock) block(at, std::min(kBlock, end - at), l.ndim == 1);
  }

  int64_t offset_of(int a, int64_t at) const {
    int64_t offset = 0;
    for (int d = 0; d < l.ndim; d++) {
      offset += at % l.sizes[d] * l.args[a].strides[d];
      at /= l.sizes[d];
    }
    return offset;
  }

  // One kernel call on [at, at + n); `row`: these lie along dimension 0.
  void block(int64_t at, int64_t n, bool row) const {
    if (n > kBlock && row) {
      bool staged = false;
      for (int a = 0; a < l.count; a++) {
        int64_t s = l.args[a].strides[0];
        staged |= !constant[a] && !(direct[a] && (s == int64_t(item_size(l.args[a].dtype)) || (s == 0 && a > 0)));
      }
      if (staged) {
        for (int64_t k = 0; k < n; k += kBlock) block(at + k, std::min(kBlock, n - k), true);
        return;
      }
    }
    alignas(64) char raw[kBlock * 16];
    alignas(64) char buffers[5][kBlock * 16];
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
      int64_t offset = row ? offset_of(a, at) : 0;
      if (row && arg.strides[0] == int64_t(size)) {
        if (direct[a]) {
          p[a] = arg.data + offset;
          if (a == 0) result_direct = true;
          continue;
        }
        p[a] = buffers[a];
        if (a > 0) converter(arg.dtype, l.types[a])(arg.data + offset, buffers[a], n);
        continue;
      }
      if (row && arg.strides[0] == 0 && a > 0) {
        single[a] = true;
        converter(arg.dtype, l.types[a])(arg.data + offset, buffers[a], 1);
        p[a] = buffers[a];
        continue;
      }
      p[a] = buffers[a];
      if (a == 0) continue;
      char* gathered = direct[a] ? buffers[a] : raw;
      if (row) {
        copy_strided(arg.data + offset, arg.strides[0], gathered, int64_t(size), n, size);
      } else {
        for_runs(l, a, at, at + n, [&](int64_t k, int64_t o, int64_t count) {
          copy_strided(arg.data + o, arg.strides[0], gathered + k * int64_t(size), int64_t(size), count, size);
        });
      }
      if (!direct[a]) converter(arg.dtype, l.types[a])(raw, buffers[a], n);
    }
    single[0] = false;
    fn(p, single, n, params);
    if (result_direct) return;
    const LoopArg& out = l.args[0];
    size_t size = item_size(out.dtype);
    char* from = buffers[0];
    if (!direct[0]) {
      bool contiguous = row && out.strides[0] == int64_t(size);
      char* to = contiguous ? out.data + offset_of(0, at) : raw;
      converter(l.types[0], out.dtype)(buffers[0], to, n);
      if (contiguous) return;
      from = raw;
    }
    if (row) {
      copy_strided(from, int64_t(size), out.data + offset_of(0, at), out.strides[0], n, size);
    } else {
      for_runs(l, 0, at, at + n, [&](int64_t k, int64_t o, int64_t count) {
        copy_strided(from + k * int64_t(size), int64_t(size), out.data + o, out.strides[0], count, size);
      });
    }
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
