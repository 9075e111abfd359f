// Convolution through oneDNN with channels-last activations, whatever order the caller's are in.
#include "cpu/convolution.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <type_traits>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/convolution_columns.h"
#include "cpu/widen.h"
#include "cpu/winograd.h"

namespace lampas::cpu {
namespace {

using onednn::Layout;
using onednn::Primitive;
using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

enum class Pass : int64_t { Forward, BackwardData, BackwardWeights };
enum Slot { kSource, kWeights, kResult, kBias, kPlainWeights, kPlainSource, kPlainResult, kReadSource, kReadResult };

int64_t product(const int64_t* x, int n) {
  int64_t p = 1;
  for (int i = 0; i < n; i++) p *= x[i];
  return p;
}

bool empty(const ConvShape& s) {
  return s.batch == 0 || s.in_channels == 0 || s.out_channels == 0 || product(s.in, s.rank) == 0 ||
         product(s.out, s.rank) == 0;
}

// A transposed convolution is the other pass of the ordinary one with in and out exchanged.
ConvShape ordinary(const ConvShape& s) {
  ConvShape o = s;
  if (s.transposed) {
    o.transposed = false;
    std::swap(o.in_channels, o.out_channels);
    std::swap(o.in, o.out);
  }
  // The padding on the right that agrees exactly with the extents; fewer when the kernel never reaches the edge.
  for (int d = 0; d < s.rank; d++)
    o.pad_r[d] = (o.out[d] - 1) * o.stride[d] + o.dilation[d] * (o.kernel[d] - 1) + 1 - o.in[d] - o.pad_l[d];
  if (o.rank == 1 && o.groups > 1) {
    // oneDNN's fast kernels of groups want two dimensions.
    o.rank = 2;
    for (int64_t* x : {o.in, o.out, o.kernel, o.stride, o.dilation}) x[1] = std::exchange(x[0], 1);
    for (int64_t* x : {o.pad_l, o.pad_r}) x[1] = std::exchange(x[0], 0);
  }
  return o;
}

// ---- activations in the order a kernel wants -----------------------------------------------------------------------

template <class T>
class Reading {
 public:
  Reading(Activation<const T> x, Order wanted, int64_t batch, int64_t channels, int64_t space) : data_(x.data) {
    if (same_order(x.order, wanted, channels, space)) return;
    memory_.emplace(batch * channels * space * sizeof(T));
    change_order(x.order, batch, channels, space, sizeof(T), x.data, memory_->template as<T>());
    data_ = memory_->template as<T>();
  }
  const T* data() const { return data_; }

 private:
  const T* data_;
  std::optional<Scratch> memory_;
};

// An activation in any layout oneDNN wants.
template <class T>
class InLayout {
 public:
  InLayout(Activation<const T> x, const Layout& plain, const Layout& last, const Layout& wanted, int64_t batch,
           int64_t channels, int64_t space)
      : data_(x.data) {
    const bool to_plain = wanted.desc == plain.desc, to_last = wanted.desc == last.desc;
    if (to_plain || to_last) {
      ordered_.emplace(x, to_last ? Order::ChannelsLast : Order::Plain, batch, channels, space);
      data_ = ordered_->data();
    } else {
      memory_.emplace(wanted.bytes);
      onednn::reorder(x.order == Order::Plain ? plain : last, x.data, wanted, memory_->template as<T>());
      data_ = memory_->template as<T>();
    }
  }
  const T* data() const { return data_; }

 private:
  const T* data_;
  std::optional<Reading<T>> ordered_;
  std::optional<Scratch> memory_;
};

template <class T>
class Writing {
 public:
  Writing(Activation<T> y, Order written, int64_t batch, int64_t channels, int64_t space)
      : y_(y), data_(y.data), written_(written), batch_(batch), channels_(channels), space_(space) {
    if (same_order(y.order, written, channels, space)) return;
    memory_.emplace(batch * channels * space * sizeof(T));
    data_ = memory_->template as<T>();
  }
  T* data() const { return data_; }
  void finish() const {
    if (memory_) change_order(written_, batch_, channels_, space_, sizeof(T), data_, y_.data);
  }

 private:
  Activation<T> y_;
  T* data_;
  Order written_;
  int64_t batch_, channels_, space_;
  std::optional<Scratch> memory_;
};

// ---- what stands around the passes of a transposed convolution -----------------------------------------------------

constexpr int64_t kBiasRow = 512;  // elements

// y += bias along the channels (if any), then max(y, 0) if relu.
template <class T>
void add_bias(int64_t batch, int64_t channels, int64_t space, Activation<T> y, const T* bias, bool relu) {
  if (!bias && !relu) return;
  using V = simd::Vec<Compute<T>>;
  const bool last = y.order == Order::ChannelsLast;
  // Channels last, few of them are repeated to a row worth a loop.
  const int64_t total = batch * channels * space;
  if (total == 0) return;
  const int64_t times = last ? std::max<int64_t>(1, kBiasRow / channels) : 1;
  const int64_t columns = last ? channels * times : space, rows = (total + columns - 1) / columns;
  Scratch repeated(bias && times > 1 ? columns * sizeof(T) : 0);
  const T* each = last ? bias : nullptr;
  if (each && times > 1) {
    for (int64_t i = 0; i < times; i++) std::copy_n(bias, channels, repeated.as<T>() + i * channels);
    each = repeated.as<T>();
  }
  parallel_for(0, rows, std::max<int64_t>(1, kGrain / columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const V one = bias && !last ? simd::splat<V>(simd::ElementOf<V>(bias[r % channels])) : V{};
      for_wide<T>(0, std::min(columns, total - r * columns),
                  [row = y.data + r * columns, each, one, relu](int64_t i, const auto& access) {
                    V v = access.load(row + i) + (each ? access.load(each + i) : one);
                    if (relu) v = v < 0 ? V{} : v;
                    access.store(row + i, v);
                  });
    }
  });
}

// The sum of gy over batch and space, per channel.
template <class T>
void sum_channels(int64_t batch, int64_t channels, int64_t space, Activation<const T> gy, T* sums) {
  if (gy.order == Order::Plain) {
    parallel_for(0, channels, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, batch * space)),
                 [&](int64_t b, int64_t e) {
                   for (int64_t c = b; c < e; c++) {
                     double sum = 0;
                     for (int64_t n = 0; n < batch; n++) {
                       const T* row = gy.data + (n * channels + c) * space;
                       double part = 0;
#pragma omp simd reduction(+ : part)
                       for (int64_t i = 0; i < space; i++) part += double(row[i]);
                       sum += part;
                     }
                     sums[c] = T(sum);
                   }
                 });
    return;
  }
  parallel_for(0, channels, std::max<int64_t>(16, kGrain / std::max<int64_t>(1, batch * space)),
               [&](int64_t b, int64_t e) {
                 Scratch memory((e - b) * sizeof(double));
                 double* sum = memory.as<double>();
                 std::fill_n(sum, e - b, 0.0);
                 for (int64_t r = 0; r < batch * space; r++)
                   for (int64_t c = b; c < e; c++) sum[c - b] += double(gy.data[r * channels + c]);
                 for (int64_t c = b; c < e; c++) sums[c] = T(sum[c - b]);
               });
}

// ---- oneDNN --------------------------------------------------------------------------------------------------------

Dims dims_of(int64_t a, int64_t b, const int64_t* space, int rank) {
  Dims d{a, b};
  d.insert(d.end(), space, space + rank);
  return d;
}

Desc channels_last(const Dims& dims, dnnl::memory::data_type type) {
  Dims strides(dims.size());
  strides[1] = 1;
  int64_t step = dims[1];
  for (size_t d = dims.size(); d-- > 2;) strides[d] = step, step *= dims[d];
  strides[0] = step;
  return Desc(dims, type, strides);
}

Desc row_major(const Dims& dims, dnnl::memory::data_type type) {
  Dims strides(dims.size());
  int64_t step = 1;
  for (size_t d = dims.size(); d-- > 0;) strides[d] = step, step *= dims[d];
  return Desc(dims, type, strides);
}

Primitive make(const ConvShape& s, Pass pass, DType dtype, bool bias) {
  using namespace onednn;
  const auto type = data_type(dtype);
  const Dims source = dims_of(s.batch, s.in_channels, s.in, s.rank),
             result = dims_of(s.batch, s.out_channels, s.out, s.rank);
  Dims weights = dims_of(s.out_channels / s.groups, s.in_channels / s.groups, s.kernel, s.rank);
  if (s.groups > 1) weights.insert(weights.begin(), s.groups);
  const Desc x = channels_last(source, type), y = channels_last(result, type);
  const Desc w(weights, type, dnnl::memory::format_tag::any);
  const Desc plain_x = row_major(source, type), plain_y = row_major(result, type);
  // The gradient of the weights of few channels is up to 2.5 times as fast from a plain input. Up to 64 channels blocks
  // of them cost a tenth to a fifth, the change of layout included, but sums go in the order of PyTorch's: the losses
  // of a small network in training keep their fourth digit.
  const bool blocked =
      pass == Pass::BackwardWeights && dtype == DType::Float32 && s.groups == 1 && product(s.kernel, s.rank) > 1 &&
      (s.in_channels <= 4 || (s.in_channels <= 64 && s.in_channels % 16 == 0 && s.out_channels % 16 == 0));
  const Desc read_y = blocked ? Desc(result, type, dnnl::memory::format_tag::any) : y;
  const Desc read_x = !blocked ? x : s.in_channels <= 4 ? plain_x : Desc(source, type, dnnl::memory::format_tag::any);
  const Desc bias_layout({s.out_channels}, type, dnnl::memory::format_tag::a), b = bias ? bias_layout : Desc();
  Dims stride(s.stride, s.stride + s.rank), dilation, left(s.pad_l, s.pad_l + s.rank), right(s.pad_r, s.pad_r + s.rank);
  for (int d = 0; d < s.rank; d++) dilation.push_back(s.dilation[d] - 1);
  const auto attr = attributes();
  using dnnl::algorithm;
  using forward = dnnl::convolution_forward;
  const forward::primitive_desc f(engine(), dnnl::prop_kind::forward_training, algorithm::convolution_direct, read_x, w,
                                  b, read_y, stride, dilation, left, right, attr);
  Primitive made;
  auto keep = [&](const auto& d, const Desc& weights_layout, auto primitive) {
    // The reference implementation is hundreds of times slower than unfolding.
    if (std::string_view(d.impl_info_str()).starts_with("ref")) throw dnnl::error(dnnl_unimplemented, "reference only");
    made.layouts = {x, numbered(weights_layout), y, bias_layout, numbered(row_major(weights, type))};
    made.set(d, std::move(primitive));
  };
  if (pass == Pass::Forward) {
    keep(f, f.weights_desc(), forward(f));
  } else if (pass == Pass::BackwardData) {
    const dnnl::convolution_backward_data::primitive_desc d(engine(), algorithm::convolution_direct, x, w, y, stride,
                                                            dilation, left, right, f, attr);
    keep(d, d.weights_desc(), dnnl::convolution_backward_data(d));
  } else {
    const dnnl::convolution_backward_weights::primitive_desc d(engine(), algorithm::convolution_direct, read_x, w, b,
                                                               read_y, stride, dilation, left, right, f, attr);
    keep(d, d.diff_weights_desc(), dnnl::convolution_backward_weights(d));
    made.layouts[kPlainSource] = plain_x;
    made.layouts[kPlainResult] = plain_y;
    made.layouts[kReadSource] = d.src_desc();
    made.layouts[kReadResult] = d.diff_dst_desc();
  }
  return made;
}

// Null: oneDNN does not take this one.
std::shared_ptr<const Primitive> primitive(const ConvShape& s, Pass pass, DType dtype, bool bias) {
  onednn::Key key(onednn::kConvolution);
  key.add(int64_t(pass)).add(int64_t(dtype)).add(bias).add(s.rank);
  key.add(s.batch).add(s.in_channels).add(s.out_channels).add(s.groups);
  for (int d = 0; d < s.rank; d++)
    key.add(s.in[d]).add(s.out[d]).add(s.kernel[d]).add(s.stride[d]).add(s.dilation[d]).add(s.pad_l[d]);
  return onednn::cached(key, [&] { return make(s, pass, dtype, bias); });
}

// ---- the passes of an ordinary convolution -------------------------------------------------------------------------

// Operands in float32, for 16-bit floats this processor has no convolution for.
template <class T>
class AsFloat {
 public:
  AsFloat(const T* x, int64_t n, bool read = true) : source_(x), n_(n), memory_(n * sizeof(float)) {
    if (read && x) convert_range(x, data());
  }
  float* data() const { return memory_.as<float>(); }
  const float* nullable() const { return source_ ? data() : nullptr; }
  void write_to(T* y) const { convert_range(data(), y); }

 private:
  template <class From, class To>
  void convert_range(const From* from, To* to) const {
    parallel_for(0, n_, kGrain, [&](int64_t b, int64_t e) {
      if constexpr (std::is_same_v<To, float>)
        widen_run(from + b, e - b, to + b);
      else
        narrow_run(from + b, e - b, to + b);
    });
  }
  const T* source_;
  int64_t n_;
  Scratch memory_;
};

struct Extents {
  int64_t in_space, out_space, in, out, weights;
  explicit Extents(const ConvShape& s)
      : in_space(product(s.in, s.rank)),
        out_space(product(s.out, s.rank)),
        in(s.batch * s.in_channels * in_space),
        out(s.batch * s.out_channels * out_space),
        weights(s.out_channels * (s.in_channels / s.groups) * product(s.kernel, s.rank)) {}
};

template <class T>
std::shared_ptr<const Primitive> find(const ConvShape& s, Pass pass, bool bias = false) {
  if constexpr (std::is_same_v<T, double>)
    return nullptr;
  else
    return primitive(s, pass, dtype_of<T>, bias);
}

template <class T>
bool winograd_takes(const ConvShape& s, Pass pass) {
  if constexpr (kWinograd<T>)
    return winograd_pays<T>(s, pass == Pass::Forward);
  else
    return false;
}

template <class T>
void forward(const ConvShape& s, Activation<const T> x, const T* w, WeightVersion version, const T* bias, bool relu,
             Activation<T> y) {
  const Extents e(s);
  if (winograd_takes<T>(s, Pass::Forward)) {
    if constexpr (kWinograd<T>) {
      Reading<T> in(x, Order::ChannelsLast, s.batch, s.in_channels, e.in_space);
      Writing<T> out(y, Order::ChannelsLast, s.batch, s.out_channels, e.out_space);
      winograd_forward(s, in.data(), w, version, bias, relu, out.data());
      out.finish();
    }
  } else if (auto p = find<T>(s, Pass::Forward, bias != nullptr)) {
    Reading<T> in(x, Order::ChannelsLast, s.batch, s.in_channels, e.in_space);
    Writing<T> out(y, Order::ChannelsLast, s.batch, s.out_channels, e.out_space);
    const auto& l = p->layouts;
    PackedWeights packed(w, version, l[kPlainWeights], l[kWeights]);
    onednn::execute(*p, {{DNNL_ARG_SRC, &l[kSource], in.data()},
                         {DNNL_ARG_WEIGHTS, &l[kWeights], packed.data()},
                         {DNNL_ARG_BIAS, &l[kBias], bias},
                         {DNNL_ARG_DST, &l[kResult], out.data()}});
    // Not oneDNN's own fused ReLU: it turns NaN into 0.
    add_bias<T>(s.batch, s.out_channels, e.out_space, {out.data(), Order::ChannelsLast}, nullptr, relu);
    out.finish();
  } else if constexpr (k16BitFloat<T>) {
    AsFloat<T> xf(x.data, e.in), wf(w, e.weights), bf(bias, s.out_channels), yf(y.data, e.out, false);
    forward<float>(s, {xf.data(), x.order}, wf.data(), {}, bf.nullable(), relu, {yf.data(), y.order});
    yf.write_to(y.data);
  } else {
    Reading<T> in(x, Order::Plain, s.batch, s.in_channels, e.in_space);
    Writing<T> out(y, Order::Plain, s.batch, s.out_channels, e.out_space);
    columns_forward(s, in.data(), w, out.data());
    add_bias<T>(s.batch, s.out_channels, e.out_space, {out.data(), Order::Plain}, bias, relu);
    out.finish();
  }
}

template <class T>
void backward_data(const ConvShape& s, Activation<const T> gy, const T* w, WeightVersion version, Activation<T> gx) {
  const Extents e(s);
  if (winograd_takes<T>(s, Pass::BackwardData)) {
    if constexpr (kWinograd<T>) {
      Reading<T> out(gy, Order::ChannelsLast, s.batch, s.out_channels, e.out_space);
      Writing<T> in(gx, Order::ChannelsLast, s.batch, s.in_channels, e.in_space);
      winograd_backward_data(s, out.data(), w, version, in.data());
      in.finish();
    }
  } else if (auto p = find<T>(s, Pass::BackwardData)) {
    Reading<T> out(gy, Order::ChannelsLast, s.batch, s.out_channels, e.out_space);
    Writing<T> in(gx, Order::ChannelsLast, s.batch, s.in_channels, e.in_space);
    const auto& l = p->layouts;
    PackedWeights packed(w, version, l[kPlainWeights], l[kWeights]);
    onednn::execute(*p, {{DNNL_ARG_DIFF_DST, &l[kResult], out.data()},
                         {DNNL_ARG_WEIGHTS, &l[kWeights], packed.data()},
                         {DNNL_ARG_DIFF_SRC, &l[kSource], in.data()}});
    in.finish();
  } else if constexpr (k16BitFloat<T>) {
    AsFloat<T> yf(gy.data, e.out), wf(w, e.weights), xf(gx.data, e.in, false);
    backward_data<float>(s, {yf.data(), gy.order}, wf.data(), {}, {xf.data(), gx.order});
    xf.write_to(gx.data);
  } else {
    Reading<T> out(gy, Order::Plain, s.batch, s.out_channels, e.out_space);
    Writing<T> in(gx, Order::Plain, s.batch, s.in_channels, e.in_space);
    columns_backward_data(s, out.data(), w, in.data());
    in.finish();
  }
}

template <class T>
void backward_weights(const ConvShape& s, Activation<const T> x, Activation<const T> gy, T* gw, T* gbias) {
  const Extents e(s);
  if (std::is_same_v<T, float> && winograd_takes<T>(s, Pass::BackwardWeights)) {
    if constexpr (std::is_same_v<T, float>) {
      Reading<T> in(x, Order::ChannelsLast, s.batch, s.in_channels, e.in_space);
      Reading<T> out(gy, Order::ChannelsLast, s.batch, s.out_channels, e.out_space);
      winograd_backward_weights(s, in.data(), out.data(), gw, gbias);
    }
  } else if (auto p = find<T>(s, Pass::BackwardWeights, gbias != nullptr)) {
    const auto& l = p->layouts;
    const InLayout<T> in(x, l[kPlainSource], l[kSource], l[kReadSource], s.batch, s.in_channels, e.in_space);
    const InLayout<T> out(gy, l[kPlainResult], l[kResult], l[kReadResult], s.batch, s.out_channels, e.out_space);
    const bool direct = l[kWeights].id == l[kPlainWeights].id;
    Scratch packed(direct ? 0 : l[kWeights].bytes);
    void* target = direct ? static_cast<void*>(gw) : packed.as<void>();
    onednn::execute(*p, {{DNNL_ARG_SRC, &l[kReadSource], in.data()},
                         {DNNL_ARG_DIFF_DST, &l[kReadResult], out.data()},
                         {DNNL_ARG_DIFF_WEIGHTS, &l[kWeights], target},
                         {DNNL_ARG_DIFF_BIAS, &l[kBias], gbias}});
    if (!direct) onednn::reorder(l[kWeights], target, l[kPlainWeights], gw);
  } else if constexpr (k16BitFloat<T>) {
    AsFloat<T> xf(x.data, e.in), yf(gy.data, e.out), wf(gw, e.weights, false), bf(gbias, s.out_channels, false);
    backward_weights<float>(s, {xf.data(), x.order}, {yf.data(), gy.order}, wf.data(), gbias ? bf.data() : nullptr);
    wf.write_to(gw);
    if (gbias) bf.write_to(gbias);
  } else {
    Reading<T> in(x, Order::Plain, s.batch, s.in_channels, e.in_space);
    Reading<T> out(gy, Order::Plain, s.batch, s.out_channels, e.out_space);
    columns_backward_weights(s, in.data(), out.data(), gw);
    if (gbias) sum_channels<T>(s.batch, s.out_channels, e.out_space, gy, gbias);
  }
}

}  // namespace

template <class T>
void conv_forward(const ConvShape& s, Activation<const T> x, const T* w, WeightVersion version, const T* bias,
                  bool relu, Activation<T> y) {
  const ConvShape o = ordinary(s);
  const int64_t space = product(s.out, s.rank);
  if (empty(s)) {
    std::fill_n(y.data, s.batch * s.out_channels * space, T(0));
    return add_bias<T>(s.batch, s.out_channels, space, y, bias, relu);
  }
  if (!s.transposed) return forward(o, x, w, version, bias, relu, y);
  backward_data(o, x, w, version, y);
  add_bias<T>(s.batch, s.out_channels, space, y, bias, relu);
}

template <class T>
void conv_backward_data(const ConvShape& s, Activation<const T> gy, const T* w, WeightVersion version,
                        Activation<T> gx) {
  const ConvShape o = ordinary(s);
  if (empty(s))
    std::fill_n(gx.data, s.batch * s.in_channels * product(s.in, s.rank), T(0));
  else if (s.transposed)
    forward<T>(o, gy, w, version, nullptr, false, gx);
  else
    backward_data(o, gy, w, version, gx);
}

template <class T>
void conv_backward_weights(const ConvShape& s, Activation<const T> x, Activation<const T> gy, T* gw, T* gbias) {
  const ConvShape o = ordinary(s);
  const int64_t space = product(s.out, s.rank);
  if (empty(s)) {
    std::fill_n(gw, Extents(o).weights, T(0));
    if (gbias) sum_channels<T>(s.batch, s.out_channels, space, gy, gbias);
  } else if (s.transposed) {
    backward_weights<T>(o, gy, x, gw, nullptr);
    if (gbias) sum_channels<T>(s.batch, s.out_channels, space, gy, gbias);
  } else {
    backward_weights(o, x, gy, gw, gbias);
  }
}

template <class T>
Order conv_preferred_order(const ConvShape& s) {
  if (empty(s)) return Order::Plain;
  const ConvShape o = ordinary(s);
  const Pass pass = s.transposed ? Pass::BackwardData : Pass::Forward;
  return k16BitFloat<T> || winograd_takes<T>(o, pass) || find<T>(o, pass) ? Order::ChannelsLast : Order::Plain;
}

#define LAMPAS_CONVOLUTION(T)                                                                                         \
  template void conv_forward<T>(const ConvShape&, Activation<const T>, const T*, WeightVersion, const T*, bool,       \
                                Activation<T>);                                                                       \
  template void conv_backward_data<T>(const ConvShape&, Activation<const T>, const T*, WeightVersion, Activation<T>); \
  template void conv_backward_weights<T>(const ConvShape&, Activation<const T>, Activation<const T>, T*, T*);         \
  template Order conv_preferred_order<T>(const ConvShape&);
LAMPAS_CONVOLUTION(float)
LAMPAS_CONVOLUTION(double)
LAMPAS_CONVOLUTION(BFloat16)
LAMPAS_CONVOLUTION(Half)
#undef LAMPAS_CONVOLUTION

}  // namespace lampas::cpu
