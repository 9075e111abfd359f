// Quantized values: between real numbers and integers, fake quantization, and the int8 ops. Python's quantized tensors
// are made of these; here they are plain integers with their scales beside them.
#include "ops/convolution.h"

namespace lampas {

namespace {

using X = const Tensor&;

const QuantizedKernels& quantized_kernels(X t) { return kernels(t.device()).quantized; }

// ---- between real numbers and integers ----

DType integer_type(DType d) {
  CHECK_KIND(Type, d == DType::UInt8 || d == DType::Int8 || d == DType::Int32,
             "quantized values are stored as uint8, int8 or int32, not torch.", name_of(d));
  return d;
}

// [outer, channels, inner] of the elements as they lie.
struct Channels {
  int64_t outer = 1, count = 1, inner = 1;
};

Channels channels_of(X x, std::optional<int64_t> axis) {
  Channels c;
  if (!axis) {
    c.inner = x.numel();
    return c;
  }
  for (int64_t d = 0; d < x.ndim(); d++) (d < *axis ? c.outer : d == *axis ? c.count : c.inner) *= x.sizes()[d];
  return c;
}

// x where it can be read as [outer, channels, inner]: in any dense order for a whole tensor, else contiguous.
Laid readable(X x, std::optional<int64_t> axis) {
  if (!axis) return laid(x);
  if (!x.is_meta()) x.data();
  return {contiguous(x, MemoryFormat::Contiguous), Order::Plain, false};
}

Laid result_like(const Laid& x, DType dtype) {
  if (x.order == Order::Plain) return {empty(x.tensor.sizes(), dtype, x.tensor.device()), Order::Plain, false};
  return empty_laid(x.tensor.sizes(), dtype, x.tensor.device(), x.order, x.by_strides);
}

struct Parameters {
  Tensor scales, zero_points;  // float32 and int64, contiguous
};

Parameters channel_parameters(const char* name, X x, X scales, X zero_points, int64_t& axis) {
  CHECK(axis >= -x.ndim() && axis < x.ndim(), name, ": axis ", axis, " is out of range for a tensor of ", x.ndim(),
        " dimensions");
  axis = wrap_dim(axis, x.ndim());
  CHECK(scales.ndim() == 1 && zero_points.ndim() == 1 && scales.numel() == zero_points.numel(), name,
        ": scales and zero_points must be one-dimensional and of one length, got ", shown(scales.sizes()), " and ",
        shown(zero_points.sizes()));
  CHECK(scales.numel() == x.sizes()[axis], name, ": length of scales must equal to channel, expected ", x.sizes()[axis],
        " for dimension ", axis, " of ", shown(x.sizes()), ", got ", scales.numel());
  return {contiguous(to(scales, DType::Float32)), contiguous(to(zero_points, DType::Int64))};
}

Tensor to_integers(X input, std::optional<int64_t> axis, const float* scales, const int64_t* zero_points, DType type) {
  CHECK(is_floating(input.dtype()), "Quantize only works on Float Tensor, got ", name_of(input.dtype()));
  NoGrad guard;
  Tensor x = to(input, DType::Float32);
  Laid in = readable(x, axis), y = result_like(in, type);
  Channels c = channels_of(x, axis);
  {
    Unlocked unlocked(x.numel());
    quantized_kernels(x).quantize({c.outer, c.count, c.inner, scales, zero_points, type, in.data(), y.data()});
  }
  return y.tensor;
}

Tensor to_reals(X x, std::optional<int64_t> axis, const float* scales, const int64_t* zero_points) {
  integer_type(x.dtype());
  Laid in = readable(x, axis), y = result_like(in, DType::Float32);
  Channels c = channels_of(x, axis);
  Unlocked unlocked(x.numel());
  quantized_kernels(x).dequantize({c.outer, c.count, c.inner, scales, zero_points, x.dtype(), in.data(), y.data()});
  return y.tensor;
}

Tensor quantize(X x, double scale, int64_t zero_point, DType type) {
  const float s = float(scale);
  return to_integers(x, std::nullopt, &s, &zero_point, integer_type(type));
}
Tensor quantize_channels(X x, X scales, X zero_points, int64_t axis, DType type) {
  Parameters p = channel_parameters("quantize_per_channel", x, scales, zero_points, axis);
  return to_integers(x, axis, p.scales.data<float>(), p.zero_points.data<int64_t>(), integer_type(type));
}
Tensor dequantize(X x, double scale, int64_t zero_point) {
  const float s = float(scale);
  return to_reals(x, std::nullopt, &s, &zero_point);
}
Tensor dequantize_channels(X x, X scales, X zero_points, int64_t axis) {
  Parameters p = channel_parameters("dequantize", x, scales, zero_points, axis);
  return to_reals(x, axis, p.scales.data<float>(), p.zero_points.data<int64_t>());
}

// The scale and zero point for values between low and high, as two doubles. Zero is always among the values.
Tensor choose_parameters(X input, int64_t low, int64_t high) {
  CHECK(is_floating(input.dtype()) && input.numel() > 0,
        "choosing quantization parameters needs a floating-point tensor with at least one element, got torch.",
        name_of(input.dtype()), " of shape ", shown(input.sizes()));
  NoGrad guard;
  Tensor x = to(input, DType::Float32);
  Laid in = laid(x);
  float least = 0, most = 0;
  {
    Unlocked unlocked(x.numel());
    quantized_kernels(x).range(x.numel(), static_cast<const float*>(in.data()), &least, &most);
  }
  CHECK(std::isfinite(least) && std::isfinite(most), "cannot choose quantization parameters for values from ", least,
        " to ", most, ": they must be finite");
  constexpr float kSmallest = 6.1e-5f;
  least = std::min(least, 0.f), most = std::max(most, 0.f);
  double scale = (double(most) - double(least)) / double(high - low);
  if (float(scale) == 0 || std::isinf(1 / float(scale))) scale = 0.1;
  if (scale < kSmallest) {
    const float grow = float(kSmallest / scale);
    scale = kSmallest;
    if (least == 0)
      most = kSmallest * float(high - low);
    else if (most == 0)
      least = -kSmallest * float(high - low);
    else
      least *= grow, most *= grow;
  }
  // From the end whose rounding loses less.
  const double below = double(least) / scale, above = double(most) / scale;
  const bool from_low = std::abs(double(low)) - std::abs(below) < std::abs(double(high)) - std::abs(above);
  const double zero_point = from_low ? double(low) - below : double(high) - above;
  int64_t two = 2;
  Tensor result = empty(Ints(&two, 1), DType::Float64);
  result.data<double>()[0] = scale;
  result.data<double>()[1] = std::nearbyint(std::clamp(zero_point, double(low), double(high)));
  return result;
}

// ---- fake quantization: rounded as if stored, with the gradient of what was inside the range ----

Tensor fake_quantized(const char* node, X input, std::optional<int64_t> axis, X scales, X zero_points, int64_t low,
                      int64_t high) {
  CHECK(low <= high, "`quant_min` should be less than or equal to `quant_max`, got ", low, " and ", high);
  CHECK(is_floating(input.dtype()), "fake quantization needs a floating-point tensor, got torch.",
        name_of(input.dtype()));
  Tensor y, inside;
  {
    NoGrad guard;
    Tensor x = input.dtype() == DType::Float64 ? input : to(input, DType::Float32);
    Tensor s = contiguous(to(scales, DType::Float32)), z = contiguous(to(zero_points, DType::Float32));
    Laid in = readable(x, axis), out = result_like(in, x.dtype()), mask = result_like(in, DType::Bool);
    Channels c = channels_of(x, axis);
    {
      Unlocked unlocked(x.numel());
      quantized_kernels(x).fake_quantize({c.outer, c.count, c.inner, s.data<float>(), z.data<float>(), low, high,
                                          x.dtype(), in.data(), out.data(), static_cast<bool*>(mask.data())});
    }
    y = to(out.tensor, input.dtype());
    inside = mask.tensor;
  }
  if (recording(input))
    record(node, {&input}, {&y}, {{"mask", &inside}}, [](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return b.grad() * b.saved(0); });
    });
  return y;
}

Tensor one(double value, DType dtype) { return full(Ints(), Scalar(value), dtype); }

void check_zero_point(int64_t zero_point, int64_t low, int64_t high) {
  CHECK(zero_point >= low && zero_point <= high, "`zero_point` must be between `quant_min` and `quant_max`: got ",
        zero_point, " for ", low, " to ", high);
}

Tensor fake_quantize(X x, double scale, int64_t zero_point, int64_t low, int64_t high) {
  CHECK(low <= high, "`quant_min` should be less than or equal to `quant_max`, got ", low, " and ", high);
  check_zero_point(zero_point, low, high);
  return fake_quantized("FakeQuantizePerTensorAffineCachemaskBackward0", x, std::nullopt, one(scale, DType::Float32),
                        one(double(zero_point), DType::Float32), low, high);
}
Tensor fake_quantize_tensors(X x, X scale, X zero_point, int64_t low, int64_t high) {
  CHECK(scale.numel() == 1 && zero_point.numel() == 1,
        "fake_quantize_per_tensor_affine takes one scale and one zero_point, got shapes ", shown(scale.sizes()),
        " and ", shown(zero_point.sizes()), "; fake_quantize_per_channel_affine takes one for each channel");
  return fake_quantized("FakeQuantizePerTensorAffineCachemaskTensorQparamsBackward0", x, std::nullopt, scale,
                        zero_point, low, high);
}
Tensor fake_quantize_channels(X x, X scale, X zero_point, int64_t axis, int64_t low, int64_t high) {
  CHECK(low <= high, "`quant_min` should be less than or equal to `quant_max`, got ", low, " and ", high);
  {
    NoGrad guard;
    channel_parameters("fake_quantize_per_channel_affine", x, scale, zero_point, axis);
  }
  return fake_quantized("FakeQuantizePerChannelAffineCachemaskBackward0", x, axis, scale, zero_point, low, high);
}

// ---- int8 ops ----

// The weights of a product [n, k...]: whole int8 numbers without zero points, a scale for each output.
struct Weights {
  ConvWeight weight;
  Tensor scales, bias;
  Weights(const char* name, X w, X s, X b) : weight(w) {
    CHECK(w.dtype() == DType::Int8 && w.ndim() >= 2, name, ": the weights must be int8 of two or more dimensions");
    CHECK(s.dtype() == DType::Float32 && s.ndim() == 1 && s.numel() == w.sizes()[0], name, ": expected ", w.sizes()[0],
          " float32 scales, got torch.", name_of(s.dtype()), " of shape ", shown(s.sizes()));
    CHECK(!b.defined() || (b.ndim() == 1 && b.numel() == w.sizes()[0]), name, ": expected a bias of ", w.sizes()[0],
          " elements, got shape ", shown(b.defined() ? b.sizes() : Ints()));
    scales = contiguous(s);
    if (b.defined()) bias = contiguous(to(b, DType::Float32));
  }
  const float* bias_data() const { return bias.defined() ? bias.data<float>() : nullptr; }
  Tensor reals() const {
    Tensor zeros_ = zeros(scales.sizes(), DType::Int64);
    return dequantize_channels(weight.plain, scales, zeros_, 0);
  }
};

void check_activation(const char* name, X x) {
  CHECK(x.dtype() == DType::UInt8, name, ": the input must be stored as uint8, got torch.", name_of(x.dtype()));
}

Tensor finished(const Tensor& y, bool use_relu) { return use_relu ? relu(y) : y; }

// x [..., k] as rows, against w [n, k]; the result's integers, or real numbers where y has no scale.
Tensor product(const char* name, X x, Affine x_affine, X w, X w_scales, X w_sums, X bias, bool use_relu,
               std::optional<Affine> y_affine) {
  NoGrad guard;
  check_activation(name, x);
  const Weights weights(name, w, w_scales, bias);
  CHECK(w.ndim() == 2 && x.ndim() >= 1 && x.sizes()[x.ndim() - 1] == w.sizes()[1], name,
        ": the input's last dimension must fit the weights: input ", shown(x.sizes()), ", weights ", shown(w.sizes()));
  CHECK(w_sums.dtype() == DType::Int32 && w_sums.numel() == w.sizes()[0] && w_sums.is_contiguous(), name,
        ": expected the sums of the weights' rows as int32");
  Tensor in = contiguous(x, MemoryFormat::Contiguous);
  if (!in.is_meta()) in.data();
  IntVec sizes(x.sizes());
  sizes[sizes.size() - 1] = w.sizes()[0];
  const int64_t k = w.sizes()[1], n = w.sizes()[0], m = k ? x.numel() / k : 0;
  Tensor y = empty(sizes, y_affine ? DType::UInt8 : DType::Float32, x.device());
  QuantizedLinearCall c{m,
                        n,
                        k,
                        x_affine,
                        y_affine.value_or(Affine{1, 0}),
                        use_relu,
                        y.dtype(),
                        in.data(),
                        weights.weight.plain.data(),
                        weights.scales.data<float>(),
                        weights.bias_data(),
                        w_sums.data<int32_t>(),
                        weights.weight.version,
                        y.data()};
  bool done = false;
  if (m * n * k > 0) {
    Unlocked unlocked(m * n * k / 16);
    done = quantized_kernels(x).linear(c);
  }
  if (done || y.is_meta()) return y;
  Tensor real = matmul(dequantize(in, x_affine.scale, x_affine.zero_point), transpose(weights.reals(), 0, 1));
  if (bias.defined()) real = real + weights.bias;
  real = finished(real, use_relu);
  return y_affine ? quantize(real, y_affine->scale, y_affine->zero_point, DType::UInt8) : real;
}

Tensor quantized_linear(X x, double x_scale, int64_t x_zero, X w, X w_scales, X w_sums, X bias, bool use_relu,
                        double scale, int64_t zero_point) {
  return product("quantized linear", x, {float(x_scale), x_zero}, w, w_scales, w_sums, bias, use_relu,
                 Affine{float(scale), zero_point});
}

// The same of real numbers, quantized on the way by their own range.
Tensor quantized_linear_dynamic(X x, X w, X w_scales, X w_sums, X bias, bool reduce_range, bool use_relu) {
  const char* name = "dynamically quantized linear";
  CHECK(x.dtype() == DType::Float32, name, ": the input must be float32, got torch.", name_of(x.dtype()));
  Affine affine{1, 0};
  if (x.numel() > 0 && !x.is_meta()) {
    Tensor chosen = choose_parameters(x, 0, reduce_range ? 127 : 255);
    affine = {float(chosen.data<double>()[0]), int64_t(chosen.data<double>()[1])};
  }
  return product(name, quantize(x, affine.scale, affine.zero_point, DType::UInt8), affine, w, w_scales, w_sums, bias,
                 use_relu, std::nullopt);
}

Tensor quantized_conv(X x, double x_scale, int64_t x_zero, X w, X w_scales, X bias, Ints stride, Ints padding,
                      Ints dilation, int64_t groups, bool use_relu, double scale, int64_t zero_point) {
  NoGrad guard;
  const char* const name = "quantized convolution";
  CHECK(w.ndim() >= 3 && w.ndim() <= 5 && x.ndim() == w.ndim(), name,
        ": input and weights must both have 3 to 5 dimensions, got ", shown(x.sizes()), " and ", shown(w.sizes()));
  check_activation(name, x);
  const Weights weights(name, w, w_scales, bias);
  const ConvSettings settings = conv_settings(w.ndim() - 2, false, stride, padding, IntVec{0}, groups, dilation);
  const ConvShape s = conv_fitted(name, x, w, weights.bias, settings);
  Laid in = laid_in(x, Order::ChannelsLast);
  Laid y = empty_laid(conv_out_sizes(s), DType::UInt8, x.device(), Order::ChannelsLast, in.by_strides);
  const Affine x_affine{float(x_scale), x_zero}, y_affine{float(scale), zero_point};
  QuantizedConvCall c{s,
                      x_affine,
                      y_affine,
                      use_relu,
                      in.data(),
                      weights.weight.plain.data(),
                      weights.scales.data<float>(),
                      weights.bias_data(),
                      weights.weight.version,
                      y.data()};
  bool done = false;
  if (x.numel() > 0 && y.tensor.numel() > 0) {
    Unlocked unlocked(y.tensor.numel() * w.numel() / w.sizes()[0] / 16);
    done = quantized_kernels(x).convolution(c);
  }
  if (done || x.is_meta()) return y.tensor;
  Tensor real = convolve(name, dequantize(x, x_scale, x_zero), weights.reals(), weights.bias, settings);
  return quantize(finished(real, use_relu), scale, zero_point, DType::UInt8);
}

// a + b or a * b of two quantized tensors of one shape.
Tensor quantized_pair(X a, double a_scale, int64_t a_zero, X b, double b_scale, int64_t b_zero, bool multiply,
                      bool use_relu, double scale, int64_t zero_point) {
  CHECK(a.dtype() == b.dtype() && (a.dtype() == DType::UInt8 || a.dtype() == DType::Int8),
        "quantized arithmetic needs two tensors of one dtype, quint8 or qint8, got torch.", name_of(a.dtype()),
        " and torch.", name_of(b.dtype()));
  CHECK(a.ndim() == b.ndim() && std::ranges::equal(a.sizes(), b.sizes()),
        "quantized arithmetic needs two tensors of one shape, got ", shown(a.sizes()), " and ", shown(b.sizes()));
  Laid left = laid(a), right = laid(b);
  if (left.order != right.order) right = laid_in(b, left.order);
  Laid y = result_like(left, a.dtype());
  Unlocked unlocked(a.numel());
  quantized_kernels(a).pair({a.dtype(),
                             a.numel(),
                             multiply,
                             use_relu,
                             {float(a_scale), a_zero},
                             {float(b_scale), b_zero},
                             {float(scale), zero_point},
                             left.data(),
                             right.data(),
                             y.data()});
  return y.tensor;
}

// table[x] for bytes: any function of one quantized value.
Tensor lookup(X x, X table) {
  CHECK(x.dtype() == DType::UInt8 && table.dtype() == DType::UInt8 && table.numel() == 256 && table.is_contiguous(),
        "_lookup takes uint8 values and a table of 256 of them");
  Laid in = laid(x), y = result_like(in, DType::UInt8);
  Unlocked unlocked(x.numel());
  quantized_kernels(x).lookup(x.numel(), static_cast<const uint8_t*>(in.data()), table.data<uint8_t>(),
                              static_cast<uint8_t*>(y.data()));
  return y.tensor;
}

}  // namespace

void register_quantized() {
  op<&quantize>("_quantize(Tensor input, float scale, int zero_point, dtype dtype) -> Tensor", Private);
  op<&quantize_channels>(
      "_quantize_channels(Tensor input, Tensor scales, Tensor zero_points, int axis, dtype dtype) -> Tensor", Private);
  op<&dequantize>("_dequantize(Tensor input, float scale, int zero_point) -> Tensor", Private);
  op<&dequantize_channels>("_dequantize_channels(Tensor input, Tensor scales, Tensor zero_points, int axis) -> Tensor",
                           Private);
  op<&choose_parameters>("_choose_quantization(Tensor input, int low, int high) -> Tensor", Private);
  op<&fake_quantize>(
      "fake_quantize_per_tensor_affine(Tensor input, float scale, int zero_point, int quant_min, int quant_max) -> "
      "Tensor",
      Function,
      "input rounded to what integers from quant_min to quant_max can stand for; the gradient passes where it was "
      "inside (Jacob et al. 2018)");
  op<&fake_quantize_tensors>(
      "fake_quantize_per_tensor_affine(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max) "
      "-> Tensor",
      Function);
  op<&fake_quantize_channels>(
      "fake_quantize_per_channel_affine(Tensor input, Tensor scale, Tensor zero_point, int axis, int quant_min, int "
      "quant_max) -> Tensor",
      Function, "fake_quantize_per_tensor_affine with a scale and zero point for each index of dimension axis");
  op<&quantized_linear>(
      "_quantized_linear(Tensor input, float input_scale, int input_zero_point, Tensor weight, Tensor weight_scales, "
      "Tensor weight_sums, Tensor? bias, bool relu, float scale, int zero_point) -> Tensor",
      Private);
  op<&quantized_linear_dynamic>(
      "_quantized_linear_dynamic(Tensor input, Tensor weight, Tensor weight_scales, Tensor weight_sums, Tensor? bias, "
      "bool reduce_range, bool relu) -> Tensor",
      Private);
  op<&quantized_conv>(
      "_quantized_conv(Tensor input, float input_scale, int input_zero_point, Tensor weight, Tensor weight_scales, "
      "Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups, bool relu, float scale, int zero_point) "
      "-> Tensor",
      Private);
  op<&quantized_pair>(
      "_quantized_pair(Tensor a, float a_scale, int a_zero_point, Tensor b, float b_scale, int b_zero_point, bool "
      "multiply, bool relu, float scale, int zero_point) -> Tensor",
      Private);
  op<&lookup>("_lookup(Tensor input, Tensor table) -> Tensor", Private);
}

}  // namespace lampas
