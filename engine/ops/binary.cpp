// Ops of two tensors or numbers, element by element with broadcasting: one row each.
#include <array>
#include <cmath>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using G = const Tensor&;

// An operand as the gradient sees it: a saved tensor, or the number it was.
struct Term {
  Tensor tensor;
  Scalar number;
  operator Operand() const { return tensor.defined() ? Operand(tensor) : Operand(number); }
};

struct BinaryRow {
  const char* signature;
  Ew kernel;
  enum Rule : uint8_t { Promote, ToFloat, Compare, Logical, Integral, FloatOnly } rule;
  const char* grad_name;
  const char* saves_for_a;  // of "aby": what the gradient of a uses
  const char* saves_for_b;
  Tensor (*grad_a)(G g, const Term& a, const Term& b, G y, const Scalar& alpha);
  Tensor (*grad_b)(G g, const Term& a, const Term& b, G y, const Scalar& alpha);
  const char* doc;
};

using T = const Term&;
using S = const Scalar&;

Operand conj_term(T t, Tensor& keep) {
  if (!t.tensor.defined())
    return t.number.kind() == Scalar::Complex ? Operand(Scalar(std::conj(t.number.to_complex()))) : Operand(t.number);
  keep = conj(t.tensor);
  return keep;
}
Tensor times_conj(G g, T t, const Out& out = {}) {
  Tensor keep;
  return mul(g, conj_term(t, keep), out);
}
// Where both sides are equal the gradient is shared.
Tensor masked_share(G g, T a, T b, Ew wins) {
  Tensor won = binary(wins, a, b), tied = eq(a, b);
  return where(won, g, where(tied, g * 0.5, 0.0));
}

Tensor pow_grad_base(G g, T a, T b, G, S) {
  if (!b.tensor.defined()) {
    if (b.number.equals(0)) return zeros_like(g);
    Scalar e = b.number;
    if (e.equals(1)) return g;
    // Twice the base: no power, and one pass less.
    if (e.equals(2)) return mul(g, mul(conj(a.tensor), 2));
    Scalar less = e.kind() == Scalar::Complex ? Scalar(e.to_complex() - 1.0)
                  : e.is_integral()           ? Scalar(e.to_int() - 1)
                                              : Scalar(e.to_double() - 1);
    return g * conj(mul(pow(a, less), e));
  }
  return where(eq(b, 0), 0.0, g * conj(mul(b, pow(a, sub(b, 1)))));
}
Tensor pow_grad_exponent(G g, T a, T b, G y, S) {
  Tensor log_base = a.tensor.defined() ? log(a.tensor) : Tensor();
  Tensor zero_base = a.tensor.defined()
                         ? logical_and(eq(a, 0), ge(is_complex(b.tensor.dtype()) ? real(b.tensor) : b.tensor, 0))
                         : Tensor();
  if (!a.tensor.defined()) {
    if (a.number.equals(0)) return where(ge(b, 0), 0.0, g * (y * std::log(0.0)));
    Scalar l = a.number.kind() == Scalar::Complex ? Scalar(std::log(a.number.to_complex()))
                                                  : Scalar(std::log(a.number.to_double()));
    return g * conj(mul(y, l));
  }
  return where(zero_base, 0.0, g * conj(y * log_base));
}

constexpr auto Promote = BinaryRow::Promote;
constexpr auto ToFloat = BinaryRow::ToFloat;
constexpr auto Compare = BinaryRow::Compare;
constexpr auto Logical = BinaryRow::Logical;
constexpr auto Integral = BinaryRow::Integral;

const BinaryRow kRows[] = {
    {nullptr, Ew::Add, Promote, "AddBackward0", "", "", [](G g, T, T, G, S) { return g; },
     [](G g, T, T, G, S alpha) { return alpha.equals(1) ? g : mul(g, alpha); }, ""},
    {nullptr, Ew::Sub, Promote, "SubBackward0", "", "", [](G g, T, T, G, S) { return g; },
     [](G g, T, T, G, S alpha) { return alpha.equals(1) ? -g : mul(g, -alpha); }, ""},
    {"mul(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::Mul, Promote, "MulBackward0", "b", "a",
     [](G g, T, T b, G, S) { return times_conj(g, b); }, [](G g, T a, T, G, S) { return times_conj(g, a); }, "a * b"},
    {nullptr, Ew::Div, ToFloat, "DivBackward0", "b", "ab",
     [](G g, T, T b, G, S) {
       Tensor keep;
       return div(g, conj_term(b, keep));
     },
     [](G g, T a, T b, G, S) {
       Tensor k1, k2;
       return -g * conj(div(div(a, b), b));
     },
     ""},
    {nullptr, Ew::FloorDivide, Promote, "DivBackward1", "", "", [](G g, T, T, G, S) { return zeros_like(g); },
     [](G g, T, T, G, S) { return zeros_like(g); }, ""},
    {nullptr, Ew::TruncDivide, Promote, "DivBackward1", "", "", [](G g, T, T, G, S) { return zeros_like(g); },
     [](G g, T, T, G, S) { return zeros_like(g); }, ""},
    {"remainder(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::Remainder, Promote, "RemainderBackward0", "",
     "ab", [](G g, T, T, G, S) { return g; }, [](G g, T a, T b, G, S) { return -g * floor_divide(a, b); },
     "a - b * floor(a / b): the sign of b, as Python's %"},
    {"fmod(Tensor input, Tensor|Number other) -> Tensor", Ew::Fmod, Promote, "FmodBackward0", "", "ab",
     [](G g, T, T, G, S) { return g; }, [](G g, T a, T b, G, S) { return -g * div(a, b, "trunc"); },
     "a - b * trunc(a / b): the sign of a, as C's fmod"},
    {"pow(Tensor|Number input, Tensor|Number exponent) -> Tensor", Ew::Pow, Promote, "PowBackward0", "ab", "aby",
     pow_grad_base, pow_grad_exponent, "a to the power b"},
    {"maximum(Tensor input, Tensor other) -> Tensor", Ew::Maximum, Promote, "MaximumBackward0", "ab", "ab",
     [](G g, T a, T b, G, S) { return masked_share(g, a, b, Ew::Gt); },
     [](G g, T a, T b, G, S) { return masked_share(g, b, a, Ew::Gt); }, "the larger one; NaN if either is"},
    {"minimum(Tensor input, Tensor other) -> Tensor", Ew::Minimum, Promote, "MinimumBackward0", "ab", "ab",
     [](G g, T a, T b, G, S) { return masked_share(g, a, b, Ew::Lt); },
     [](G g, T a, T b, G, S) { return masked_share(g, b, a, Ew::Lt); }, "the smaller one; NaN if either is"},
    {"fmax(Tensor input, Tensor other) -> Tensor", Ew::Fmax, Promote, "FmaxBackward0", "ab", "ab",
     [](G g, T a, T b, G, S) { return where(logical_or(ge(a, b), unary_op(Ew::IsNan, b.tensor)), g, 0.0); },
     [](G g, T a, T b, G, S) { return where(logical_or(ge(a, b), unary_op(Ew::IsNan, b.tensor)), 0.0, g); },
     "the larger one; a NaN counts as missing"},
    {"fmin(Tensor input, Tensor other) -> Tensor", Ew::Fmin, Promote, "FminBackward0", "ab", "ab",
     [](G g, T a, T b, G, S) { return where(logical_or(le(a, b), unary_op(Ew::IsNan, b.tensor)), g, 0.0); },
     [](G g, T a, T b, G, S) { return where(logical_or(le(a, b), unary_op(Ew::IsNan, b.tensor)), 0.0, g); },
     "the smaller one; a NaN counts as missing"},
    {"atan2(Tensor input, Tensor other) -> Tensor", Ew::Atan2, ToFloat, "Atan2Backward0", "ab", "ab",
     [](G g, T a, T b, G, S) { return g * (b.tensor / (a.tensor * a.tensor + b.tensor * b.tensor)); },
     [](G g, T a, T b, G, S) { return g * (-a.tensor / (a.tensor * a.tensor + b.tensor * b.tensor)); },
     "the angle of the point (b, a), in radians"},
    {"hypot(Tensor input, Tensor other) -> Tensor", Ew::Hypot, Promote, "HypotBackward0", "ay", "by",
     [](G g, T a, T, G y, S) { return g * (a.tensor / y); }, [](G g, T, T b, G y, S) { return g * (b.tensor / y); },
     "sqrt(a^2 + b^2)"},
    {"copysign(Tensor input, Tensor|Number other) -> Tensor", Ew::Copysign, ToFloat, "CopysignBackward0", "ay", "",
     [](G g, T a, T, G y, S) { return g * where(eq(a, 0), 0.0, y / a.tensor); },
     [](G g, T, T, G, S) { return zeros_like(g); }, "|a| with the sign of b"},
    {"xlogy(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::Xlogy, ToFloat, "XlogyBackward0", "ab", "ab",
     [](G g, T a, T b, G, S) {
       Tensor l = b.tensor.defined() ? log(b.tensor) : full({}, std::log(b.number.to_double()), g.dtype());
       return where(logical_and(eq(a, 0), le(b, 0)), 0.0, g * l);
     },
     [](G g, T a, T b, G, S) { return g * div(a, b); }, "a * log(b), and 0 where a is 0"},
    {"logaddexp(Tensor input, Tensor other) -> Tensor", Ew::LogAddExp, Promote, "LogaddexpBackward0", "ay", "by",
     [](G g, T a, T, G y, S) { return g * exp(a.tensor - y); },
     [](G g, T, T b, G y, S) { return g * exp(b.tensor - y); }, "log(e^a + e^b) without overflow"},
    {"logaddexp2(Tensor input, Tensor other) -> Tensor", Ew::LogAddExp2, Promote, "Logaddexp2Backward0", "ay", "by",
     [](G g, T a, T, G y, S) { return g * unary_op(Ew::Exp2, a.tensor - y); },
     [](G g, T, T b, G y, S) { return g * unary_op(Ew::Exp2, b.tensor - y); }, "log2(2^a + 2^b) without overflow"},
    {"nextafter(Tensor input, Tensor other) -> Tensor", Ew::NextAfter, Promote, nullptr, "", "", nullptr, nullptr,
     "the number next to a in the direction of b"},
    {"heaviside(Tensor input, Tensor values) -> Tensor", Ew::Heaviside, Promote, nullptr, "", "", nullptr, nullptr,
     "0 for a < 0, 1 for a > 0, b at 0"},
    {"bitwise_and(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::BitAnd, Integral, nullptr, "", "", nullptr,
     nullptr, "a & b"},
    {"bitwise_or(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::BitOr, Integral, nullptr, "", "", nullptr,
     nullptr, "a | b"},
    {"bitwise_xor(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::BitXor, Integral, nullptr, "", "", nullptr,
     nullptr, "a ^ b"},
    {"bitwise_left_shift(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::ShiftLeft, Integral, nullptr, "", "",
     nullptr, nullptr, "a << b"},
    {"bitwise_right_shift(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::ShiftRight, Integral, nullptr, "",
     "", nullptr, nullptr, "a >> b"},
    {"gcd(Tensor input, Tensor other) -> Tensor", Ew::Gcd, Integral, nullptr, "", "", nullptr, nullptr,
     "the greatest common divisor"},
    {"lcm(Tensor input, Tensor other) -> Tensor", Ew::Lcm, Integral, nullptr, "", "", nullptr, nullptr,
     "the least common multiple"},
    {"eq(Tensor input, Tensor|Number other) -> Tensor", Ew::Eq, Compare, nullptr, "", "", nullptr, nullptr, "a == b"},
    {"ne(Tensor input, Tensor|Number other) -> Tensor", Ew::Ne, Compare, nullptr, "", "", nullptr, nullptr, "a != b"},
    {"lt(Tensor input, Tensor|Number other) -> Tensor", Ew::Lt, Compare, nullptr, "", "", nullptr, nullptr, "a < b"},
    {"le(Tensor input, Tensor|Number other) -> Tensor", Ew::Le, Compare, nullptr, "", "", nullptr, nullptr, "a <= b"},
    {"gt(Tensor input, Tensor|Number other) -> Tensor", Ew::Gt, Compare, nullptr, "", "", nullptr, nullptr, "a > b"},
    {"ge(Tensor input, Tensor|Number other) -> Tensor", Ew::Ge, Compare, nullptr, "", "", nullptr, nullptr, "a >= b"},
    {"logical_and(Tensor input, Tensor other) -> Tensor", Ew::LogicalAnd, Logical, nullptr, "", "", nullptr, nullptr,
     "whether both are not 0"},
    {"logical_or(Tensor input, Tensor other) -> Tensor", Ew::LogicalOr, Logical, nullptr, "", "", nullptr, nullptr,
     "whether either is not 0"},
    {"logical_xor(Tensor input, Tensor other) -> Tensor", Ew::LogicalXor, Logical, nullptr, "", "", nullptr, nullptr,
     "whether exactly one is not 0"},
};

std::array<const BinaryRow*, size_t(Ew::Count)> make_index() {
  std::array<const BinaryRow*, size_t(Ew::Count)> index{};
  for (const BinaryRow& r : kRows) index[size_t(r.kernel)] = &r;
  return index;
}
const std::array<const BinaryRow*, size_t(Ew::Count)> kIndex = make_index();

std::string op_name(const BinaryRow& row) {
  if (row.signature) {
    std::string s = row.signature;
    return s.substr(0, s.find('('));
  }
  switch (row.kernel) {
    case Ew::Add:
      return "add";
    case Ew::Sub:
      return "sub";
    case Ew::Div:
      return "div";
    default:
      return "floor_divide";
  }
}

bool wants(const Operand& o) { return o.is_tensor() && o.tensor().requires_grad(); }

struct Backward {
  const BinaryRow* row;
  Scalar a_number, b_number, alpha;
  IntVec a_sizes, b_sizes;
  DType a_type, b_type;

  void operator()(Back& back) const {
    const Tensor& g = back.grad();
    if (!g.defined()) return;
    Term a{back.saved(0), a_number}, b{back.saved(1), b_number};
    Tensor y = back.saved(2);
    if (row->kernel == Ew::Mul && back.may_overwrite(0)) return product(back, g, a, b);
    back.set(0, [&] { return reduce_gradient(row->grad_a(g, a, b, y, alpha), a_sizes, a_type); });
    back.set(1, [&] { return reduce_gradient(row->grad_b(g, a, b, y, alpha), b_sizes, b_type); });
  }

  // The last gradient is written over g, which nobody else sees.
  void product(Back& back, G g, T a, T b) const {
    const auto times = [&](T t, bool last) {
      const bool alike = t.tensor.defined() ? t.tensor.dtype() == g.dtype() : t.number.kind() != Scalar::Complex;
      return times_conj(g, t, last && alike ? Out{Out::Into, &g} : Out{});
    };
    back.set(0, [&] { return reduce_gradient(times(b, !back.needs(1)), a_sizes, a_type); });
    back.set(1, [&] { return reduce_gradient(times(a, true), b_sizes, b_type); });
  }
};

// PyTorch numbers the nodes of an op's forms: which operands are tensors.
const char* node_name(const BinaryRow& row, const Operand& a, const Operand& b) {
  bool ta = a.is_tensor(), tb = b.is_tensor();
  switch (row.kernel) {
    case Ew::Remainder:
      return tb ? "RemainderBackward1" : "RemainderBackward0";
    case Ew::Fmod:
      return tb ? "FmodBackward1" : "FmodBackward0";
    case Ew::Pow:
      return !ta ? "PowBackward2" : tb ? "PowBackward1" : "PowBackward0";
    case Ew::Copysign:
      return tb ? "CopysignBackward0" : "CopysignBackward1";
    case Ew::Xlogy:
      return !ta ? "XlogyBackward1" : tb ? "XlogyBackward0" : "XlogyBackward2";
    case Ew::FloorDivide:
    case Ew::TruncDivide:
      return "DivBackward2";
    case Ew::Sub:
      return ta ? row.grad_name : "RsubBackward1";
    case Ew::Div:
      return ta ? row.grad_name : "MulBackward0";
    default:
      return row.grad_name;
  }
}

void record_binary(const BinaryRow& row, const Operand& a, const Operand& b, const Scalar& alpha, const Tensor& y,
                   const char* name) {
  static const Tensor none;
  bool wants_a = wants(a), wants_b = wants(b);
  auto used = [&](char what) {
    return (wants_a && std::strchr(row.saves_for_a, what)) || (wants_b && std::strchr(row.saves_for_b, what));
  };
  const Tensor& ta = a.is_tensor() ? a.tensor() : none;
  const Tensor& tb = b.is_tensor() ? b.tensor() : none;
  Backward fn{&row, a.scalar(), b.scalar(), alpha, {}, {}, DType::Float32, DType::Float32};
  if (wants_a) fn.a_sizes = ta->sizes, fn.a_type = ta.dtype();
  if (wants_b) fn.b_sizes = tb->sizes, fn.b_type = tb.dtype();
  record(
      name ? name : node_name(row, a, b), {&ta, &tb}, {&y},
      {{"self", used('a') ? &ta : nullptr}, {"other", used('b') ? &tb : nullptr}, {"result", used('y') ? &y : nullptr}},
      std::move(fn));
}

Tensor run(const BinaryRow& row, const Operand& a, const Operand& b, const Out& out, const Scalar& alpha = 1,
           const char* name = nullptr) {
  if (!a.is_tensor() && !b.is_tensor()) [[unlikely]] {
    Tensor number = full({}, a.scalar(), result_type({a}));
    number->wrapped_number = true;
    return run(row, number, b, out, alpha);
  }
  DType compute = result_type({a, b}), result = compute;
  switch (row.rule) {
    case BinaryRow::Promote:
      break;
    case BinaryRow::ToFloat:
      compute = result = to_float(compute);
      break;
    case BinaryRow::Compare:
    case BinaryRow::Logical:
      result = DType::Bool;
      break;
    case BinaryRow::Integral:
      if (a.is_tensor() && b.is_tensor()) broadcast(a.tensor().sizes(), b.tensor().sizes());
      CHECK_KIND(NotImplemented, is_integral(compute), '"', op_name(row), "\" not implemented for 'torch.",
                 name_of(compute), "': it works on integers and bool");
      break;
    case BinaryRow::FloatOnly:
      break;
  }
  const Tensor& any = a.is_tensor() ? a.tensor() : b.tensor();
  if (is_complex(compute) && row.kernel >= Ew::Maximum && row.kernel <= Ew::Fmin)
    fail(op_name(row), " not implemented for complex tensors.");
  CHECK(row.kernel != Ew::Heaviside || !is_complex(compute), "heaviside is not yet implemented for complex tensors.");
  CHECK(row.kernel != Ew::Pow || b.is_tensor() || !is_integral(compute) || b.scalar().to_int() >= 0,
        "Integers to negative integer powers are not allowed.");
  if (row.kernel == Ew::Heaviside)
    CHECK(a.tensor().dtype() == b.tensor().dtype() && (!out.given() || out.tensor->dtype() == a.tensor().dtype()),
          "heaviside is not yet implemented for tensors with different dtypes: got torch.", name_of(a.tensor().dtype()),
          " and torch.", name_of(b.tensor().dtype()));
  CHECK_KIND(NotImplemented, kernels(any.device()).supports(row.kernel, compute_type(compute)), '"', op_name(row),
             "\" not implemented for 'torch.", name_of(compute), "'");
  EwParams p;
  if (row.kernel == Ew::Add || row.kernel == Ew::Sub) {
    p.v[0] = alpha.to_double();
    p.i[0] = alpha.to_int();
    p.c[0] = alpha.to_complex();
  }
  bool records = row.grad_name && mode.grad && (wants(a) || wants(b));
  if (!out.given()) {
    Tensor y = elementwise(row.kernel, {a, b}, compute, result, {}, p);
    if (!a.is_tensor() || !b.is_tensor()) {
      if (any->wrapped_number && any.ndim() == 0) y->wrapped_number = true;
    } else if (a.tensor()->wrapped_number && b.tensor()->wrapped_number) {
      y->wrapped_number = true;
    }
    if (records) record_binary(row, a, b, alpha, y, name);
    return y;
  }
  if (out.inplace()) {
    const Tensor& x = *out.tensor;
    CHECK(can_cast(result, x.dtype()), "result type ", name_of(result), " can't be cast to the desired output type ",
          name_of(x.dtype()));
    check_inplace(x, records);
    if (records)
      return recorded_inplace(x, [&](const Tensor& before) {
        // Both operands may be x itself.
        return run(row, before, b.is_tensor() && b.tensor().is(x) ? Operand(before) : b, {}, alpha);
      });
  } else {
    check_out(op_name(row), out, records);
  }
  Tensor y = elementwise(row.kernel, {a, b}, compute, result, out, p);
  y.bump_version();
  return y;
}

void boxed_binary(const OpDef& op, Frame& f, Result& result) {
  Operand a = detail::Arg<Operand>::get(f.args[0]), b = detail::Arg<Operand>::get(f.args[1]);
  CHECK_KIND(Type, a.is_tensor() || b.is_tensor(), "at least one argument must be a Tensor");
  result = run(*static_cast<const BinaryRow*>(op.data), a, b, f.out);
}

void check_no_bool(const Operand& a, const Operand& b) {
  auto boolean = [](const Operand& o) {
    return o.is_tensor() ? o.tensor().dtype() == DType::Bool : o.scalar().kind() == Scalar::Bool;
  };
  CHECK(!boolean(a) && !boolean(b),
        "Subtraction, the `-` operator, with a bool tensor is not supported. To invert a mask use the `~` operator or "
        "`logical_not()`, between masks `^` or `logical_xor()`");
}

void check_alpha(const char* name, const Operand& a, const Operand& b, const Scalar& alpha) {
  DType t = result_type({a, b});
  CHECK(alpha.kind() != Scalar::Bool || t == DType::Bool || alpha.equals(1),
        "Boolean alpha only supported for Boolean results.");
  CHECK(is_inexact(t) || alpha.is_integral(), name,
        "(): For integral input tensors, argument alpha must not be a floating point number.");
  CHECK(is_complex(t) || alpha.kind() != Scalar::Complex, name,
        "(): For non-complex input tensors, argument alpha must not be a complex number.");
}

}  // namespace

Tensor binary(Ew kernel, const Operand& a, const Operand& b, const Out& out) {
  return run(*kIndex[size_t(kernel)], a, b, out);
}

Tensor add(const Operand& a, const Operand& b, const Scalar& alpha, const Out& out) {
  if (!(alpha.kind() == Scalar::Int && alpha.equals(1))) check_alpha("add", a, b, alpha);
  return run(*kIndex[size_t(Ew::Add)], a, b, out, alpha);
}
Tensor sub(const Operand& a, const Operand& b, const Scalar& alpha, const Out& out) {
  check_no_bool(a, b);
  if (!(alpha.kind() == Scalar::Int && alpha.equals(1))) check_alpha("sub", a, b, alpha);
  return run(*kIndex[size_t(Ew::Sub)], a, b, out, alpha);
}
Tensor mul(const Operand& a, const Operand& b, const Out& out) { return run(*kIndex[size_t(Ew::Mul)], a, b, out); }
Tensor pow(const Operand& a, const Operand& b, const Out& out) { return run(*kIndex[size_t(Ew::Pow)], a, b, out); }
Tensor remainder(const Operand& a, const Operand& b, const Out& out) {
  return run(*kIndex[size_t(Ew::Remainder)], a, b, out);
}
Tensor fmod(const Operand& a, const Operand& b, const Out& out) { return run(*kIndex[size_t(Ew::Fmod)], a, b, out); }
Tensor floor_divide(const Operand& a, const Operand& b, const Out& out) {
  return run(*kIndex[size_t(Ew::FloorDivide)], a, b, out);
}

Tensor div(const Operand& a, const Operand& b, std::optional<std::string_view> rounding, const Out& out) {
  if (!rounding) return run(*kIndex[size_t(Ew::Div)], a, b, out);
  bool floors = *rounding == "floor";
  CHECK(floors || *rounding == "trunc", "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '",
        *rounding, "'");
  return run(*kIndex[size_t(floors ? Ew::FloorDivide : Ew::TruncDivide)], a, b, out);
}

namespace {
Tensor rsub(const Operand& a, const Operand& b, const Scalar& alpha) {
  check_no_bool(a, b);
  if (!b.is_tensor() || is_complex(result_type({a, b}))) return sub(b, a, alpha);
  check_alpha("rsub", a, b, alpha);
  return run(*kIndex[size_t(Ew::Sub)], b, a, {}, alpha, "RsubBackward0");
}
}  // namespace

void register_binary() {
  uint32_t all = kAll | InplaceFunction;
  for (const BinaryRow& r : kRows)
    if (r.signature) Registry::get().add({r.signature, &boxed_binary, all, r.doc, true, &r});
  const char* add_doc = "input + alpha * other";
  op<&add>("add(Tensor|Number input, Tensor|Number other, *, Number alpha=1) -> Tensor", all, add_doc);
  op<&sub>("sub(Tensor|Number input, Tensor|Number other, *, Number alpha=1) -> Tensor", all, "input - alpha * other");
  op<&sub>("subtract(Tensor|Number input, Tensor|Number other, *, Number alpha=1) -> Tensor", all,
           "input - alpha * other");
  op<&rsub>("rsub(Tensor input, Tensor|Number other, *, Number alpha=1) -> Tensor", Function, "other - alpha * input");
  for (const char* s : {"div(Tensor|Number input, Tensor|Number other, *, str? rounding_mode=None) -> Tensor",
                        "divide(Tensor|Number input, Tensor|Number other, *, str? rounding_mode=None) -> Tensor"})
    op<&div>(s, all, "input / other; rounding_mode 'floor' or 'trunc' rounds the quotient");
  struct Alias {
    const char* signature;
    Ew kernel;
  };
  static const Alias kAliases[] = {
      {"multiply(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::Mul},
      {"true_divide(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::Div},
      {"floor_divide(Tensor|Number input, Tensor|Number other) -> Tensor", Ew::FloorDivide},
      {"arctan2(Tensor input, Tensor other) -> Tensor", Ew::Atan2},
      {"not_equal(Tensor input, Tensor|Number other) -> Tensor", Ew::Ne},
      {"less(Tensor input, Tensor|Number other) -> Tensor", Ew::Lt},
      {"less_equal(Tensor input, Tensor|Number other) -> Tensor", Ew::Le},
      {"greater(Tensor input, Tensor|Number other) -> Tensor", Ew::Gt},
      {"greater_equal(Tensor input, Tensor|Number other) -> Tensor", Ew::Ge},
  };
  for (const Alias& a : kAliases)
    Registry::get().add({a.signature, &boxed_binary, all, "", true, kIndex[size_t(a.kernel)]});
}

}  // namespace lampas
