// Elementwise ops with parameters or more than one name, and small composites of others.
#include <cfloat>
#include <cmath>

#include "ops/shape.h"

namespace lampas {

namespace {

void boxed_alias(const OpDef& op, Frame& f, Result& result) {
  result = unary(*static_cast<const UnaryRow*>(op.data), f.args[0].as_tensor(), {}, f.out);
}

Tensor round_op(const Tensor& x, int64_t decimals, const Out& out) {
  EwParams p;
  p.i[0] = decimals;
  if (!out.inplace()) check_out_type("round", out, x.dtype());
  return unary(unary_row(decimals == 0 ? Ew::Round : Ew::RoundDecimals), x, p, out);
}

Tensor logit(const Tensor& x, std::optional<double> eps, const Out& out) {
  EwParams p;
  p.v[0] = eps.value_or(-1);
  auto compute = [&](const Tensor& t) { return unary(unary_row(Ew::Logit), t, p); };
  // The result is rounded to its own type before it is converted to that of out=.
  if (out.given() && is_reduced_float(x.dtype())) return in_form("logit", x, out, recording(x), compute);
  return unary(unary_row(Ew::Logit), x, p, out);
}

double largest(DType d) {
  switch (to_real(d)) {
    case DType::Float16:
      return 65504;
    case DType::BFloat16:
      return 0x1.fep127;
    case DType::Float32:
      return FLT_MAX;
    default:
      return DBL_MAX;
  }
}
Tensor nan_to_num(const Tensor& x, std::optional<double> nan, std::optional<double> posinf,
                  std::optional<double> neginf, const Out& out) {
  if (!out.inplace()) check_out_type("nan_to_num", out, x.dtype());
  if (is_complex(x.dtype()))
    return in_form("nan_to_num", x, out, recording(x), [&](const Tensor& t) {
      return view_as_complex(nan_to_num(view_as_real(t), nan, posinf, neginf, {}));
    });
  EwParams p;
  p.v[0] = nan.value_or(0);
  p.v[1] = posinf.value_or(largest(x.dtype()));
  p.v[2] = neginf.value_or(-largest(x.dtype()));
  return unary(unary_row(Ew::NanToNum), x, p, out);
}

Tensor positive(const Tensor& x) {
  CHECK(x.dtype() != DType::Bool, "The `+` operator, on a bool tensor is not supported.");
  return x;
}
Tensor conj_op(const Tensor& x) { return conj(x); }
Tensor itself(const Tensor& x) { return x; }
bool never(const Tensor&) { return false; }

// z / |z| for complex z, the sign otherwise.
Tensor sgn(const Tensor& x, const Out& out) {
  if (!out.inplace()) check_out_type("sgn", out, x.dtype());
  return in_form("sgn", x, out, recording(x), [](const Tensor& t) {
    Tensor y;
    {
      NoGrad guard;
      if (is_complex(t.dtype())) {
        Tensor m = abs(t);
        y = where(eq(m, 0), 0.0, t / m);
      } else {
        y = elementwise(Ew::Sign, {t}, t.dtype(), t.dtype());
      }
    }
    if (recording(t))
      record("SgnBackward0", {&t}, {&y}, {{"self", &t}, {"result", &y}}, [](Back& b) {
        const Tensor& g = b.grad();
        if (!g.defined()) return;
        b.set(0, [&] {
          Tensor z = b.saved(0), s = b.saved(1);
          if (!is_complex(z.dtype())) return zeros_like(g);
          Tensor m = abs(z);
          return where(eq(m, 0), 0.0, (g - s * real(conj(s) * g)) / m);
        });
      });
    return y;
  });
}

template <int Which>
Tensor scaled_angle(const Tensor& x, const Out& out) {
  const char* name = Which == 0 ? "deg2rad" : "rad2deg";
  constexpr double factor = Which == 0 ? M_PI / 180 : 180 / M_PI;
  CHECK(!is_complex(x.dtype()), name, " is not supported for complex tensors.");
  return in_form(name, x, out, recording(x), [](const Tensor& t) {
    Tensor y;
    {
      NoGrad guard;
      y = mul(t, factor);
    }
    if (recording(t))
      record(Which == 0 ? "Deg2RadBackward0" : "Rad2DegBackward0", {&t}, {&y}, {},
             gradient_by([](const Tensor& g) { return g * factor; }));
    return y;
  });
}

Tensor always(const Tensor& x) {
  Tensor y = empty_preserving(x, DType::Bool);
  fill_data(y, true);
  return y;
}
Tensor isfinite(const Tensor& x) {
  NoGrad guard;
  if (is_integral(x.dtype())) return always(x);
  if (is_complex(x.dtype())) return logical_and(isfinite(real(x)), isfinite(imag(x)));
  return lt(abs(x), INFINITY);
}
Tensor isreal(const Tensor& x) {
  NoGrad guard;
  return is_complex(x.dtype()) ? eq(imag(x), 0) : always(x);
}

Tensor isclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  CHECK(a.dtype() == b.dtype(), "isclose: torch.", name_of(a.dtype()), " did not match torch.", name_of(b.dtype()),
        ": convert one of the two with .to(dtype)");
  CHECK(rtol >= 0, "rtol must be greater than or equal to zero, but got ", rtol);
  CHECK(atol >= 0, "atol must be greater than or equal to zero, but got ", atol);
  NoGrad guard;
  Tensor close = eq(a, b);
  auto is_nan = [](const Tensor& t) {
    return is_complex(t.dtype()) ? unary_op(Ew::IsNan, real(t)) : unary_op(Ew::IsNan, t);
  };
  if (equal_nan && is_inexact(a.dtype())) close = logical_or(close, logical_and(is_nan(a), is_nan(b)));
  if (rtol == 0 && atol == 0) return close;
  Tensor x = is_integral(a.dtype()) ? to(a, default_dtype()) : a,
         y = is_integral(b.dtype()) ? to(b, default_dtype()) : b;
  Tensor actual = abs(x - y), allowed = abs(y) * rtol + atol;
  return logical_or(close, logical_and(isfinite(actual), le(actual, allowed)));
}
bool allclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  Tensor far = logical_not(isclose(a, b, rtol, atol, equal_nan));
  return far.numel() == 0 || item(sum(far)).to_int() == 0;
}

// Always in double precision.
Tensor float_power(const Operand& a, const Operand& b, const Out& out) {
  auto complex = [](const Operand& o) {
    return o.is_tensor() ? is_complex(o.tensor().dtype()) : o.scalar().kind() == Scalar::Complex;
  };
  CHECK_KIND(Type, a.is_tensor() || b.is_tensor(), "float_power: at least one argument must be a Tensor");
  DType type = complex(a) || complex(b) ? DType::Complex128 : DType::Float64;
  if (out.given())
    CHECK(out.tensor->dtype() == type,
          out.inplace() ? "the base given to float_power_" : "the output given to float_power", " has dtype ",
          name_of(out.tensor->dtype()), " but the operation's result requires dtype ", name_of(type));
  Tensor base = a.is_tensor() && a.tensor().dtype() != type ? to(a.tensor(), type) : Tensor();
  Tensor exponent = b.is_tensor() && b.tensor().dtype() != type ? to(b.tensor(), type) : Tensor();
  auto number = [&](const Operand& o) {
    return type == DType::Complex128 ? Operand(Scalar(o.scalar().to_complex())) : Operand(o.scalar().to_double());
  };
  Operand x = base.defined() ? Operand(base) : a.is_tensor() ? a : number(a);
  Operand e = exponent.defined() ? Operand(exponent) : b.is_tensor() ? b : number(b);
  return pow(x, e, out);
}

}  // namespace

void register_aliases() {
  struct Alias {
    const char* signature;
    Ew kernel;
    uint32_t forms;
  };
  constexpr uint32_t all = kAll | InplaceFunction, special = Special | OutForm;
  static const Alias kAliases[] = {
      {"absolute(Tensor input) -> Tensor", Ew::Abs, kAll},
      {"negative(Tensor input) -> Tensor", Ew::Neg, all},
      {"arccos(Tensor input) -> Tensor", Ew::Acos, all},
      {"arccosh(Tensor input) -> Tensor", Ew::Acosh, all},
      {"arcsin(Tensor input) -> Tensor", Ew::Asin, all},
      {"arcsinh(Tensor input) -> Tensor", Ew::Asinh, all},
      {"arctan(Tensor input) -> Tensor", Ew::Atan, all},
      {"arctanh(Tensor input) -> Tensor", Ew::Atanh, all},
      {"fix(Tensor input) -> Tensor", Ew::Trunc, all},
      {"expit(Tensor input) -> Tensor", Ew::Sigmoid, special},
      {"gammaln(Tensor input) -> Tensor", Ew::Lgamma, special},
      {"psi(Tensor input) -> Tensor", Ew::Digamma, special},
      {"exp2(Tensor input) -> Tensor", Ew::Exp2, special},
      {"expm1(Tensor input) -> Tensor", Ew::Expm1, special},
      {"log1p(Tensor input) -> Tensor", Ew::Log1p, special},
      {"erf(Tensor input) -> Tensor", Ew::Erf, special},
      {"erfc(Tensor input) -> Tensor", Ew::Erfc, special},
      {"erfinv(Tensor input) -> Tensor", Ew::Erfinv, special},
      {"digamma(Tensor input) -> Tensor", Ew::Digamma, special},
      {"sinc(Tensor input) -> Tensor", Ew::Sinc, special},
  };
  for (const Alias& a : kAliases) {
    const UnaryRow& row = unary_row(a.kernel);
    Registry::get().add({a.signature, &boxed_alias, a.forms, row.doc, true, &row});
  }
  op<&round_op>("round(Tensor input, *, int decimals=0) -> Tensor", all | Special,
                "the nearest integer, halves to even; or so many decimals");
  op<&logit>("logit(Tensor input, float? eps=None) -> Tensor", all | Special,
             "log(x / (1 - x)), with x held inside [eps, 1 - eps]");
  op<&nan_to_num>("nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", all,
                  "NaN and infinities replaced: by 0 and the largest numbers by default");
  op<&positive>("positive(Tensor input) -> Tensor", kUsual, "input itself");
  op<&conj_op>("conj(Tensor input) -> Tensor", kUsual, "the complex conjugate; a real tensor itself");
  op<&itself>("resolve_conj(Tensor input) -> Tensor", kUsual, "input itself: conjugates are computed at once");
  op<&itself>("resolve_neg(Tensor input) -> Tensor", kUsual, "input itself");
  op<&never>("is_conj(Tensor input) -> bool", kUsual, "False: conjugates are computed at once");
  op<&never>("is_neg(Tensor input) -> bool", kUsual, "False");
  op<&sgn>("sgn(Tensor input) -> Tensor", kAll, "the sign; z / |z| of a complex z");
  op<&scaled_angle<0>>("deg2rad(Tensor input) -> Tensor", all, "degrees to radians");
  op<&scaled_angle<1>>("rad2deg(Tensor input) -> Tensor", all, "radians to degrees");
  op<&isfinite>("isfinite(Tensor input) -> Tensor", kUsual, "whether x is neither infinite nor NaN");
  op<&isreal>("isreal(Tensor input) -> Tensor", kUsual, "whether the imaginary part is 0");
  op<&isclose>(
      "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor", kUsual,
      "|input - other| <= atol + rtol * |other|");
  op<&allclose>(
      "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> bool", kUsual,
      "whether isclose holds for every element");
  op<&float_power>("float_power(Tensor|Number input, Tensor|Number exponent) -> Tensor", kAll,
                   "pow in double precision");
}

}  // namespace lampas
