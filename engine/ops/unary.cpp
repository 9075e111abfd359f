// Ops of one tensor, y = f(x), element by element: one row each.
#include <array>
#include <cmath>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using G = const Tensor&;
using P = const EwParams&;
constexpr auto Keep = UnaryRow::Keep;
constexpr auto ToFloat = UnaryRow::ToFloat;
constexpr auto ToBool = UnaryRow::ToBool;
constexpr auto Integral = UnaryRow::Integral;
constexpr auto Magnitude = UnaryRow::Magnitude;
constexpr Ew None = Ew::Count;

Tensor zero(G g, G, P) { return zeros_like(g); }
// |z|' for complex z is z / |z|, and 0 at 0.
Tensor sgn(G x) {
  if (!is_complex(x.dtype())) return sign(x);
  Tensor m = abs(x);
  return x / where(eq(m, 0), 1.0, m);
}

const UnaryRow kRows[] = {
    {"neg(Tensor input) -> Tensor", Ew::Neg, Keep, "NegBackward0", 0, [](G g, G, P) { return -g; }, None, "-x"},
    {"abs(Tensor input) -> Tensor", Ew::Abs, Magnitude, "AbsBackward0", 'x', [](G g, G x, P) { return g * sgn(x); }, None, "|x|"},
    {"sign(Tensor input) -> Tensor", Ew::Sign, Keep, "SignBackward0", 0, zero, None, "-1, 0 or 1 by the sign of x"},
    {"exp(Tensor input) -> Tensor", Ew::Exp, ToFloat, "ExpBackward0", 'y', [](G g, G y, P) { return g * conj(y); }, None, "e^x"},
    {"exp2(Tensor input) -> Tensor", Ew::Exp2, ToFloat, "Exp2Backward0", 'y', [](G g, G y, P) { return g * conj(y) * M_LN2; }, None, "2^x"},
    {"expm1(Tensor input) -> Tensor", Ew::Expm1, ToFloat, "Expm1Backward0", 'y', [](G g, G y, P) { return g * (conj(y) + 1); }, None, "e^x - 1, exact near 0"},
    {"log(Tensor input) -> Tensor", Ew::Log, ToFloat, "LogBackward0", 'x', [](G g, G x, P) { return g / conj(x); }, None, "the natural logarithm"},
    {"log2(Tensor input) -> Tensor", Ew::Log2, ToFloat, "Log2Backward0", 'x', [](G g, G x, P) { return g / (conj(x) * M_LN2); }, None, "the logarithm to base 2"},
    {"log10(Tensor input) -> Tensor", Ew::Log10, ToFloat, "Log10Backward0", 'x', [](G g, G x, P) { return g / (conj(x) * M_LN10); }, None, "the logarithm to base 10"},
    {"log1p(Tensor input) -> Tensor", Ew::Log1p, ToFloat, "Log1PBackward0", 'x', [](G g, G x, P) { return g / (conj(x) + 1); }, None, "log(1 + x), exact near 0"},
    {"sqrt(Tensor input) -> Tensor", Ew::Sqrt, ToFloat, "SqrtBackward0", 'y', [](G g, G y, P) { return g / (conj(y) * 2); }, None, "the square root"},
    {"rsqrt(Tensor input) -> Tensor", Ew::Rsqrt, ToFloat, "RsqrtBackward0", 'y', [](G g, G y, P) { Tensor c = conj(y); return g * (c * c * c) * -0.5; }, None, "1 / sqrt(x)"},
    {"sin(Tensor input) -> Tensor", Ew::Sin, ToFloat, "SinBackward0", 'x', [](G g, G x, P) { return g * conj(cos(x)); }, None, "the sine, x in radians"},
    {"cos(Tensor input) -> Tensor", Ew::Cos, ToFloat, "CosBackward0", 'x', [](G g, G x, P) { return g * -conj(sin(x)); }, None, "the cosine, x in radians"},
    {"tan(Tensor input) -> Tensor", Ew::Tan, ToFloat, "TanBackward0", 'y', [](G g, G y, P) { return g * conj(y * y + 1); }, None, "the tangent, x in radians"},
    {"asin(Tensor input) -> Tensor", Ew::Asin, ToFloat, "AsinBackward0", 'x', [](G g, G x, P) { return g * conj(rsqrt(1 - x * x)); }, None, "the inverse sine"},
    {"acos(Tensor input) -> Tensor", Ew::Acos, ToFloat, "AcosBackward0", 'x', [](G g, G x, P) { return g * -conj(rsqrt(1 - x * x)); }, None, "the inverse cosine"},
    {"atan(Tensor input) -> Tensor", Ew::Atan, ToFloat, "AtanBackward0", 'x', [](G g, G x, P) { return g / conj(x * x + 1); }, None, "the inverse tangent"},
    {"sinh(Tensor input) -> Tensor", Ew::Sinh, ToFloat, "SinhBackward0", 'x', [](G g, G x, P) { return g * conj(cosh(x)); }, None, "(e^x - e^-x) / 2"},
    {"cosh(Tensor input) -> Tensor", Ew::Cosh, ToFloat, "CoshBackward0", 'x', [](G g, G x, P) { return g * conj(sinh(x)); }, None, "(e^x + e^-x) / 2"},
    {"tanh(Tensor input) -> Tensor", Ew::Tanh, ToFloat, "TanhBackward0", 'y', [](G g, G y, P) { return g * conj(1 - y * y); }, Ew::TanhBackward, "sinh(x) / cosh(x)"},
    {"asinh(Tensor input) -> Tensor", Ew::Asinh, ToFloat, "AsinhBackward0", 'x', [](G g, G x, P) { return g * conj(rsqrt(x * x + 1)); }, None, "the inverse of sinh"},
    {"acosh(Tensor input) -> Tensor", Ew::Acosh, ToFloat, "AcoshBackward0", 'x', [](G g, G x, P) { return g * conj(rsqrt((x - 1)) * rsqrt(x + 1)); }, None, "the inverse of cosh, for x >= 1"},
    {"atanh(Tensor input) -> Tensor", Ew::Atanh, ToFloat, "AtanhBackward0", 'x', [](G g, G x, P) { return g / conj(1 - x * x); }, None, "the inverse of tanh"},
    {"erf(Tensor input) -> Tensor", Ew::Erf, ToFloat, "ErfBackward0", 'x', [](G g, G x, P) { return g * exp(-(x * x)) * M_2_SQRTPI; }, None, "the error function"},
    {"erfc(Tensor input) -> Tensor", Ew::Erfc, ToFloat, "ErfcBackward0", 'x', [](G g, G x, P) { return g * exp(-(x * x)) * -M_2_SQRTPI; }, None, "1 - erf(x)"},
    {"erfinv(Tensor input) -> Tensor", Ew::Erfinv, ToFloat, "ErfinvBackward0", 'y', [](G g, G y, P) { return g * exp(y * y) * (1 / M_2_SQRTPI); }, None, "the inverse of erf"},
    {"lgamma(Tensor input) -> Tensor", Ew::Lgamma, ToFloat, "LgammaBackward0", 'x', [](G g, G x, P) { return g * digamma(x); }, None, "log |Gamma(x)|"},
    {"digamma(Tensor input) -> Tensor", Ew::Digamma, ToFloat, "DigammaBackward0", 'x', [](G g, G x, P) { return g * unary_op(Ew::Trigamma, x); }, None, "the derivative of lgamma"},
    {nullptr, Ew::Trigamma, ToFloat, nullptr, 0, nullptr, None, ""},
    {"sinc(Tensor input) -> Tensor", Ew::Sinc, ToFloat, "SincBackward0", 'x', [](G g, G x, P) {
       Tensor px = x * M_PI;
       return g * where(eq(x, 0), 0.0, (cos(px) * px - sin(px)) / (px * x));
     }, None, "sin(pi x) / (pi x)"},
    {"floor(Tensor input) -> Tensor", Ew::Floor, Keep, "FloorBackward0", 0, zero, None, "the largest integer <= x"},
    {"ceil(Tensor input) -> Tensor", Ew::Ceil, Keep, "CeilBackward0", 0, zero, None, "the smallest integer >= x"},
    {"trunc(Tensor input) -> Tensor", Ew::Trunc, Keep, "TruncBackward0", 0, zero, None, "x without its fraction"},
    {"frac(Tensor input) -> Tensor", Ew::Frac, Keep, "FracBackward0", 0, [](G g, G, P) { return g * 1; }, None, "x - trunc(x)"},
    {"reciprocal(Tensor input) -> Tensor", Ew::Reciprocal, ToFloat, "ReciprocalBackward0", 'y', [](G g, G y, P) { return -g * conj(y * y); }, None, "1 / x"},
    {"square(Tensor input) -> Tensor", Ew::Square, Keep, "PowBackward0", 'x', [](G g, G x, P) { return g * (conj(x) * 2); }, None, "x^2"},
    {"conj_physical(Tensor input) -> Tensor", Ew::Conj, Keep, "ConjBackward0", 0, [](G g, G, P) { return conj(g); }, None, "the complex conjugate"},
    {"angle(Tensor input) -> Tensor", Ew::Angle, Magnitude, "AngleBackward0", 'x', [](G g, G x, P) {
       if (!is_complex(x.dtype())) return zeros_like(g);
       Tensor m2 = real(x * conj(x));
       return where(eq(m2, 0), 0.0, complex(-(g * imag(x)) / m2, g * real(x) / m2));
     }, None, "the argument of a complex number, in radians"},
    {"logical_not(Tensor input) -> Tensor", Ew::LogicalNot, ToBool, nullptr, 0, nullptr, None, "whether x is 0"},
    {"bitwise_not(Tensor input) -> Tensor", Ew::BitwiseNot, Integral, nullptr, 0, nullptr, None, "every bit flipped; for bool, logical not"},
    {"isnan(Tensor input) -> Tensor", Ew::IsNan, ToBool, nullptr, 0, nullptr, None, "whether x is NaN"},
    {"isinf(Tensor input) -> Tensor", Ew::IsInf, ToBool, nullptr, 0, nullptr, None, "whether x is infinite"},
    {"isposinf(Tensor input) -> Tensor", Ew::IsPosInf, ToBool, nullptr, 0, nullptr, None, "whether x is +infinity"},
    {"isneginf(Tensor input) -> Tensor", Ew::IsNegInf, ToBool, nullptr, 0, nullptr, None, "whether x is -infinity"},
    {"signbit(Tensor input) -> Tensor", Ew::SignBit, ToBool, nullptr, 0, nullptr, None, "whether the sign bit of x is set"},
    {"sigmoid(Tensor input) -> Tensor", Ew::Sigmoid, ToFloat, "SigmoidBackward0", 'y', [](G g, G y, P) { return g * conj((1 - y) * y); }, Ew::SigmoidBackward, "1 / (1 + e^-x)"},
    {"relu(Tensor input) -> Tensor", Ew::Relu, Keep, "ReluBackward0", 'y', [](G g, G y, P) { return where(gt(y, 0), g, 0.0); }, Ew::ReluBackward, "max(x, 0)"},
    // Activations with constants, and those PyTorch keeps under nn.functional, have their bindings in activations.cpp.
    {nullptr, Ew::Relu6, Keep, "HardtanhBackward0", 'x', [](G g, G x, P) { return where(logical_and(gt(x, 0), lt(x, 6)), g, 0.0); }, None, ""},
    {nullptr, Ew::LogSigmoid, ToFloat, "LogSigmoidBackward0", 'x', [](G g, G x, P) { return g * sigmoid(-x); }, Ew::LogSigmoidBackward, ""},
    {nullptr, Ew::LeakyRelu, Keep, "LeakyReluBackward0", 'x', [](G g, G x, P p) { return where(gt(x, 0), g, g * p.v[0]); }, Ew::LeakyReluBackward, ""},
    {nullptr, Ew::Elu, Keep, "EluBackward0", 'x', [](G g, G x, P p) {  // v: alpha, scale, input_scale
       return where(gt(x, 0), g * p.v[1], g * (exp(x * p.v[2]) * (p.v[0] * p.v[1] * p.v[2])));
     }, Ew::EluBackward, ""},
    {nullptr, Ew::Gelu, Keep, "GeluBackward0", 'x', [](G g, G x, P) {
       return g * ((erf(x * M_SQRT1_2) + 1) * 0.5 + x * exp(x * x * -0.5) * (M_2_SQRTPI * M_SQRT1_2 * 0.5));
     }, Ew::GeluBackward, ""},
    {nullptr, Ew::GeluTanh, Keep, "GeluBackward0", 'x', [](G g, G x, P) {
       constexpr double b = M_SQRT2 * M_2_SQRTPI * 0.5, k = 0.044715;
       Tensor t = tanh((x + x * x * x * k) * b);
       return g * ((t + 1) * 0.5 + x * (1 - t * t) * (x * x * (3 * k) + 1) * (0.5 * b));
     }, Ew::GeluTanhBackward, ""},
    {nullptr, Ew::Silu, Keep, "SiluBackward0", 'x', [](G g, G x, P) { Tensor s = sigmoid(x); return g * (s * (x * (1 - s) + 1)); }, Ew::SiluBackward, ""},
    {nullptr, Ew::Mish, Keep, "MishBackward0", 'x', [](G g, G x, P) {
       Tensor t = tanh(unary(unary_row(Ew::Softplus), x, {{1, 20}})), s = sigmoid(x);
       return g * (t + x * s * (1 - t * t));
     }, Ew::MishBackward, ""},
    {nullptr, Ew::Softplus, Keep, "SoftplusBackward0", 'x', [](G g, G x, P p) {  // v: beta, threshold
       return where(gt(x * p.v[0], p.v[1]), g, g * sigmoid(x * p.v[0]));
     }, Ew::SoftplusBackward, ""},
    {nullptr, Ew::HardTanh, Keep, "HardtanhBackward0", 'x', [](G g, G x, P p) {
       return where(logical_and(gt(x, p.v[0]), lt(x, p.v[1])), g, 0.0);
     }, Ew::HardTanhBackward, ""},
    {nullptr, Ew::HardSigmoid, Keep, "HardsigmoidBackward0", 'x', [](G g, G x, P) {
       return where(logical_and(gt(x, -3), lt(x, 3)), g * (1.0 / 6), 0.0);
     }, Ew::HardSigmoidBackward, ""},
    {nullptr, Ew::HardSwish, Keep, "HardswishBackward0", 'x', [](G g, G x, P) {
       return where(le(x, -3), 0.0, where(lt(x, 3), g * (x * (1.0 / 3) + 0.5), g));
     }, Ew::HardSwishBackward, ""},
    {nullptr, Ew::Threshold, Keep, "ThresholdBackward0", 'x', [](G g, G x, P p) { return where(gt(x, p.v[0]), g, 0.0); }, Ew::ThresholdBackward, ""},
    {nullptr, Ew::SoftShrink, Keep, "SoftshrinkBackward0", 'x', [](G g, G x, P p) { return where(le(abs(x), p.v[0]), 0.0, g); }, Ew::HardShrinkBackward, ""},
    {nullptr, Ew::HardShrink, Keep, "HardshrinkBackward0", 'x', [](G g, G x, P p) { return where(le(abs(x), p.v[0]), 0.0, g); }, Ew::HardShrinkBackward, ""},
    {nullptr, Ew::Logit, ToFloat, "LogitBackward0", 'x', [](G g, G x, P p) {  // v: eps, or -1 for none
       if (p.v[0] < 0) return where(logical_and(ge(x, 0), le(x, 1)), g / (x * (1 - x)), std::nan(""));
       return where(logical_and(ge(x, p.v[0]), le(x, 1 - p.v[0])), g / (x * (1 - x)), 0.0);
     }, None, ""},
    {nullptr, Ew::Round, Keep, "RoundBackward0", 0, zero, None, ""},
    {nullptr, Ew::RoundDecimals, Keep, "RoundBackward1", 0, zero, None, ""},
    {nullptr, Ew::NanToNum, Keep, "NanToNumBackward0", 'x', [](G g, G x, P) {
       return where(logical_or(unary_op(Ew::IsNan, x), unary_op(Ew::IsInf, x)), 0.0, g);
     }, None, ""},
};

std::array<const UnaryRow*, size_t(Ew::Count)> make_index() {
  std::array<const UnaryRow*, size_t(Ew::Count)> index{};
  for (const UnaryRow& r : kRows) index[size_t(r.kernel)] = &r;
  return index;
}
const std::array<const UnaryRow*, size_t(Ew::Count)> kIndex = make_index();

void boxed_unary(const OpDef& op, Frame& f, Result& result) {
  result = unary(*static_cast<const UnaryRow*>(op.data), f.args[0].as_tensor(), {}, f.out);
}

std::string op_name(const UnaryRow& row) {
  if (row.signature) {
    std::string s = row.signature;
    return s.substr(0, s.find('('));
  }
  std::string s = row.grad_name;
  return s.substr(0, s.find("Backward"));
}

}  // namespace

const UnaryRow& unary_row(Ew kernel) { return *kIndex[size_t(kernel)]; }
Tensor unary_op(Ew kernel, const Tensor& x, const Out& out) { return unary(*kIndex[size_t(kernel)], x, {}, out); }

namespace {
auto unary_backward(const UnaryRow& row, const EwParams& p) {
  return [r = &row, p](Back& b) {
    const Tensor& g = b.grad();
    if (!g.defined()) return;
    b.set(0, [&] {
      if (b.masked) return g;
      Tensor saved = b.saved(0);
      if (r->fused != Ew::Count && !mode.grad && !is_complex(g.dtype()) && g.dtype() == saved.dtype())
        return fused_gradient(r->fused, b, saved, p);
      return r->gradient(g, saved, p);
    });
  };
}
}  // namespace

Tensor unary(const UnaryRow& row, const Tensor& x, const EwParams& p, const Out& out) {
  DType in = x.dtype(), compute = in, result = in;
  switch (row.rule) {
    case UnaryRow::Keep:
      if (in == DType::Bool && row.kernel == Ew::Square) compute = result = DType::Int64;
      CHECK(in != DType::Bool || row.kernel != Ew::Neg,
            "Negation, the `-` operator, on a bool tensor is not supported. To invert a mask use the `~` operator or "
            "`logical_not()`");
      break;
    case UnaryRow::ToFloat:
      compute = result = to_float(in);
      break;
    case UnaryRow::ToBool:
      result = DType::Bool;
      break;
    case UnaryRow::Integral:
      CHECK_KIND(NotImplemented, is_integral(in), '"', op_name(row), "\" not implemented for 'torch.", name_of(in),
                 "': it takes integers and bool");
      break;
    case UnaryRow::Magnitude:
      result = row.kernel == Ew::Angle ? to_real(to_float(in)) : to_real(in);
      if (row.kernel == Ew::Angle) compute = to_float(in);
      break;
  }
  CHECK_KIND(NotImplemented, kernels(x.device()).supports(row.kernel, compute_type(compute)), '"', op_name(row),
             "\" not implemented for 'torch.", name_of(in), "' tensors");
  bool records = row.grad_name && recording(x);
  if (out.where == Out::Into && row.rule != UnaryRow::ToFloat) {
    bool strict = (row.rule == UnaryRow::Keep && row.kernel != Ew::Square) ||
                  (row.kernel == Ew::Abs && !is_complex(in)) || row.rule == UnaryRow::Integral ||
                  row.kernel == Ew::IsPosInf || row.kernel == Ew::SignBit || row.kernel == Ew::IsNegInf;
    CHECK(!strict || out.tensor->dtype() == result, op_name(row), "(): Found dtype ", name_of(out.tensor->dtype()),
          " but expected ", name_of(result), " for out");
  }
  if (!out.given()) {
    Tensor y = elementwise(row.kernel, {x}, compute, result, {}, p);
    if (records)
      record(row.grad_name, {&x}, {&y},
             {{row.saves == 'y' ? "result" : "self", row.saves == 'x'   ? &x
                                                     : row.saves == 'y' ? &y
                                                                        : nullptr}},
             unary_backward(row, p))
          ->relu = row.kernel == Ew::Relu;
    return y;
  }
  if (out.inplace()) {
    CHECK(!(row.kernel == Ew::Abs && is_complex(in)),
          "In-place abs is not supported for complex tensors: its result is real.");
    CHECK(can_cast(result, in), "result type ", name_of(result), " can't be cast to the desired output type ",
          name_of(in));
    check_inplace(x, records);
    if (!records) {
      elementwise(row.kernel, {x}, compute, result, out, p);
      x.bump_version();
      return x;
    }
    if (row.saves == 'x' || x->base.defined())
      return recorded_inplace(x, [&](const Tensor& before) { return unary(row, before, p); });
    // The old value is not needed again: it is overwritten, and no copy made.
    elementwise(row.kernel, {x}, compute, result, out, p);
    Ref<Node> n = make_node(row.grad_name, unary_backward(row, p), 1, 1, 1);
    n->relu = row.kernel == Ew::Relu;
    connect(n, {&x}, {}, {});
    written_inplace(x, n);
    save_tensor(*n, 0, row.saves == 'y' ? "result" : "self", row.saves == 'y' ? x : Tensor(), true, 0);
    return x;
  }
  check_out(op_name(row), out, records);
  Tensor y = elementwise(row.kernel, {x}, compute, result, out, p);
  y.bump_version();
  return y;
}

namespace {
Tensor trigamma(const Tensor& x) { return unary_op(Ew::Trigamma, x); }
}  // namespace

void register_unary() {
  op<&trigamma>("_trigamma(Tensor input) -> Tensor", Private | Function, "the derivative of digamma");
  for (const UnaryRow& r : kRows)
    if (r.signature) Registry::get().add({r.signature, &boxed_unary, kAll | InplaceFunction, r.doc, true, &r});
}

}  // namespace lampas
