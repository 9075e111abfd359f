// Where the windows of a pooling lie, per axis; always three axes of space, missing ones have extent 1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/dtype.h"
#include "core/threads.h"
#include "cpu/pool.h"

namespace lampas::cpu {

struct PoolAxis {
  int64_t in, out, kernel, step;  // kernel: of the longest window; step: between its places
  std::vector<int64_t> first;     // where a window's place 0 would lie, perhaps outside
  std::vector<int64_t> k0, k1;    // the places that lie inside
  std::vector<int64_t> span;      // length of the window with its padding
  struct Hit {
    int64_t out, k;
  };
  std::vector<int64_t> hits_from;  // per input: its part of `hits`, the windows it is a place of
  std::vector<Hit> hits;

  PoolAxis(const PoolShape& s, int d, bool want_hits) {
    const bool real = d >= 0;
    in = real ? s.in[d] : 1, out = real ? s.out[d] : 1, kernel = 0, step = 1;
    const bool adaptive = real && s.adaptive;
    if (real && !adaptive) step = s.dilation[d];
    for (int64_t o = 0; o < out; o++) {
      int64_t begin = 0, size = 1, pad = 0;
      if (adaptive) {
        begin = o * in / out;
        size = ((o + 1) * in + out - 1) / out - begin;
      } else if (real) {
        pad = s.pad[d], begin = o * s.stride[d] - pad, size = s.kernel[d];
      }
      const int64_t low = begin >= 0 ? 0 : (-begin + step - 1) / step;
      const int64_t high = begin >= in ? 0 : std::min(size, (in - begin - 1) / step + 1);
      first.push_back(begin), k0.push_back(low), k1.push_back(std::max(low, high));
      span.push_back(std::min(begin + size, in + pad) - begin);
      kernel = std::max(kernel, size);
    }
    if (!want_hits) return;
    std::vector<int64_t> count(in + 1, 0);
    for (int64_t o = 0; o < out; o++)
      for (int64_t k = k0[o]; k < k1[o]; k++) count[first[o] + k * step + 1]++;
    for (int64_t i = 0; i < in; i++) count[i + 1] += count[i];
    hits_from = count;
    hits.resize(count[in]);
    for (int64_t o = 0; o < out; o++)
      for (int64_t k = k0[o]; k < k1[o]; k++) hits[count[first[o] + k * step]++] = {o, k};
  }
};

struct PoolWindows {
  PoolAxis d, h, w;
  explicit PoolWindows(const PoolShape& s, bool hits = false)
      : d(s, s.rank - 3, hits), h(s, s.rank - 2, hits), w(s, s.rank - 1, hits) {}
  int64_t in_space() const { return d.in * h.in * w.in; }
  int64_t out_space() const { return d.out * h.out * w.out; }
  int64_t size() const { return d.kernel * h.kernel * w.kernel; }
  int64_t place(int64_t kd, int64_t kh, int64_t kw) const { return (kd * h.kernel + kh) * w.kernel + kw; }
  int64_t at(int64_t id, int64_t ih, int64_t iw) const { return (id * h.in + ih) * w.in + iw; }

  // f(kd, kh, row of the input) for each row of the input that windows of output row (od, oh) see.
  template <class F>
  void rows(int64_t od, int64_t oh, F f) const {
    for (int64_t kd = d.k0[od]; kd < d.k1[od]; kd++)
      for (int64_t kh = h.k0[oh]; kh < h.k1[oh]; kh++)
        f(kd, kh, (d.first[od] + kd * d.step) * h.in + h.first[oh] + kh * h.step);
  }
  // f(output row) for each row of windows that the input row (id, ih) is seen by.
  template <class F>
  void window_rows_of(int64_t id, int64_t ih, F f) const {
    for (int64_t a = d.hits_from[id]; a < d.hits_from[id + 1]; a++)
      for (int64_t b = h.hits_from[ih]; b < h.hits_from[ih + 1]; b++) f(d.hits[a].out * h.out + h.hits[b].out);
  }
  // f(output place, window place) for each window the input (id, ih, iw) is a place of.
  template <class F>
  void windows_of(int64_t id, int64_t ih, int64_t iw, F f) const {
    for (int64_t a = d.hits_from[id]; a < d.hits_from[id + 1]; a++)
      for (int64_t b = h.hits_from[ih]; b < h.hits_from[ih + 1]; b++)
        for (int64_t c = w.hits_from[iw]; c < w.hits_from[iw + 1]; c++)
          f((d.hits[a].out * h.out + h.hits[b].out) * w.out + w.hits[c].out,
            place(d.hits[a].k, h.hits[b].k, w.hits[c].k));
  }
};

// The type maxima and sums are formed in.
template <class T>
using PoolCompute = std::conditional_t<std::is_same_v<T, double>, double, float>;

// Plain planes are short of width: a block of them is turned so that the planes lie side by side, pooled like channels,
// and turned back. f(first plane, planes) handles a block.
template <class F>
void plane_blocks(int64_t planes, int64_t space, int item_size, F f) {
  constexpr int64_t room = 1 << 18;  // of a block, in L2
  const int64_t fitting = room / std::max<int64_t>(1, space * item_size) / 16 * 16;
  const int64_t block = std::min(planes, std::clamp<int64_t>(fitting, 16, 64));
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, block * space));
  parallel_for(0, (planes + block - 1) / block, grain, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) f(b * block, std::min(block, planes - b * block));
  });
}

}  // namespace lampas::cpu
