// Batch, group and instance norm: moments and affine maps per channel.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/norm.h"
#include "cpu/widen.h"

namespace lampas::cpu {
namespace {

constexpr int64_t kRun = 2048;         // contiguous values summed at once in the compute type
constexpr int64_t kRepeat = 512;       // values that parameters of few channels are repeated to
constexpr int64_t kTileRows = 64;      // channels last: rows summed at once,
constexpr int64_t kTileColumns = 128;  // of so many channels: the tile stays in L1

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool rows_of_channels(const ChannelShape& s) { return s.order == Order::ChannelsLast || s.space == 1; }

// Rows of few channels are handled several at a time, as one long row whose parameters repeat.
int64_t rows_at_once(const ChannelShape& s, int64_t width) {
  return std::max<int64_t>(1, width / std::max<int64_t>(1, s.channels));
}

// The activation cut into parts independent of the number of threads: each part gives `Sums` doubles per channel.
struct Parts {
  int64_t count, length;  // of one plane's space, or of all rows
  int64_t planes;         // parts along the batch, on top
  explicit Parts(const ChannelShape& s) {
    const bool rows = rows_of_channels(s);
    const int64_t extent = rows ? s.batch * s.space : s.space;
    length = rows ? std::max<int64_t>(kTileRows, ceil_div(ceil_div(extent, 64), kTileRows) * kTileRows) : 1 << 16;
    count = std::max<int64_t>(1, ceil_div(extent, length));
    planes = rows ? 1 : s.batch;
  }
  int64_t total() const { return count * planes; }
};

// Calls piece(offset of the first element, rows, columns, first channel, sums) for pieces that fit L1; several rows of
// few channels come as one, with as many times the columns. In plain order a piece is one run of one channel (rows ==
// 0). `merge` folds a finished part into the result.
template <int Sums, class Piece, class Merge>
void reduce_channels(const ChannelShape& s, Piece piece, Merge merge) {
  const Parts parts(s);
  const int64_t channels = s.channels;
  Scratch memory(parts.total() * channels * (Sums + 1) * sizeof(double));
  double* const sums = memory.as<double>();  // [part][channel][count, sums...]
  auto slot = [&](int64_t part, int64_t c) { return sums + (part * channels + c) * (Sums + 1); };
  if (rows_of_channels(s)) {
    const int64_t extent = s.batch * s.space;
    const int64_t blocks = ceil_div(channels, kTileColumns), at_once = rows_at_once(s, kTileColumns);
    parallel_for(0, parts.count * blocks,
                 std::max<int64_t>(1, kGrain / (parts.length * std::min(kTileColumns, channels))),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; i++) {
                     const int64_t part = i / blocks, c0 = i % blocks * kTileColumns;
                     const int64_t columns = std::min(kTileColumns, channels - c0);
                     std::fill(slot(part, c0), slot(part, c0) + columns * (Sums + 1), 0.0);
                     const int64_t last = std::min(extent, (part + 1) * parts.length);
                     for (int64_t r = part * parts.length; r < last; r += kTileRows) {
                       const int64_t rows = std::min(kTileRows, last - r), whole = rows / at_once * at_once;
                       if (whole) piece(r * channels + c0, whole / at_once, at_once * columns, c0, slot(part, c0));
                       if (whole < rows) piece((r + whole) * channels + c0, rows - whole, columns, c0, slot(part, c0));
                     }
                   }
                 });
  } else {
    const int64_t items = parts.total() * channels;
    parallel_for(0, items, std::max<int64_t>(1, kGrain / std::min(parts.length, s.space)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; i++) {
                     const int64_t c = i % channels, part = i / channels, n = part / parts.count,
                                   at = part % parts.count * parts.length;
                     double* out = slot(part, c);
                     std::fill(out, out + Sums + 1, 0.0);
                     const int64_t last = std::min(s.space, at + parts.length);
                     for (int64_t j = at; j < last; j += kRun)
                       piece((n * channels + c) * s.space + j, 0, std::min(kRun, last - j), c, out);
                   }
                 });
  }
  for (int64_t part = 0; part < parts.total(); part++)
    for (int64_t c = 0; c < channels; c++) merge(c, slot(part, c));
}

// (count, mean, sum of squared deviations) of two sets become those of their union.
inline void merge_moments(double* a, double count, double mean, double squares) {
  if (count == 0) return;
  const double total = a[0] + count, delta = mean - a[1];
  a[1] += delta * (count / total);
  a[2] += squares + delta * delta * (a[0] * count / total);
  a[0] = total;
}

// f(column, its channel within the piece) for the columns of such a piece.
template <class F>
inline void each_channel(int64_t n, int64_t channels, F f) {
  for (int64_t i0 = 0; i0 < n; i0 += channels)
    for (int64_t i = i0; i < std::min(n, i0 + channels); i++) f(i, i - i0);
}

template <class C>
class Repeated {
 public:
  // `in_pairs`: arranged as Firsts and Seconds want them.
  Repeated(const ChannelShape& s, const C* values, int64_t times, bool in_pairs = false)
      : memory_(values ? times * s.channels * sizeof(C) : 0) {
    data_ = values;
    if (!values || (times == 1 && !in_pairs)) return;
    C* const all = memory_.template as<C>();
    for (int64_t c = 0; c < s.channels; c++)
      all[in_pairs ? c / kPairs * kPairs + c % 2 * (kPairs / 2) + c % kPairs / 2 : c] = values[c];
    for (int64_t i = 1; i < times; i++) std::copy_n(all, s.channels, all + i * s.channels);
    data_ = all;
  }
  const C* data() const { return data_; }

 private:
  Scratch memory_;
  const C* data_;
};

// Applies f(first element, elements, first channel, whether they run over channels) to pieces of rows, in parallel.
// Channels last, a piece may span rows_at_once(s, kRepeat) rows.
template <class F>
void each_row(const ChannelShape& s, F f) {
  const bool last = rows_of_channels(s);
  const int64_t total = s.batch * s.space * s.channels;
  const int64_t n = last ? s.channels * rows_at_once(s, kRepeat) : s.space, rows = total == 0 ? 0 : (total + n - 1) / n;
  parallel_for(0, rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const int64_t length = std::min(n, total - r * n);
      for (int64_t i = 0; i < length; i += kRun)
        f(r * n + i, std::min(kRun, length - i), last ? i : r % s.channels, last);
    }
  });
}

// How a vector of values gets its parameters: along the channels, or the same for all.
constexpr auto kEach = [](const auto& access, const auto* p, int64_t i) { return access.load(p + i); };
constexpr auto kSame = [](const auto&, const auto* p, int64_t) {
  return simd::splat<simd::Vec<std::remove_cvref_t<decltype(*p)>>>(*p);
};

template <class T, class C>
void gradient_sums(const ChannelShape& s, const T* gy, const T* x, const C* mean, double* sum, double* product) {
  std::fill_n(sum, s.channels, 0.0);
  std::fill_n(product, s.channels, 0.0);
  const Repeated<C> means(s, mean, rows_of_channels(s) ? rows_at_once(s, kTileColumns) : 1);
  reduce_channels<2>(
      s,
      [&](int64_t at, int64_t rows, int64_t n, int64_t c, double* out) {
        C buffer[2][kRun];
        if (rows == 0) {
          const C* __restrict g = widened(gy + at, n, buffer[0]);
          const C* __restrict v = widened(x + at, n, buffer[1]);
          C a = 0, b = 0;
          const C m = mean[c];
#pragma omp simd reduction(+ : a, b)
          for (int64_t i = 0; i < n; i++) {
            a += g[i];
            b += g[i] * (v[i] - m);
          }
          out[1] += a, out[2] += b;
          return;
        }
        C a[kTileColumns] = {}, b[kTileColumns] = {};
        const C* __restrict m = means.data() + c;
        const int64_t step = std::max(n, s.channels);
        for (int64_t r = 0; r < rows; r++) {
          const C* __restrict g = widened(gy + at + r * step, n, buffer[0]);
          const C* __restrict v = widened(x + at + r * step, n, buffer[1]);
#pragma omp simd
          for (int64_t i = 0; i < n; i++) {
            a[i] += g[i];
            b[i] += g[i] * (v[i] - m[i]);
          }
        }
        each_channel(n, s.channels,
                     [&](int64_t i, int64_t column) { out[3 * column + 1] += a[i], out[3 * column + 2] += b[i]; });
      },
      [&](int64_t c, const double* part) { sum[c] += part[1], product[c] += part[2]; });
}

// gx = gy * a + (x - mean) * b + d per channel.
template <class T, class C>
void affine_gradient(const ChannelShape& s, const T* gy, const T* x, const C* mean, const C* a, const C* b, const C* d,
                     T* gx) {
  const int64_t times = rows_of_channels(s) ? rows_at_once(s, kRepeat) : 1;
  const Repeated<C> means(s, mean, times), as(s, a, times), bs(s, b, times), ds(s, d, times);
  each_row(s, [&](int64_t at, int64_t n, int64_t c, bool over_channels) {
    // By value: behind references every store would make the compiler read the pointers again.
    const auto run = [n, in = x + at, g = gy + at, out = gx + at, pm = means.data() + c, pa = as.data() + c,
                      pb = bs.data() + c, pd = ds.data() + c](auto parameter) {
      for_wide<T>(0, n, [=](int64_t i, const auto& access) {
        const auto centred = access.load(in + i) - parameter(access, pm, i);
        access.store(out + i, access.load(g + i) * parameter(access, pa, i) + centred * parameter(access, pb, i) +
                                  parameter(access, pd, i));
      });
    };
    over_channels ? run(kEach) : run(kSame);
  });
}

// A shape whose channels are (image, channel) pairs, one call for all images in plain order, one per image otherwise.
template <class F>
void per_image(const ChannelShape& s, F f) {
  if (!rows_of_channels(s) || s.batch == 1)
    return f(ChannelShape{1, s.batch * s.channels, s.space, s.order}, int64_t(0));
  const int64_t image = s.channels * s.space;
  parallel_for(0, s.batch, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, image)), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) f(ChannelShape{1, s.channels, s.space, Order::ChannelsLast}, n);
  });
}

}  // namespace

template <class T>
void channel_moments(const ChannelShape& s, const T* x, Compute<T>* mean, Compute<T>* variance) {
  using C = Compute<T>;
  std::vector<double> total(3 * s.channels, 0.0);
  reduce_channels<2>(
      s,
      [&](int64_t at, int64_t rows, int64_t n, int64_t, double* out) {
        C buffer[kRun];
        if (rows == 0) {
          const C* __restrict v = widened(x + at, n, buffer);
          C sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
          for (int64_t i = 0; i < n; i++) sum += v[i];
          const C m = sum / C(n);
#pragma omp simd reduction(+ : squares)
          for (int64_t i = 0; i < n; i++) squares += (v[i] - m) * (v[i] - m);
          merge_moments(out, double(n), m, squares);
          return;
        }
        const int64_t step = std::max(n, s.channels);
        C m[kTileColumns] = {}, squares[kTileColumns] = {};
        for (int64_t r = 0; r < rows; r++) {
          const C* __restrict v = widened(x + at + r * step, n, buffer);
#pragma omp simd
          for (int64_t i = 0; i < n; i++) m[i] += v[i];
        }
        for (int64_t i = 0; i < n; i++) m[i] /= C(rows);
        for (int64_t r = 0; r < rows; r++) {
          const C* __restrict v = widened(x + at + r * step, n, buffer);
#pragma omp simd
          for (int64_t i = 0; i < n; i++) squares[i] += (v[i] - m[i]) * (v[i] - m[i]);
        }
        each_channel(n, s.channels, [&](int64_t i, int64_t column) {
          merge_moments(out + 3 * column, double(rows), m[i], squares[i]);
        });
      },
      [&](int64_t c, const double* part) { merge_moments(&total[3 * c], part[0], part[1], part[2]); });
  for (int64_t c = 0; c < s.channels; c++) {
    const double* t = &total[3 * c];
    mean[c] = C(t[0] == 0 ? NAN : t[1]);
    variance[c] = C(t[2] / t[0]);
  }
}

template <class T>
void channel_affine(const ChannelShape& s, const T* x, const Compute<T>* mean, const Compute<T>* scale,
                    const Compute<T>* shift, bool relu, T* y) {
  using C = Compute<T>;
  const int64_t times = rows_of_channels(s) ? rows_at_once(s, kRepeat) : 1;
  // 16-bit floats bear a shift that the mean is already in; others would lose digits where it is large.
  constexpr bool folded = k16BitFloat<T>;
  std::vector<C> all(folded ? s.channels : 0);
  if constexpr (folded) {
    for (int64_t c = 0; c < s.channels; c++) all[c] = (shift ? shift[c] : C(0)) - mean[c] * scale[c];
    shift = all.data();
  }
  const bool in_pairs = std::is_same_v<T, BFloat16> && rows_of_channels(s) && s.channels % kPairs == 0;
  const Repeated<C> means(s, mean, folded ? 1 : times), scales(s, scale, times, in_pairs),
      shifts(s, shift, times, in_pairs);
  each_row(s, [&](int64_t at, int64_t n, int64_t c, bool over_channels) {
    const auto run = [n, over_channels, in_pairs, in = x + at, out = y + at, m = means.data() + c,
                      w = scales.data() + c, b = shifts.data() + c](auto parameter, auto shifted, auto rectify) {
      const auto result = [=](int64_t i, const auto& access) {
        auto v = access.load(in + i);
        if constexpr (!folded) v -= parameter(access, m, i);
        v *= parameter(access, w, i);
        if constexpr (shifted) v += parameter(access, b, i);
        if constexpr (rectify) v = v < 0 ? decltype(v){} : v;
        return v;
      };
      if (!over_channels || in_pairs)
        write_wide(n, out, result);
      else
        for_wide<T>(0, n, [=](int64_t i, const auto& access) { access.store(out + i, result(i, access)); });
    };
    const auto choose = [&](auto shifted, auto rectify) {
      over_channels ? run(kEach, shifted, rectify) : run(kSame, shifted, rectify);
    };
    constexpr std::true_type yes;
    constexpr std::false_type no;
    if (shift)
      relu ? choose(yes, yes) : choose(yes, no);
    else
      relu ? choose(no, yes) : choose(no, no);
  });
}

template <class T>
void batch_norm_forward(const ChannelShape& s, const T* x, const Compute<T>* weight, const Compute<T>* bias, double eps,
                        bool relu, T* y, Compute<T>* mean, Compute<T>* variance, Compute<T>* rstd) {
  using C = Compute<T>;
  channel_moments(s, x, mean, variance);
  std::vector<C> scale(s.channels);
  for (int64_t c = 0; c < s.channels; c++) {
    rstd[c] = C(1 / std::sqrt(double(variance[c]) + eps));
    scale[c] = weight ? rstd[c] * weight[c] : rstd[c];
  }
  channel_affine(s, x, mean, scale.data(), bias, relu, y);
}

template <class T>
void batch_norm_backward(const ChannelShape& s, const T* gy, const T* x, const Compute<T>* weight,
                         const Compute<T>* mean, const Compute<T>* rstd, bool batch_statistics, T* gx,
                         Compute<T>* gweight, Compute<T>* gbias) {
  using C = Compute<T>;
  const int64_t channels = s.channels;
  std::vector<double> sum(channels), product(channels);
  if (gweight || gbias || batch_statistics) gradient_sums(s, gy, x, mean, sum.data(), product.data());
  if (gx) {
    const double n = double(s.batch * s.space);
    std::vector<C> a(channels), b(channels, C(0)), d(channels, C(0));
    for (int64_t c = 0; c < channels; c++) {
      const double scale = double(rstd[c]) * (weight ? double(weight[c]) : 1);
      a[c] = C(scale);
      if (!batch_statistics) continue;
      b[c] = C(-scale * double(rstd[c]) * double(rstd[c]) * product[c] / n);
      d[c] = C(-scale * sum[c] / n);
    }
    affine_gradient(s, gy, x, mean, a.data(), b.data(), d.data(), gx);
  }
  for (int64_t c = 0; c < channels; c++) {
    if (gweight) gweight[c] = C(product[c] * double(rstd[c]));
    if (gbias) gbias[c] = C(sum[c]);
  }
}

template <class T>
void group_norm_forward(const ChannelShape& s, int64_t groups, const T* x, const Compute<T>* weight,
                        const Compute<T>* bias, double eps, T* y, Compute<T>* mean, Compute<T>* rstd) {
  using C = Compute<T>;
  const int64_t per_group = s.channels / groups;
  per_image(s, [&](const ChannelShape& flat, int64_t image) {
    const int64_t pairs = flat.channels, count = pairs / per_group, g0 = image * groups;
    const int64_t at = image * s.channels * s.space;
    std::vector<C> m(pairs), scale(pairs), shift(pairs), variance(count);
    if (rows_of_channels(flat)) {
      channel_moments(flat, x + at, m.data(), scale.data());
      for (int64_t g = 0; g < count; g++) {
        double all[3] = {0, 0, 0};
        for (int64_t c = g * per_group; c < (g + 1) * per_group; c++)
          merge_moments(all, double(s.space), m[c], double(scale[c]) * double(s.space));
        mean[g0 + g] = C(all[1]);
        variance[g] = C(all[2] / all[0]);
      }
    } else {  // a group's channels follow each other
      channel_moments(ChannelShape{1, count, per_group * s.space, flat.order}, x + at, mean + g0, variance.data());
    }
    for (int64_t g = 0; g < count; g++) {
      const int64_t first = g * per_group, channel = (g0 + g) % groups * per_group;
      rstd[g0 + g] = C(1 / std::sqrt(double(variance[g]) + eps));
      for (int64_t k = 0; k < per_group; k++) {
        m[first + k] = mean[g0 + g];
        scale[first + k] = rstd[g0 + g] * (weight ? weight[channel + k] : C(1));
        shift[first + k] = bias ? bias[channel + k] : C(0);
      }
    }
    channel_affine(flat, x + at, m.data(), scale.data(), shift.data(), false, y + at);
  });
}

template <class T>
void group_norm_backward(const ChannelShape& s, int64_t groups, const T* gy, const T* x, const Compute<T>* weight,
                         const Compute<T>* mean, const Compute<T>* rstd, T* gx, Compute<T>* gweight,
                         Compute<T>* gbias) {
  using C = Compute<T>;
  const int64_t per_group = s.channels / groups, all = s.batch * s.channels;
  std::vector<double> sum(all), product(all);
  const double n = double(per_group * s.space);
  per_image(s, [&](const ChannelShape& flat, int64_t image) {
    const int64_t pairs = flat.channels, g0 = image * groups, c0 = image * s.channels, at = c0 * s.space;
    std::vector<C> m(pairs), a(pairs), b(pairs), d(pairs);
    for (int64_t c = 0; c < pairs; c++) m[c] = mean[g0 + c / per_group];
    gradient_sums(flat, gy + at, x + at, m.data(), sum.data() + c0, product.data() + c0);
    if (!gx) return;
    for (int64_t g = 0; g < pairs / per_group; g++) {
      const double r = double(rstd[g0 + g]);
      double weighted = 0, weighted_product = 0;
      for (int64_t c = g * per_group; c < (g + 1) * per_group; c++) {
        const double w = weight ? double(weight[c % s.channels]) : 1;
        weighted += w * sum[c0 + c], weighted_product += w * product[c0 + c];
        a[c] = C(r * w);
      }
      std::fill_n(b.begin() + g * per_group, per_group, C(-r * r * r * weighted_product / n));
      std::fill_n(d.begin() + g * per_group, per_group, C(-r * weighted / n));
    }
    affine_gradient(flat, gy + at, x + at, m.data(), a.data(), b.data(), d.data(), gx + at);
  });
  for (int64_t c = 0; c < s.channels && (gweight || gbias); c++) {
    double w = 0, b = 0;
    for (int64_t i = 0; i < s.batch; i++) {
      w += product[i * s.channels + c] * double(rstd[i * groups + c / per_group]);
      b += sum[i * s.channels + c];
    }
    if (gweight) gweight[c] = C(w);
    if (gbias) gbias[c] = C(b);
  }
}

#define LAMPAS_CHANNEL_NORM(T)                                                                                        \
  template void channel_moments<T>(const ChannelShape&, const T*, Compute<T>*, Compute<T>*);                          \
  template void channel_affine<T>(const ChannelShape&, const T*, const Compute<T>*, const Compute<T>*,                \
                                  const Compute<T>*, bool, T*);                                                       \
  template void batch_norm_forward<T>(const ChannelShape&, const T*, const Compute<T>*, const Compute<T>*, double,    \
                                      bool, T*, Compute<T>*, Compute<T>*, Compute<T>*);                               \
  template void batch_norm_backward<T>(const ChannelShape&, const T*, const T*, const Compute<T>*, const Compute<T>*, \
                                       const Compute<T>*, bool, T*, Compute<T>*, Compute<T>*);                        \
  template void group_norm_forward<T>(const ChannelShape&, int64_t, const T*, const Compute<T>*, const Compute<T>*,   \
                                      double, T*, Compute<T>*, Compute<T>*);                                          \
  template void group_norm_backward<T>(const ChannelShape&, int64_t, const T*, const T*, const Compute<T>*,           \
                                       const Compute<T>*, const Compute<T>*, T*, Compute<T>*, Compute<T>*);
LAMPAS_CHANNEL_NORM(float)
LAMPAS_CHANNEL_NORM(double)
LAMPAS_CHANNEL_NORM(BFloat16)
LAMPAS_CHANNEL_NORM(Half)
#undef LAMPAS_CHANNEL_NORM

}  // namespace lampas::cpu
