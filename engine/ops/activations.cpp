// Activation functions with constants, with weights, or over halves; their rows are in unary.cpp.
#include <cmath>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using S = const Scalar&;

void need_float(const char* name, const Tensor& x) {
  CHECK_KIND(NotImplemented, is_floating(x.dtype()), '"', name, "\" not implemented for 'torch.", name_of(x.dtype()),
             "': it works on floating-point tensors");
}

// y = f(x) by a row of the table, for floating-point tensors.
template <Ew kernel>
Tensor apply(const char* name, const Tensor& x, const EwParams& p, const Out& out) {
  need_float(name, x);
  return unary(unary_row(kernel), x, p, out);
}

// The same row under another node name.
UnaryRow renamed(Ew kernel, const char* grad_name) {
  UnaryRow row = unary_row(kernel);
  row.grad_name = grad_name;
  return row;
}

// In place, with a gradient from the result alone: the value that is overwritten need not be kept.
template <class F>
Tensor keeping_result(const char* node_name, Ew kernel, const Tensor& x, const EwParams& p, F&& gradient) {
  bool records = recording(x);
  check_inplace(x, records);
  elementwise(kernel, {x}, x.dtype(), x.dtype(), Out{Out::Inplace, &x}, p);
  Ref<Node> n;
  if (records) {
    n = make_node(
        node_name,
        [gradient](Back& b) {
          if (b.grad().defined()) b.set(0, [&] { return gradient(b.grad(), b.saved(0)); });
        },
        1, 1, 1);
    connect(n, {&x}, {}, {});
  }
  written_inplace(x, n);
  if (n) save_tensor(*n, 0, "result", x, true, 0);
  return x;
}

// ---- leaky ReLU, with a fixed or a random slope ----

Tensor leaky_relu(const Tensor& x, S slope, const Out& out) {
  return apply<Ew::LeakyRelu>("leaky_relu", x, {{slope.to_double()}}, out);
}

Tensor leaky_inplace(const char* node, const Tensor& x, double slope) {
  return keeping_result(node, Ew::LeakyRelu, x, {{slope}}, [slope](const Tensor& g, const Tensor& y) {
    CHECK(slope >= 0,
          "In-place leakyReLu backward calculation is triggered with a negative slope which is not supported: the sign "
          "of "
          "the input is lost. Call the out-of-place form; got slope ",
          slope);
    if (!mode.grad) return elementwise(Ew::LeakyReluBackward, {g, y}, g.dtype(), g.dtype(), {}, {{slope}});
    return where(gt(y, 0), g, g * slope);
  });
}
Tensor leaky_relu_(const Tensor& x, S slope) {
  need_float("leaky_relu", x);
  return leaky_inplace("LeakyReluBackward1", x, slope.to_double());
}

Tensor rrelu(const Tensor& x, S lower_, S upper_, bool training, Generator* generator) {
  need_float("rrelu", x);
  double lower = lower_.to_double(), upper = upper_.to_double();
  CHECK(lower <= upper, "Lower bound should be less than or equal to the upper bound, got ", lower, " and ", upper);
  static const UnaryRow row = renamed(Ew::LeakyRelu, "RreluWithNoiseBackward0");
  if (!training) return unary(row, x, {{(lower + upper) / 2}});
  // A slope for each element that is not positive, drawn in double in the order of the indices; 1 elsewhere.
  Tensor slopes;
  {
    NoGrad guard;
    Tensor negative = flatten(le(contiguous(x), 0));
    int64_t count = x.is_meta() ? 0 : item(sum(negative)).to_int();
    Tensor drawn = empty(Ints(&count, 1), DType::Float64, x.device());
    kernels(x.device())
        .random.uniform(drawn.data(), DType::Float64, count, lower, upper,
                        generator ? *generator : default_generator());
    int64_t n = x.numel();
    DType wide = compute_type(x.dtype());
    slopes = ones(Ints(&n, 1), wide, x.device());
    if (count) index_put_(slopes, {negative}, to(drawn, wide));
    slopes = view(slopes, x.sizes());
  }
  Tensor y;
  {
    NoGrad guard;
    y = to(mul(x, slopes), x.dtype());
    slopes = to(slopes, x.dtype());
  }
  if (recording(x))
    record("RreluWithNoiseBackward0", {&x}, {&y}, {{"noise", &slopes}}, [](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return mul(b.grad(), b.saved(0)); });
    });
  return y;
}
Tensor rrelu_(const Tensor& x, S lower, S upper, bool training, Generator* generator) {
  need_float("rrelu", x);
  if (!training) return leaky_inplace("RreluWithNoiseBackward1", x, (lower.to_double() + upper.to_double()) / 2);
  bool records = recording(x);
  check_inplace(x, records);
  if (records)
    return recorded_inplace(x, [&](const Tensor& before) { return rrelu(before, lower, upper, true, generator); });
  copy_data(x, rrelu(x, lower, upper, true, generator));
  x.bump_version();
  return x;
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  CHECK(weight.ndim() <= 1, "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = ", weight.ndim());
  int64_t count = weight.numel();
  if (count != 1) {
    CHECK(x.ndim() > 0, "Not allow zero-dim input tensor: prelu with ", count,
          " weights needs a dimension of channels");
    int64_t channels = x.ndim() > 1 ? x.sizes()[1] : 1;
    CHECK(channels == count, "Mismatch of parameter numbers and input channel size. Found parameter numbers = ", count,
          " and channel size = ", channels, ".");
  }
  CHECK(x.dtype() == weight.dtype(), "prelu: Type promoting not supported. Got torch.", name_of(x.dtype()),
        " and torch.", name_of(weight.dtype()));
  need_float("prelu", x);
  // One weight for each channel stands in dimension 1.
  IntVec sizes(x.ndim(), 1);
  if (x.ndim() > 1) sizes[1] = count;
  Tensor w = same(weight.sizes(), sizes) ? weight : view(weight, sizes);
  Tensor y = elementwise(Ew::Prelu, {x, w}, x.dtype(), x.dtype());
  if (recording(x, w))
    record("PreluKernelBackward0", {&x, &w}, {&y}, {{"self", &x}, {"weight", &w}}, [](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      Tensor x = b.saved(0), w = b.saved(1), positive = gt(x, 0);
      b.set(0, [&] { return where(positive, g, mul(g, w)); });
      b.set(1, [&] { return reduce_gradient(where(positive, 0.0, mul(g, x)), w.sizes(), w.dtype()); });
    });
  return y;
}

// ---- ELU and its relatives: parameters are alpha, scale, input_scale ----

EwParams elu_params(double alpha, double scale, double input_scale) { return {{alpha, scale, input_scale}}; }

Tensor elu_inplace(const char* node, const Tensor& x, double alpha, double scale, double input_scale) {
  need_float("elu", x);
  return keeping_result(node, Ew::Elu, x, elu_params(alpha, scale, input_scale), [=](const Tensor& g, const Tensor& y) {
    CHECK(
        alpha >= 0,
        "In-place elu backward calculation is triggered with a negative slope which is not supported: the sign of the "
        "input is lost. Call the out-of-place form; got alpha ",
        alpha);
    return where(gt(y, 0), g * scale, g * (y + alpha * scale) * input_scale);
  });
}

constexpr double kSeluAlpha = 1.6732632423543772848170429916717, kSeluScale = 1.0507009873554804934193349852946;

Tensor elu(const Tensor& x, S alpha, S scale, S input_scale, const Out& out) {
  return apply<Ew::Elu>("elu", x, elu_params(alpha.to_double(), scale.to_double(), input_scale.to_double()), out);
}
Tensor elu_(const Tensor& x, S alpha, S scale, S input_scale) {
  return elu_inplace("EluBackward1", x, alpha.to_double(), scale.to_double(), input_scale.to_double());
}
Tensor selu(const Tensor& x) { return apply<Ew::Elu>("selu", x, elu_params(kSeluAlpha, kSeluScale, 1), {}); }
Tensor selu_(const Tensor& x) { return elu_inplace("EluBackward1", x, kSeluAlpha, kSeluScale, 1); }
double celu_alpha(S alpha) {
  CHECK(!alpha.equals(0), "ZeroDivisionError: alpha cannot be 0 for CELU");
  return alpha.to_double();
}
Tensor celu(const Tensor& x, S alpha) {
  double a = celu_alpha(alpha);
  need_float("celu", x);
  static const UnaryRow row = renamed(Ew::Elu, "CeluBackward0");
  return unary(row, x, elu_params(a, 1, 1 / a));
}
Tensor celu_(const Tensor& x, S alpha) {
  double a = celu_alpha(alpha);
  return elu_inplace("CeluBackward1", x, a, 1, 1 / a);
}

// ---- cut and shrunk ----

Tensor hardtanh(const Tensor& x, S low, S high, const Out& out) {
  CHECK(x.dtype() != DType::Bool, "Bool inputs not supported for hardtanh");
  CHECK(x.dtype() != DType::UInt8 || low.to_double() >= 0,
        "cannot do hardtanh on an unsigned type with negative limits, got ", low.to_double());
  return unary(unary_row(Ew::HardTanh), x, {{low.to_double(), high.to_double()}}, out);
}
Tensor hardtanh_(const Tensor& x, S low, S high) { return hardtanh(x, low, high, Out{Out::Inplace, &x}); }
Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6, {}); }
Tensor relu6_(const Tensor& x) { return hardtanh_(x, 0, 6); }

Tensor threshold(const Tensor& x, S threshold, S value, const Out& out) {
  return unary(unary_row(Ew::Threshold), x, {{threshold.to<double>(), value.to<double>()}}, out);
}
Tensor threshold_(const Tensor& x, S threshold, S value) {
  static const UnaryRow row = renamed(Ew::Threshold, "ThresholdBackward1");
  return unary(row, x, {{threshold.to_double(), value.to_double()}}, Out{Out::Inplace, &x});
}
Tensor hardshrink(const Tensor& x, S lambda, const Out& out) {
  return apply<Ew::HardShrink>("hardshrink", x, {{lambda.to_double()}}, out);
}
Tensor softshrink(const Tensor& x, S lambda, const Out& out) {
  need_float("softshrink", x);
  CHECK(lambda.to_double() >= 0, "lambda must be greater or equal to 0, got ", lambda.to_double(),
        ": softshrink moves values towards zero by lambda");
  return apply<Ew::SoftShrink>("softshrink", x, {{lambda.to_double()}}, out);
}

// ---- smooth ----

Tensor gelu(const Tensor& x, std::string_view approximate, const Out& out) {
  need_float("gelu", x);
  CHECK(approximate == "none" || approximate == "tanh", "approximate argument must be either none or tanh, got '",
        approximate, "'");
  return unary(unary_row(approximate == "tanh" ? Ew::GeluTanh : Ew::Gelu), x, {}, out);
}
Tensor gelu_(const Tensor& x, std::string_view approximate) { return gelu(x, approximate, Out{Out::Inplace, &x}); }
Tensor silu(const Tensor& x, const Out& out) {
  if (is_complex(x.dtype())) return mul(x, sigmoid(x), out);
  return apply<Ew::Silu>("silu", x, {}, out);
}
Tensor softplus(const Tensor& x, S beta, S threshold, const Out& out) {
  return apply<Ew::Softplus>("softplus", x, {{beta.to_double(), threshold.to_double()}}, out);
}
// Without constants.
template <Ew kernel>
Tensor plain(const Tensor& x, const Out& out) {
  return apply<kernel>("activation", x, {}, out);
}
// In plain order whatever the input's, as PyTorch has it.
Tensor log_sigmoid(const Tensor& x, const Out& out) { return plain<Ew::LogSigmoid>(contiguous(x), out); }
template <Ew kernel>
Tensor plain_(const Tensor& x) {
  return apply<kernel>("activation", x, {}, Out{Out::Inplace, &x});
}
Tensor silu_(const Tensor& x) { return silu(x, Out{Out::Inplace, &x}); }

Tensor glu(const Tensor& x, int64_t dim, const Out& out) {
  CHECK(x.ndim() > 0, "glu does not support 0-dimensional tensors");
  need_float("glu", x);
  int d = wrap_dim(dim, x.ndim());
  int64_t n = x.sizes()[d], half = n / 2;
  CHECK(n % 2 == 0, "Halving dimension must be even, but dimension ", d, " is size ", n);
  bool records = recording(x);
  if (out.given()) check_out("glu", out, records);
  Tensor y;
  {
    NoGrad guard;
    y = mul(narrow(x, d, 0, half), sigmoid(narrow(x, d, half, half)), out);
  }
  if (records)
    record("GluBackward0", {&x}, {&y}, {{"self", &x}}, [d, half](Back& b) {
      const Tensor& g = b.grad();
      if (!g.defined()) return;
      b.set(0, [&] {
        Tensor x = b.saved(0), a = narrow(x, d, 0, half), s = sigmoid(narrow(x, d, half, half));
        if (mode.grad) return cat({g * s, g * s * a * (1 - s)}, d);
        Tensor gx = empty(x.sizes(), x.dtype(), x.device()), ga = narrow(gx, d, 0, half),
               gb = narrow(gx, d, half, half);
        mul(g, s, {Out::Into, &ga});
        elementwise(Ew::SigmoidBackward, {g, s}, s.dtype(), s.dtype(), {Out::Into, &s});
        mul(s, a, {Out::Into, &gb});
        return gx;
      });
    });
  return y;
}

}  // namespace

void register_activations() {
  constexpr uint32_t nn = NN | OutForm;
  op<&leaky_relu>("leaky_relu(Tensor input, Number negative_slope=0.01) -> Tensor", nn,
                  "x, times negative_slope where x <= 0");
  op<&leaky_relu_>("leaky_relu_(Tensor input, Number negative_slope=0.01) -> Tensor", NN);
  op<&elu>("elu(Tensor input, Number alpha=1, Number scale=1, Number input_scale=1) -> Tensor", nn,
           "scale * x above zero, scale * alpha * (exp(input_scale * x) - 1) below");
  op<&elu_>("elu_(Tensor input, Number alpha=1, Number scale=1, Number input_scale=1) -> Tensor", NN);
  op<&gelu>("gelu(Tensor input, *, str approximate='none') -> Tensor", nn,
            "x times the normal distribution function of x; approximate='tanh' for the formula with tanh (Hendrycks & "
            "Gimpel 2016)");
  op<&gelu_>("gelu_(Tensor input, *, str approximate='none') -> Tensor", NN);
  op<&silu>("silu(Tensor input) -> Tensor", nn, "x * sigmoid(x)");
  op<&silu_>("silu_(Tensor input) -> Tensor", NN);
  op<&plain<Ew::Mish>>("mish(Tensor input) -> Tensor", nn, "x * tanh(softplus(x))");
  op<&plain_<Ew::Mish>>("mish_(Tensor input) -> Tensor", NN);
  op<&softplus>("softplus(Tensor input, Number beta=1, Number threshold=20) -> Tensor", nn,
                "log(1 + exp(beta x)) / beta; x itself where beta x > threshold");
  op<&hardtanh>("hardtanh(Tensor input, Number min_val=-1, Number max_val=1) -> Tensor", nn,
                "x cut to [min_val, max_val]");
  op<&hardtanh_>("hardtanh_(Tensor input, Number min_val=-1, Number max_val=1) -> Tensor", NN);
  op<&relu6>("relu6(Tensor input) -> Tensor", NN, "x cut to [0, 6]");
  op<&relu6_>("relu6_(Tensor input) -> Tensor", NN);
  op<&plain<Ew::HardSigmoid>>("hardsigmoid(Tensor input) -> Tensor", nn, "x / 6 + 1/2 cut to [0, 1]");
  op<&plain_<Ew::HardSigmoid>>("hardsigmoid_(Tensor input) -> Tensor", NN);
  op<&plain<Ew::HardSwish>>("hardswish(Tensor input) -> Tensor", nn, "x * hardsigmoid(x)");
  op<&plain_<Ew::HardSwish>>("hardswish_(Tensor input) -> Tensor", NN);
  op<&log_sigmoid>("log_sigmoid(Tensor input) -> Tensor", nn, "log(1 / (1 + exp(-x))) without overflow");
  op<&softshrink>("softshrink(Tensor input, Number lambd=0.5) -> Tensor", nn,
                  "x moved towards zero by lambd, zero where |x| <= lambd");
  op<&glu>("glu(Tensor input, int dim=-1) -> Tensor", nn,
           "a * sigmoid(b) for the halves a, b of input along dim (Dauphin et al. 2017)");

  op<&celu>("celu(Tensor input, Number alpha=1.0) -> Tensor", Function,
            "max(0, x) + min(0, alpha (exp(x / alpha) - 1))");
  op<&celu_>("celu_(Tensor input, Number alpha=1.0) -> Tensor", Function);
  op<&selu>("selu(Tensor input) -> Tensor", Function,
            "ELU with the constants of self-normalizing networks (Klambauer et al. 2017)");
  op<&selu_>("selu_(Tensor input) -> Tensor", Function);
  op<&prelu>("prelu(Tensor input, Tensor weight) -> Tensor", kUsual,
             "x, times a weight (one, or one for each channel) where x <= 0");
#define RRELU                                                                                            \
  "(Tensor input, Number lower=0.125, Number upper=0.3333333333333333, bool training=False, Generator? " \
  "generator=None) -> Tensor"
  op<&rrelu>("rrelu" RRELU, Function,
             "leaky ReLU with slopes drawn from [lower, upper] in training, their mean otherwise");
  op<&rrelu_>("rrelu_" RRELU, Function);
#undef RRELU
  op<&threshold>("threshold(Tensor input, Number threshold, Number value) -> Tensor", Function | OutForm,
                 "x where x > threshold, value elsewhere");
  op<&threshold_>("threshold_(Tensor input, Number threshold, Number value) -> Tensor", Function);
  op<&hardshrink>("hardshrink(Tensor input, Number lambd=0.5) -> Tensor", kUsual | OutForm,
                  "x where |x| > lambd, zero elsewhere");
}

}  // namespace lampas
