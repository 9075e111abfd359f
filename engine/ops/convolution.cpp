// Convolution and transposed convolution in one to three dimensions.
//
// Three linear maps of two operands each: y from x and w, the gradient of x from gy and w, the gradient of w from x and
// gy. The gradients of any one of them are the other two, so gradients of every order come from the same three kernels.
#include "ops/convolution.h"

namespace lampas {

namespace {

using X = const Tensor&;
using Settings = ConvSettings;
const Tensor kNone;

// ---- arguments ----

IntVec expanded(Ints given, int rank, const char* what) {
  if (given.size() == 1) return IntVec(rank, given[0]);
  CHECK(int(given.size()) == rank, "expected ", what, " to be a single integer value or a list of ", rank,
        " values to match the convolution dimensions, but got ", what, "=", shown(given));
  return IntVec(given);
}

}  // namespace

ConvSettings conv_settings(int rank, bool transposed, Ints stride, Ints padding, Ints output_padding, int64_t groups,
                           Ints dilation) {
  Settings s{rank,
             transposed,
             groups,
             expanded(stride, rank, "stride"),
             expanded(padding, rank, "padding"),
             {},
             expanded(dilation, rank, "dilation"),
             expanded(output_padding, rank, "output_padding")};
  s.pad_r = s.pad_l;
  return s;
}

namespace {

void check_settings(const Settings& s) {
  for (int d = 0; d < s.rank; d++) {
    CHECK(s.pad_l[d] >= 0, "negative padding is not supported, got padding=", shown(s.pad_l),
          "; to cut the input's edges use slices");
    CHECK(s.output_padding[d] >= 0,
          "negative output_padding is not supported, got output_padding=", shown(s.output_padding));
    CHECK(s.stride[d] > 0, "non-positive stride is not supported, got stride=", shown(s.stride), "; the smallest is 1");
    CHECK(s.dilation[d] > 0, "non-positive dilation is not supported, got dilation=", shown(s.dilation),
          "; the smallest is 1");
    CHECK(s.output_padding[d] == 0 || s.output_padding[d] < std::max(s.stride[d], s.dilation[d]),
          "output padding must be smaller than either stride or dilation, but got output_padding=",
          shown(s.output_padding), ", stride=", shown(s.stride), " and dilation=", shown(s.dilation));
  }
  CHECK(s.groups > 0, "non-positive groups is not supported, got groups=", s.groups);
}

struct Times {
  const int64_t* v;
  int n;
  friend std::ostream& operator<<(std::ostream& o, const Times& t) {
    o << '(';
    for (int i = 0; i < t.n; i++) o << (i ? " x " : "") << t.v[i];
    return o << ')';
  }
};

}  // namespace

ConvShape conv_fitted(const char* name, X x, X w, X bias, const ConvSettings& p) {
  int rank = p.rank;
  CHECK(w.ndim() == rank + 2, "Expected ", rank + 2, "-dimensional weight for ", name, ", but got a weight of size ",
        shown(w.sizes()));
  check_settings(p);
  Ints ws = w.sizes(), xs = x.sizes();
  for (int d = 0; d < int(ws.size()); d++)
    CHECK(d == 1 || ws[d] > 0, "Given groups=", p.groups, ", expected weight to be at least 1 at dimension ", d,
          ", but got weight of size ", shown(ws), " instead");
  CHECK(ws[0] % p.groups == 0 && ws[0] >= p.groups, "Given groups=", p.groups, ", expected weight to be divisible by ",
        p.groups, " at dimension 0, but got weight of size ", shown(ws), " instead");
  int64_t in_channels = p.transposed ? ws[0] : ws[1] * p.groups, out_channels = p.transposed ? ws[1] * p.groups : ws[0];
  if (xs[1] != in_channels) {
    if (p.transposed)
      fail("Given transposed=1, weight of size ", shown(ws), ", expected input", shown(xs), " to have ", in_channels,
           " channels, but got ", xs[1], " channels instead; in_channels=", xs[1], " would fit this input");
    else if (xs[1] % p.groups == 0)
      fail("Given groups=", p.groups, ", weight of size ", shown(ws), ", expected input", shown(xs), " to have ",
           in_channels, " channels, but got ", xs[1], " channels instead; in_channels=", xs[1],
           " would fit this input");
    else
      fail("Given groups=", p.groups, ", weight of size ", shown(ws), ", expected input", shown(xs), " to have ",
           in_channels, " channels, but got ", xs[1], " channels instead; ", xs[1], " channels cannot be divided into ",
           p.groups, " groups");
  }
  CHECK(!bias.defined() || (bias.ndim() == 1 && bias.numel() == out_channels), "Given ",
        p.transposed ? "transposed=1, " : "", "weight of size ", shown(ws), ", expected bias to be 1-dimensional with ",
        out_channels, " elements, but got bias of size ", shown(bias.defined() ? bias.sizes() : Ints()), " instead");
  ConvShape s{xs[0], in_channels, out_channels, p.groups, rank, p.transposed, {}, {}, {}, {}, {}, {}, {}};
  int64_t padded[3], reach[3];
  bool fits = true;
  for (int d = 0; d < rank; d++) {
    s.in[d] = xs[d + 2];
    s.kernel[d] = ws[d + 2];
    s.stride[d] = p.stride[d];
    s.dilation[d] = p.dilation[d];
    s.pad_l[d] = p.pad_l[d];
    s.pad_r[d] = p.pad_r[d];
    padded[d] = s.in[d] + s.pad_l[d] + s.pad_r[d];
    reach[d] = s.dilation[d] * (s.kernel[d] - 1) + 1;
    fits &= padded[d] >= reach[d];
    s.out[d] = p.transposed ? conv_transposed_extent(s.in[d], s.kernel[d], s.stride[d], s.pad_l[d], s.pad_r[d],
                                                     s.dilation[d], p.output_padding[d])
                            : conv_extent(s.in[d], s.kernel[d], s.stride[d], s.pad_l[d], s.pad_r[d], s.dilation[d]);
  }
  CHECK(p.transposed || fits, "Calculated padded input size per channel: ", Times{padded, rank},
        ". Kernel size: ", Times{reach, rank}, ". Kernel size can't be greater than actual input size: ", name,
        " got an input of size ", shown(xs), " and a weight of size ", shown(ws),
        "; more padding, a smaller kernel or a larger input would fit");
  for (int d = 0; d < rank; d++)
    CHECK(s.out[d] >= 0 && (!p.transposed || s.out[d] > 0 || s.in[d] == 0),
          "Given input size per channel: ", Times{s.in, rank},
          ". Calculated output size per channel: ", Times{s.out, rank}, ". Output size is too small: ", name,
          " needs less padding or a larger kernel");
  return s;
}

namespace {

void check_types(const char* name, X x, X w, X bias) {
  CHECK(x.dtype() == w.dtype(), "Input type (torch.", name_of(x.dtype()), ") and weight type (torch.",
        name_of(w.dtype()), ") should be the same in ", name,
        ": convert one of them, for example with .to(other.dtype)");
  CHECK(!bias.defined() || x.dtype() == bias.dtype(), "Input type (torch.", name_of(x.dtype()),
        ") and bias type (torch.", name_of(bias.defined() ? bias.dtype() : x.dtype()), ") should be the same in ",
        name);
  CHECK(x.device().type == w.device().type, name, ": Expected all tensors to be on the same device, but found ",
        name_of(x.device()), " and ", name_of(w.device()));
}

// ---- the three maps ----

IntVec activation_sizes(int64_t batch, int64_t channels, const int64_t* space, int rank) {
  IntVec sizes{batch, channels};
  for (int d = 0; d < rank; d++) sizes.push_back(space[d]);
  return sizes;
}
}  // namespace
ConvWeight::ConvWeight(X w) : plain(w) {
  if (!w.is_contiguous()) {
    NoGrad guard;
    plain = contiguous(w, MemoryFormat::Contiguous);
  } else if (!w->storage->exported && !(w->autograd && w->autograd->grad_fn)) {
    const Storage& s = *w->storage;
    version = {s.id, uint64_t(s.version) << 32 | s.hidden_writes};
  }
}
IntVec conv_out_sizes(const ConvShape& s) { return activation_sizes(s.batch, s.out_channels, s.out, s.rank); }
namespace {
IntVec in_sizes(const ConvShape& s) { return activation_sizes(s.batch, s.in_channels, s.in, s.rank); }
IntVec weight_sizes(const ConvShape& s) {
  return s.transposed ? activation_sizes(s.in_channels, s.out_channels / s.groups, s.kernel, s.rank)
                      : activation_sizes(s.out_channels, s.in_channels / s.groups, s.kernel, s.rank);
}

int64_t work(const ConvShape& s) {
  int64_t n = s.batch * s.in_channels * s.out_channels / std::max<int64_t>(1, s.groups);
  for (int d = 0; d < s.rank; d++) n *= s.kernel[d] * (s.transposed ? s.in[d] : s.out[d]);
  return n / 8;
}

const ConvKernels& conv_kernels(X t) { return kernels(t.device()).activation.conv; }

Tensor forward(const ConvShape& s, X x, X w, X bias);
Tensor data_gradient(const ConvShape& s, X gy, X w, Order order, bool by_strides);
Tensor weight_gradient(const ConvShape& s, X x, X gy, Tensor* bias);

Tensor bias_gradient(X g) {
  IntVec dims{0};
  for (int d = 2; d < g.ndim(); d++) dims.push_back(d);
  return sum(g, dims);
}

struct ConvBackward {
  ConvShape s;
  Order order;
  bool by_strides;
  void operator()(Back& b) const {
    const Tensor& g = b.grad();
    if (!g.defined()) return;
    Tensor x = b.saved(0), w = b.saved(1), bias;
    bool together = !mode.grad && b.needs(1) && b.needs(2);
    b.set(0, [&] { return data_gradient(s, g, w, x.defined() && !by_strides ? x.order() : order, by_strides); });
    b.set(1, [&] { return weight_gradient(s, x, g, together ? &bias : nullptr); });
    b.set(2, [&] { return together ? bias : bias_gradient(g); });
  }
};

Tensor forward(const ConvShape& s, X x, X w, X bias) {
  Laid in = laid(x);
  const ConvWeight weight(w);
  bool by_strides = in.by_strides || likes_channels_last(w);
  Order order = by_strides    ? Order::ChannelsLast
                : x.is_meta() ? Order::Plain
                              : conv_kernels(x).preferred_order(s, x.dtype());
  Laid y = empty_laid(conv_out_sizes(s), x.dtype(), x.device(), order, by_strides);
  Tensor b = bias.defined() && !bias.is_contiguous() ? clone_data(bias) : bias;
  ConvCall call{
      s,        x.dtype(),     in.order, order, in.data(), weight.plain.data(), b.defined() ? b.data() : nullptr,
      y.data(), weight.version};
  {
    Unlocked unlocked(work(s));
    conv_kernels(x).forward(call);
  }
  if (recording(x, w, bias))
    record("ConvolutionBackward0", {&x, &w, &bias}, {&y.tensor},
           {{"input", w.requires_grad() ? &x : nullptr}, {"weight", x.requires_grad() ? &w : nullptr}},
           ConvBackward{s, in.order, in.by_strides});
  return y.tensor;
}

Tensor data_gradient(const ConvShape& s, X gy, X w, Order order, bool by_strides) {
  Laid g = laid(gy);
  const ConvWeight weight(w);
  Laid gx = empty_laid(in_sizes(s), gy.dtype(), gy.device(), order, by_strides);
  ConvCall call{s, gy.dtype(), order, g.order, gx.data(), weight.plain.data(), nullptr, g.data(), weight.version};
  {
    Unlocked unlocked(work(s));
    conv_kernels(gy).backward_data(call);
  }
  if (recording(gy, w))
    record("ConvolutionBackwardBackward0", {&gy, &w}, {&gx.tensor}, {{"grad_output", &gy}, {"weight", &w}},
           [s](Back& b) {
             if (!b.grad().defined()) return;
             Tensor gy = b.saved(0), w = b.saved(1);
             b.set(0, [&] { return forward(s, b.grad(), w, kNone); });
             b.set(1, [&] { return weight_gradient(s, b.grad(), gy, nullptr); });
           });
  return gx.tensor;
}

Tensor weight_gradient(const ConvShape& s, X x, X gy, Tensor* bias) {
  Laid in = laid(x), g = laid(gy);
  Tensor gw = empty(weight_sizes(s), gy.dtype(), gy.device());
  if (bias) *bias = empty(Ints(&s.out_channels, 1), gy.dtype(), gy.device());
  ConvCall call{s, gy.dtype(), in.order, g.order, in.data(), gw.data(), bias ? bias->data() : nullptr, g.data(), {}};
  {
    Unlocked unlocked(work(s));
    conv_kernels(gy).backward_weights(call);
  }
  if (recording(x, gy))
    record("ConvolutionBackwardBackward0", {&x, &gy}, {&gw}, {{"input", &x}, {"grad_output", &gy}}, [s](Back& b) {
      if (!b.grad().defined()) return;
      Tensor x = b.saved(0), gy = b.saved(1);
      b.set(0, [&] { return data_gradient(s, gy, b.grad(), x.order(), false); });
      b.set(1, [&] { return forward(s, x, b.grad(), kNone); });
    });
  return gw;
}

// ---- what is called ----

}  // namespace

Tensor convolve(const char* name, X x, X w, X bias, const ConvSettings& p) {
  // Types without kernels of their own: whole numbers as doubles, complex numbers by their parts.
  if (x.dtype() == w.dtype() && !is_floating(x.dtype())) {
    if (is_complex(x.dtype())) {
      auto part = [&](X a, X b) { return convolve(name, a, b, kNone, p); };
      Tensor xr = real(x), xi = imag(x), wr = real(w), wi = imag(w);
      Tensor y = complex(part(xr, wr) - part(xi, wi), part(xr, wi) + part(xi, wr));
      if (!bias.defined()) return y;
      IntVec sizes(p.rank + 1, 1);
      sizes[0] = bias.numel();
      return y + reshape(bias, sizes);
    }
    CHECK(x.dtype() != DType::Bool, '"', name, "\" not implemented for 'Bool'");
    return to(convolve(name, to(x, DType::Float64), to(w, DType::Float64),
                       bias.defined() ? to(bias, DType::Float64) : bias, p),
              x.dtype());
  }
  ConvShape s = conv_fitted(name, x, w, bias, p);
  check_types(name, x, w, bias);
  s.training = recording(x, w, bias);
  return forward(s, x, w, bias);
}

namespace {

Tensor batched(const char* name, X x, X w, X bias, const Settings& p) {
  if (x.ndim() == p.rank + 2) return convolve(name, x, w, bias, p);
  CHECK(x.ndim() == p.rank + 1, "Expected ", p.rank + 1, "D (unbatched) or ", p.rank + 2, "D (batched) input to ", name,
        ", but got input of size: ", shown(x.sizes()));
  return squeeze_dim(convolve(name, unsqueeze(x, 0), w, bias, p), 0);
}

const char* const kNames[2][4] = {{"", "conv1d", "conv2d", "conv3d"},
                                  {"", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}};

template <int rank>
Tensor conv(X x, X w, X bias, Ints stride, Ints padding, Ints dilation, int64_t groups) {
  return batched(kNames[0][rank], x, w, bias, conv_settings(rank, false, stride, padding, IntVec{0}, groups, dilation));
}

template <int rank>
Tensor conv_named(X x, X w, X bias, Ints stride, std::string_view padding, Ints dilation, int64_t groups) {
  Settings s = conv_settings(rank, false, stride, IntVec{0}, IntVec{0}, groups, dilation);
  CHECK(padding == "same" || padding == "valid", "Invalid padding string: '", padding, "'; it is 'same' or 'valid'");
  if (padding == "same") {
    CHECK(w.ndim() == rank + 2, "Expected ", rank + 2, "-dimensional weight for ", kNames[0][rank],
          ", but got a weight of size ", shown(w.sizes()));
    for (int d = 0; d < rank; d++) {
      CHECK(s.stride[d] == 1, "padding='same' is not supported for strided convolutions, got stride=", shown(s.stride));
      int64_t total = s.dilation[d] * (w.sizes()[d + 2] - 1);
      s.pad_l[d] = total / 2;
      s.pad_r[d] = total - total / 2;
    }
  }
  return batched(kNames[0][rank], x, w, bias, s);
}

template <int rank>
Tensor conv_transpose(X x, X w, X bias, Ints stride, Ints padding, Ints output_padding, int64_t groups, Ints dilation) {
  return batched(kNames[1][rank], x, w, bias,
                 conv_settings(rank, true, stride, padding, output_padding, groups, dilation));
}

Tensor convolution(X x, X w, X bias, Ints stride, Ints padding, Ints dilation, bool transposed, Ints output_padding,
                   int64_t groups) {
  CHECK(w.ndim() >= 3 && w.ndim() <= 5, "convolution takes a weight of 3 to 5 dimensions, got size ", shown(w.sizes()));
  int rank = w.ndim() - 2;
  return batched("convolution", x, w, bias,
                 conv_settings(rank, transposed, stride, padding, output_padding, groups, dilation));
}

// Time, batch, channels.
Tensor conv_tbc(X x, X w, X bias, int64_t pad) {
  CHECK(x.ndim() == 3 && w.ndim() == 3 && bias.ndim() == 1,
        "conv_tbc takes an input [time, batch, channels], a weight [kernel, in, out] and a bias [out], got sizes ",
        shown(x.sizes()), ", ", shown(w.sizes()), " and ", shown(bias.sizes()));
  Tensor y =
      conv<1>(permute(x, IntVec{1, 2, 0}), permute(w, IntVec{2, 1, 0}), bias, IntVec{1}, IntVec{pad}, IntVec{1}, 1);
  return permute(y, IntVec{2, 0, 1});
}

}  // namespace

void register_convolution() {
#define LAMPAS_CONV(N)                                                                                           \
  op<&conv<N>>("conv" #N "d(Tensor input, Tensor weight, Tensor? bias=None, int[" #N "] stride=1, int[" #N       \
               "] padding=0, int[" #N "] dilation=1, int groups=1) -> Tensor",                                   \
               Function, "cross-correlation of (N, C, " #N "-d space) with a weight (out, C / groups, kernel)"); \
  op<&conv_named<N>>("conv" #N "d(Tensor input, Tensor weight, Tensor? bias=None, int[" #N                       \
                     "] stride=1, str padding='valid', int[" #N "] dilation=1, int groups=1) -> Tensor",         \
                     Function, "with padding 'valid' (none) or 'same' (the result has the input's size)");       \
  op<&conv_transpose<N>>(                                                                                        \
      "conv_transpose" #N "d(Tensor input, Tensor weight, Tensor? bias=None, int[" #N "] stride=1, int[" #N      \
      "] padding=0, int[" #N "] output_padding=0, int groups=1, int[" #N "] dilation=1) -> Tensor",              \
      Function, "the transpose of the linear map conv" #N "d with this weight is; weight (in, out / groups, kernel)")
  LAMPAS_CONV(1);
  LAMPAS_CONV(2);
  LAMPAS_CONV(3);
#undef LAMPAS_CONV
  op<&convolution>(
      "convolution(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, bool "
      "transposed, "
      "int[] output_padding, int groups) -> Tensor",
      Function, "any of the convolutions; the weight tells in how many dimensions");
  op<&conv_tbc>("conv_tbc(Tensor input, Tensor weight, Tensor bias, int pad=0) -> Tensor", kUsual,
                "conv1d over (time, batch, channels)");
}

}  // namespace lampas
