// Pooling: maxima and means of windows, in one to three dimensions.
#include <array>

#include "ops/activation.h"

namespace lampas {

namespace {

using X = const Tensor&;

// ---- shapes ----

IntVec expanded(const char* name, const char* what, Ints given, int rank) {
  static const char* const words[] = {"", "one int", "two ints", "three ints"};
  CHECK(given.size() == 1 || int(given.size()) == rank, name, ": ", what,
        " must either be a single int, or a tuple of ", words[rank], ", got ", shown(given));
  return given.size() == 1 ? IntVec(rank, given[0]) : IntVec(given);
}

struct ByX {
  int64_t channels;
  const int64_t* space;
  int rank;
  friend std::ostream& operator<<(std::ostream& o, const ByX& s) {
    o << '(' << s.channels;
    for (int d = 0; d < s.rank; d++) o << 'x' << s.space[d];
    return o << ')';
  }
};

// A shape with batch, channels and input filled in; a missing batch counts as 1.
PoolShape shape_of(const char* name, X x, int rank) {
  int n = x.ndim();
  bool fits = n == rank + 1 || n == rank + 2;
  for (int d = n == rank + 2 ? 1 : 0; fits && d < n; d++) fits = x.sizes()[d] > 0;
  CHECK(fits, name, ": Expected ", rank + 1, "D or ", rank + 2,
        "D (batch mode) tensor with optional 0 dim batch size for input, but got:", shown(x.sizes()));
  PoolShape s{};
  s.batch = n == rank + 2 ? x.sizes()[0] : 1;
  s.channels = x.sizes()[n - rank - 1];
  s.rank = rank;
  for (int d = 0; d < rank; d++) s.in[d] = x.sizes()[n - rank + d];
  return s;
}

PoolShape window_shape(const char* name, X x, int rank, Ints kernel, Ints stride, Ints padding, Ints dilation,
                       bool ceil) {
  IntVec k = expanded(name, "kernel_size", kernel, rank),
         s = stride.empty() ? k : expanded(name, "stride", stride, rank);
  IntVec p = expanded(name, "padding", padding, rank), l = expanded(name, "dilation", dilation, rank);
  for (int d = 0; d < rank; d++) {
    CHECK(s[d] > 0, name, ": stride should not be zero, and must be greater than zero; got stride=", shown(s));
    CHECK(k[d] > 0, name, ": kernel size should be greater than zero, but got kernel_size=", shown(k));
    CHECK(l[d] > 0, name, ": dilation should be greater than zero, but got dilation=", shown(l));
  }
  PoolShape shape = shape_of(name, x, rank);
  bool fits = true;
  for (int d = 0; d < rank; d++) {
    CHECK(p[d] >= 0, name, ": pad must be non-negative, but got pad: ", p[d]);
    CHECK(p[d] <= (l[d] * (k[d] - 1) + 1) / 2, name,
          ": pad should be at most half of effective kernel size, but got pad=", p[d], ", kernel_size=", k[d],
          " and dilation=", l[d]);
    shape.kernel[d] = k[d];
    shape.stride[d] = s[d];
    shape.pad[d] = p[d];
    shape.dilation[d] = l[d];
    shape.out[d] = pool_extent(shape.in[d], k[d], s[d], p[d], l[d], ceil);
    fits &= shape.out[d] >= 1;
  }
  CHECK(fits, "Given input size: ", ByX{shape.channels, shape.in, rank},
        ". Calculated output size: ", ByX{shape.channels, shape.out, rank}, ". Output size is too small: ", name,
        " has windows of ", shown(k), "; a smaller kernel_size or ceil_mode=True would fit");
  return shape;
}

PoolShape adaptive_shape(const char* name, X x, int rank, Ints output) {
  CHECK(int(output.size()) == rank || output.size() == 1, name, ": output_size must be of ", rank, " numbers, got ",
        shown(output));
  int n = x.ndim();
  CHECK(n == rank + 1 || n == rank + 2, name, "(): Expected ", rank + 1, "D or ", rank + 2, "D tensor, but got ",
        shown(x.sizes()));
  for (int d = n == rank + 2 ? 1 : 0; d < n; d++)
    CHECK(x.sizes()[d] > 0, name,
          "(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ", shown(x.sizes()),
          " with dimension ", d, " being empty");
  PoolShape s = shape_of(name, x, rank);
  s.adaptive = true;
  for (int d = 0; d < rank; d++) {
    s.out[d] = output.size() == 1 ? output[0] : output[d];
    CHECK(s.out[d] >= 0, name, ": elements of output_size must be greater than or equal to 0 but received ",
          shown(output));
  }
  return s;
}

// An upper bound for the places of a window.
int64_t window_places(const PoolShape& s) {
  int64_t n = 1;
  for (int d = 0; d < s.rank; d++)
    n *= !s.adaptive               ? s.kernel[d]
         : s.out[d] == 0           ? 1
         : s.in[d] % s.out[d] == 0 ? s.in[d] / s.out[d]
                                   : s.in[d] / s.out[d] + 2;
  return n;
}

IntVec sizes_of(X like, const PoolShape& s, const int64_t* space) {
  IntVec sizes(like.sizes());
  for (int d = 0; d < s.rank; d++) sizes[sizes.size() - s.rank + d] = space[d];
  return sizes;
}

// Only a tensor with batch and channels can lie in two orders.
Laid read(X x, int rank) {
  if (x.ndim() == rank + 2) {
    Laid l = laid(x);
    // With few channels the vectors along them would be mostly empty.
    return l.order == Order::ChannelsLast && !l.by_strides && x.sizes()[1] <= 3 ? laid_in(x, Order::Plain) : l;
  }
  if (!x.is_meta()) x.data();
  NoGrad guard;
  return {contiguous(x, MemoryFormat::Contiguous), Order::Plain, false};
}
Laid read_in(X x, int rank, Order order) { return x.ndim() == rank + 2 ? laid_in(x, order) : read(x, rank); }
Laid result(Ints sizes, int rank, DType dtype, Device device, const Laid& like) {
  if (int(sizes.size()) == rank + 2) return empty_laid(sizes, dtype, device, like.order, like.by_strides);
  return {empty(sizes, dtype, device), Order::Plain, false};
}

const PoolKernels& pool_kernels(X t) { return kernels(t.device()).activation.pool; }
void run(void (*kernel)(const PoolCall&), const PoolCall& c) {
  int64_t n = c.shape.batch * c.shape.channels * window_places(c.shape);
  for (int d = 0; d < c.shape.rank; d++) n *= c.shape.out[d];
  if (n == 0 && c.shape.batch * c.shape.channels == 0) return;
  Unlocked unlocked(n);
  kernel(c);
}

// Types without kernels of their own: whole numbers as doubles.
bool computes_in_double(const char* name, X x) {
  if (is_floating(x.dtype())) return false;
  CHECK_KIND(NotImplemented, is_integral(x.dtype()) && x.dtype() != DType::Bool, '"', name,
             "\" not implemented for 'torch.", name_of(x.dtype()), "'");
  return true;
}

// ---- maxima ----

const char* const kMaxNodes[2][4] = {
    {"", "SqueezeBackward1", "MaxPool2DWithIndicesBackward0", "MaxPool3DWithIndicesBackward0"},
    {"", "SqueezeBackward1", "AdaptiveMaxPool2DBackward0", "AdaptiveMaxPool3DBackward0"}};

// Places of maxima in the input's plane, from their places in the windows.
Tensor plane_places(const PoolShape& s, X bytes) {
  NoGrad guard;
  Tensor place = to(bytes, DType::Int64), plane;
  int64_t step = 1, longest[3] = {1, 1, 1};
  for (int d = 0; d < s.rank; d++) {
    if (!s.adaptive)
      longest[d] = s.kernel[d];
    else
      for (int64_t o = 0; o < s.out[d]; o++)
        longest[d] = std::max(longest[d], ((o + 1) * s.in[d] + s.out[d] - 1) / s.out[d] - o * s.in[d] / s.out[d]);
  }
  for (int d = s.rank - 1; d >= 0; d--) {
    Tensor k = remainder(place, int(longest[d])), o = arange(s.out[d], DType::Int64, bytes.device());
    place = floor_divide(place, int(longest[d]));
    Tensor first = s.adaptive ? floor_divide(o * Operand(Scalar(s.in[d])), Operand(Scalar(s.out[d])))
                              : o * Operand(Scalar(s.stride[d])) - Operand(Scalar(s.pad[d]));
    IntVec sizes(s.rank, 1);
    sizes[d] = s.out[d];
    Tensor at = reshape(to(first, DType::Int64), sizes) + (s.adaptive ? k : k * Operand(Scalar(s.dilation[d])));
    at = at * Operand(Scalar(step));
    plane = plane.defined() ? plane + at : at;
    step *= s.in[d];
  }
  return plane;
}

Tensor max_gradient(const PoolShape& s, X gy, X indices, Ints x_sizes, bool by_strides) {
  Laid where = read_in(indices, s.rank, laid(indices).order);
  Laid g = read_in(gy, s.rank, where.order);
  Laid gx = result(x_sizes, s.rank, gy.dtype(), gy.device(), {{}, where.order, by_strides});
  bool bytes = indices.dtype() == DType::UInt8;
  run(pool_kernels(gy).max_backward, {s, gy.dtype(), where.order, gx.data(), g.data(), where.data(), bytes});
  if (recording(gy))
    record("MaxPool2DWithIndicesBackwardBackward0", {&gy}, {&gx.tensor}, {{"indices", &indices}}, [s](Back& b) {
      if (!b.grad().defined()) return;
      Tensor places = b.saved(0);
      if (places.dtype() == DType::UInt8) places = plane_places(s, places);
      b.set(0,
            [&] { return reshape(gather(flatten(b.grad(), -s.rank), -1, flatten(places, -s.rank)), places.sizes()); });
    });
  return gx.tensor;
}

// The gradient of the maxima; where they are a ReLU's results, its mask is applied here: there are more places than
// windows. What is greatest in a window is positive exactly where the ReLU's result is.
Tensor masked_ahead(Back& b) {
  const Tensor &g = b.grad(), y = b.saved_unchanged(1);
  if (!y.defined() || !b.relu_follows() || g.dtype() != y.dtype()) return g;
  b.masked = true;
  return fused_gradient(Ew::ReluBackward, b, y);
}

std::tuple<Tensor, Tensor> max_pool(const char* name, X x, const PoolShape& s, bool wants_indices) {
  if ((x.dtype() == DType::UInt8 || x.dtype() == DType::Int8) && !wants_indices && x.ndim() == s.rank + 2) {
    Laid in = laid_in(x, Order::ChannelsLast);
    Laid y = empty_laid(sizes_of(x, s, s.out), x.dtype(), x.device(), Order::ChannelsLast, in.by_strides);
    run(pool_kernels(x).max, {s, x.dtype(), Order::ChannelsLast, in.data(), y.data()});
    return {y.tensor, {}};
  }
  if (computes_in_double(name, x)) {
    auto [y, places] = max_pool(name, to(x, DType::Float64), s, wants_indices);
    return {to(y, x.dtype()), places};
  }
  bool records = recording(x);
  Laid in = read(x, s.rank);
  IntVec sizes = sizes_of(x, s, s.out);
  Laid y = result(sizes, s.rank, x.dtype(), x.device(), in), where;
  bool bytes = !wants_indices && window_places(s) <= 256;
  if (records || wants_indices) where = result(sizes, s.rank, bytes ? DType::UInt8 : DType::Int64, x.device(), in);
  run(pool_kernels(x).max,
      {s, x.dtype(), in.order, in.data(), y.data(), where.tensor.defined() ? where.data() : nullptr, bytes});
  if (records) {
    const Edge edge = gradient_edge(x);
    const bool of_relu = edge.node->relu && saved_hook_depth == 0;
    record(kMaxNodes[s.adaptive][s.rank], {&x}, {&y.tensor},
           {{"indices", &where.tensor}, {"result", of_relu ? &y.tensor : nullptr}},
           [s, x_sizes = x->sizes, by_strides = in.by_strides](Back& b) {
             if (b.grad().defined())
               b.set(0, [&] { return max_gradient(s, masked_ahead(b), b.saved(0), x_sizes, by_strides); });
           });
  }
  return {y.tensor, where.tensor};
}

const char* const kMaxNames[] = {"", "max_pool1d", "max_pool2d", "max_pool3d"};

template <int rank>
Tensor max_pool_op(X x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil) {
  return std::get<0>(max_pool(kMaxNames[rank], x,
                              window_shape(kMaxNames[rank], x, rank, kernel, stride, padding, dilation, ceil), false));
}
template <int rank>
std::tuple<Tensor, Tensor> max_pool_with_indices(X x, Ints kernel, Ints stride, Ints padding, Ints dilation,
                                                 bool ceil) {
  return max_pool(kMaxNames[rank], x, window_shape(kMaxNames[rank], x, rank, kernel, stride, padding, dilation, ceil),
                  true);
}

const char* const kAdaptiveMaxNames[] = {"", "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"};
template <int rank>
std::tuple<Tensor, Tensor> adaptive_max_pool(X x, Ints output) {
  return max_pool(kAdaptiveMaxNames[rank], x, adaptive_shape(kAdaptiveMaxNames[rank], x, rank, output), true);
}

// ---- means ----

struct Mean {
  PoolShape shape;
  bool count_include_pad;
  int64_t divisor;
};
const char* const kMeanNodes[2][4] = {
    {"", "SqueezeBackward1", "AvgPool2DBackward0", "AvgPool3DBackward0"},
    {"", "SqueezeBackward1", "AdaptiveAvgPool2DBackward0", "AdaptiveAvgPool3DBackward0"}};

Tensor mean_pool(const Mean& m, X x, const char* node);

// Whether all of the input is one window: a reduction, which has faster kernels.
bool one_window(const PoolShape& s) {
  bool one = s.adaptive;
  for (int d = 0; d < s.rank; d++) one &= s.out[d] == 1;
  return one;
}

Tensor mean_gradient(const Mean& m, X gy, Ints x_sizes, Order order, bool by_strides, const char* node) {
  const PoolShape& s = m.shape;
  Laid g = read_in(gy, s.rank, order);
  Laid gx = result(x_sizes, s.rank, gy.dtype(), gy.device(), {{}, order, by_strides});
  run(pool_kernels(gy).mean_backward,
      {s, gy.dtype(), order, gx.data(), g.data(), nullptr, false, m.count_include_pad, m.divisor});
  if (recording(gy))
    record("AvgPool2DBackwardBackward0", {&gy}, {&gx.tensor}, {}, [m, node](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return mean_pool(m, b.grad(), node); });
    });
  return gx.tensor;
}

Tensor mean_pool(const Mean& m, X x, const char* node) {
  const PoolShape& s = m.shape;
  Laid in = read(x, s.rank);
  Tensor y;
  if (one_window(s) && !in.by_strides) {
    NoGrad guard;
    IntVec dims;
    for (int d = -s.rank; d < 0; d++) dims.push_back(d);
    y = mean(x, dims, true);
  } else {
    Laid out = result(sizes_of(x, s, s.out), s.rank, x.dtype(), x.device(), in);
    run(pool_kernels(x).mean,
        {s, x.dtype(), in.order, in.data(), out.data(), nullptr, false, m.count_include_pad, m.divisor});
    y = out.tensor;
  }
  if (recording(x))
    record(node, {&x}, {&y}, {}, [m, sizes = x->sizes, order = in.order, by_strides = in.by_strides, node](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      b.set(0, [&] {
        if (!one_window(m.shape) || by_strides || order != Order::Plain)
          return mean_gradient(m, g, sizes, order, by_strides, node);
        double count = 1;
        for (int d = 0; d < m.shape.rank; d++) count *= double(m.shape.in[d]);
        return expand(mul(g, 1 / count), sizes);
      });
    });
  return y;
}

const char* const kMeanNames[] = {"", "avg_pool1d", "avg_pool2d", "avg_pool3d"};
template <int rank>
Tensor avg_pool(X x, Ints kernel, Ints stride, Ints padding, bool ceil, bool count_include_pad,
                std::optional<int64_t> divisor) {
  CHECK(!divisor || *divisor != 0, kMeanNames[rank],
        ": divisor must be not zero; None divides by the size of the window");
  Mean m{window_shape(kMeanNames[rank], x, rank, kernel, stride, padding, IntVec{1}, ceil), count_include_pad,
         divisor.value_or(0)};
  if (computes_in_double(kMeanNames[rank], x))
    return to(mean_pool(m, to(x, DType::Float64), kMeanNodes[0][rank]), x.dtype());
  return mean_pool(m, x, kMeanNodes[0][rank]);
}
Tensor avg_pool1d(X x, Ints kernel, Ints stride, Ints padding, bool ceil, bool count_include_pad) {
  return avg_pool<1>(x, kernel, stride, padding, ceil, count_include_pad, std::nullopt);
}

const char* const kAdaptiveMeanNames[] = {"", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"};
template <int rank>
Tensor adaptive_avg_pool(X x, Ints output) {
  const char* name = kAdaptiveMeanNames[rank];
  Mean m{adaptive_shape(name, x, rank, output), false, 0};
  CHECK_KIND(NotImplemented, is_floating(x.dtype()), '"', name, "\" not implemented for 'torch.", name_of(x.dtype()),
             "': convert the input to a floating dtype");
  return mean_pool(m, x, rank > 1 && one_window(m.shape) ? "MeanBackward1" : kMeanNodes[1][rank]);
}

// ---- maxima of windows at random places ----

const char* const kFractionalNames[] = {"", "", "fractional_max_pool2d", "fractional_max_pool3d"};

// Where the windows start along dimension d, [batch, channels, out]: as even as their number allows, shifted at random.
Tensor random_starts(X samples, int64_t column, int64_t in, int64_t out, int64_t kernel) {
  Tensor i = to(arange(out, DType::Int64, samples.device()), samples.dtype()),
         u = unsqueeze(select(samples, -1, column), -1);
  double alpha = out > 1 ? double(in - kernel) / double(out - 1) : 0;
  Tensor start = to(floor((u + i) * alpha), DType::Int64) - to(floor(u * alpha), DType::Int64);
  Tensor last = eq(i, double(out - 1));
  return where(last, Operand(Scalar(in - kernel)), start);
}

template <int rank>
std::tuple<Tensor, Tensor> fractional_max_pool(X x, Ints kernel, Ints output, X samples) {
  const char* name = kFractionalNames[rank];
  if (x.ndim() == rank + 1) {
    auto [y, places] = fractional_max_pool<rank>(unsqueeze(x, 0), kernel, output, samples);
    return {squeeze(y, Ints{IntVec{0}}), squeeze(places, Ints{IntVec{0}})};
  }
  PoolShape s = shape_of(name, x, rank);
  IntVec k = expanded(name, "kernel_size", kernel, rank), out = expanded(name, "output_size", output, rank);
  CHECK(samples.ndim() == 3 && samples.sizes()[0] >= s.batch && samples.sizes()[1] == s.channels &&
            samples.sizes()[2] == rank,
        name, ": expected _random_samples of shape [", s.batch, ", ", s.channels, ", ", rank, "], got ",
        shown(samples.sizes()));
  CHECK(samples.dtype() == x.dtype(), name, ": expected _random_samples of torch.", name_of(x.dtype()), ", got torch.",
        name_of(samples.dtype()));
  Tensor places;
  {
    NoGrad guard;
    // [batch, channels, out..., kernel...] places in the plane, then the best of each window.
    for (int d = 0; d < rank; d++) {
      CHECK(out[d] + k[d] - 1 <= s.in[d], name, ": pool size ", k[d], " and output size ", out[d],
            " are too large for the input's ", s.in[d], " along dimension ", d);
      IntVec at(rank * 2 + 2, 1), within(rank * 2 + 2, 1);
      at[0] = s.batch, at[1] = s.channels, at[2 + d] = out[d], within[2 + rank + d] = k[d];
      // PyTorch takes the first sample for the width.
      Tensor start = random_starts(slice(samples, 0, 0, s.batch), rank == 3 ? d : rank - 1 - d, s.in[d], out[d], k[d]);
      Tensor p = reshape(start, at) + reshape(arange(k[d], DType::Int64, x.device()), within);
      places = places.defined() ? places * Operand(Scalar(s.in[d])) + p : p;
    }
    IntVec windows{s.batch, s.channels, product(out), product(k)};
    places = reshape(places, windows);
    Tensor values = reshape(gather(flatten(x, 2), -1, flatten(places, 2)), windows);
    places = squeeze(gather(places, -1, argmax(values, -1, true)), Ints{IntVec{-1}});
  }
  IntVec sizes = sizes_of(x, s, out.data());
  return {reshape(gather(flatten(x, 2), -1, places), sizes), reshape(places, sizes)};
}

template <int rank>
Tensor max_unpool(X x, X indices, Ints output) {
  CHECK_KIND(Runtime, indices.dtype() == DType::Int64, "elements in indices should be type int64 but got: torch.",
             name_of(indices.dtype()));
  CHECK(same(x.sizes(), indices.sizes()), "Expected shape of indices to be same as that of the input tensor (",
        shown(x.sizes()), ") but got indices tensor with shape: ", shown(indices.sizes()));
  CHECK(int(output.size()) == rank, "There should be exactly ", rank, " elements in output_size, but got ",
        output.size());
  PoolShape s = shape_of("max_unpool", x, rank);
  IntVec sizes = sizes_of(x, s, output.data()), flat(x.sizes().first(x.ndim() - rank));
  flat.push_back(product(output));
  return reshape(scatter(zeros(flat, x.dtype(), x.device()), -1, flatten(indices, -rank), flatten(x, -rank)), sizes);
}
template <int rank>
Tensor max_unpool_strided(X x, X indices, Ints output, Ints, Ints) {
  return max_unpool<rank>(x, indices, output);
}

}  // namespace

void register_pooling() {
#define LAMPAS_MAX_POOL_ARGS(N)                                                                      \
  "(Tensor input, int[" #N "] kernel_size, int[" #N "]? stride=None, int[" #N "] padding=0, int[" #N \
  "] dilation=1, bool ceil_mode=False) -> "
#define LAMPAS_POOL(N, places)                                                                                     \
  op<&max_pool_op<N>>("max_pool" #N "d" LAMPAS_MAX_POOL_ARGS(N) "Tensor", Function,                                \
                      "the maximum of each window, as F.max_pool" #N "d");                                         \
  op<&max_pool_with_indices<N>>("max_pool" #N "d_with_indices" LAMPAS_MAX_POOL_ARGS(N) "(Tensor, Tensor)", places, \
                                "the maximum of each window and its place in the input's plane");                  \
  op<&adaptive_max_pool<N>>("adaptive_max_pool" #N "d(Tensor input, int[" #N "] output_size) -> (Tensor, Tensor)", \
                            places, "the maxima of equal parts of the input, and their places");                   \
  op<&adaptive_avg_pool<N>>("adaptive_avg_pool" #N "d(Tensor input, int[" #N "] output_size) -> Tensor", places,   \
                            "the means of equal parts of the input")
  LAMPAS_POOL(1, Function);
  LAMPAS_POOL(2, NN);
  LAMPAS_POOL(3, NN);
  op<&avg_pool1d>(
      "avg_pool1d(Tensor input, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, bool ceil_mode=False, bool "
      "count_include_pad=True) -> Tensor",
      Function, "the mean of each window");
#define LAMPAS_AVG_POOL(N)                                                                                     \
  op<&avg_pool<N>>(                                                                                            \
      "avg_pool" #N "d(Tensor input, int[" #N "] kernel_size, int[" #N "]? stride=None, int[" #N               \
      "] padding=0, bool ceil_mode=False, bool count_include_pad=True, int? divisor_override=None) -> Tensor", \
      NN, "the mean of each window");                                                                          \
  op<&fractional_max_pool<N>>("fractional_max_pool" #N "d(Tensor input, int[" #N "] kernel_size, int[" #N      \
                              "] output_size, Tensor random_samples) -> "                                      \
                              "(Tensor, Tensor)",                                                              \
                              NN, "the maxima of windows at random places, and where they stood")
  LAMPAS_AVG_POOL(2);
  LAMPAS_AVG_POOL(3);
#undef LAMPAS_AVG_POOL
#undef LAMPAS_POOL
#undef LAMPAS_MAX_POOL_ARGS
  op<&max_unpool<2>>("max_unpool2d(Tensor input, Tensor indices, int[2] output_size) -> Tensor", NN,
                     "maxima back at their places, zeros elsewhere");
  op<&max_unpool_strided<3>>(
      "max_unpool3d(Tensor input, Tensor indices, int[3] output_size, int[3] stride, int[3] padding) -> Tensor", NN,
      "maxima back at their places, zeros elsewhere");
}

}  // namespace lampas
