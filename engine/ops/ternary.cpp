// Ops of three tensors or numbers, element by element: where, masked_fill, lerp, addcmul, addcdiv, clamp.
#include <array>
#include <cmath>

#include "ops/shape.h"

namespace lampas {

namespace {

using G = const Tensor&;

// An operand as the gradient sees it: a saved tensor, or the number it was.
struct Term {
  Tensor tensor;
  Scalar number;
  operator Operand() const { return tensor.defined() ? Operand(tensor) : Operand(number); }
  Tensor conjugate() const { return conj(tensor); }
};
using Terms = const Term*;

struct Row {
  const char* name;
  const char* grad_name;
  Ew kernel;
  const char* saves[3];  // for the gradient of each operand: which of "abc" it uses
  Tensor (*gradient[3])(G g, Terms t, const Scalar& value);
};

Tensor zero_at(G g, Terms t, const Scalar&) { return where(t[1].tensor, 0.0, g); }
Tensor only_at(G g, Terms t, const Scalar&) { return where(t[1].tensor, g, 0.0); }
Tensor pass(G g, Terms, const Scalar&) { return g; }
Tensor one_minus(const Term& weight) { return sub(Operand(1), weight.conjugate()); }
Tensor lerp_start(G g, Terms t, const Scalar&) {
  return t[2].tensor.defined()
             ? g * one_minus(t[2])
             : mul(g, t[2].number.kind() == Scalar::Complex ? Scalar(1.0 - std::conj(t[2].number.to_complex()))
                                                            : Scalar(1 - t[2].number.to_double()));
}
Tensor lerp_end(G g, Terms t, const Scalar&) {
  if (t[2].tensor.defined()) return g * t[2].conjugate();
  return mul(g, t[2].number.kind() == Scalar::Complex ? Scalar(std::conj(t[2].number.to_complex())) : t[2].number);
}
Scalar conjugate(const Scalar& s) { return s.kind() == Scalar::Complex ? Scalar(std::conj(s.to_complex())) : s; }

// Between min and max the input's gradient passes; where they are in the wrong order max wins.
Tensor clamp_input(G g, Terms t, const Scalar&) { return where(logical_and(ge(t[0], t[1]), le(t[0], t[2])), g, 0.0); }
Tensor clamp_low(G g, Terms t, const Scalar&) { return where(logical_and(lt(t[1], t[2]), lt(t[0], t[1])), g, 0.0); }
Tensor clamp_high(G g, Terms t, const Scalar&) { return where(logical_or(gt(t[0], t[2]), lt(t[2], t[1])), g, 0.0); }
Tensor clamp_input_min(G g, Terms t, const Scalar&) { return where(ge(t[0], t[1]), g, 0.0); }
Tensor clamp_input_max(G g, Terms t, const Scalar&) { return where(le(t[0], t[1]), g, 0.0); }

const Row kWhere{"where",
                 "WhereBackward0",
                 Ew::Where,
                 {"", "a", "a"},
                 {nullptr, [](G g, Terms t, const Scalar&) { return where(t[0].tensor, g, 0.0); },
                  [](G g, Terms t, const Scalar&) { return where(t[0].tensor, 0.0, g); }}};
const Row kMaskedFillNumber{
    "masked_fill", "MaskedFillBackward0", Ew::Count, {"b", "", "b"}, {zero_at, nullptr, only_at}};
const Row kMaskedFillTensor{
    "masked_fill", "MaskedFillBackward1", Ew::Count, {"b", "", "b"}, {zero_at, nullptr, only_at}};
#define LERP_GRADIENTS                                                                                    \
  {"c", "c", "ab"}, {                                                                                     \
    lerp_start, lerp_end, [](G g, Terms t, const Scalar&) { return g * conj(t[1].tensor - t[0].tensor); } \
  }
const Row kLerpNumber{"lerp", "LerpBackward0", Ew::Lerp, LERP_GRADIENTS};
const Row kLerpTensor{"lerp", "LerpBackward1", Ew::Lerp, LERP_GRADIENTS};
#undef LERP_GRADIENTS
const Row kAddCMul{"addcmul",
                   "AddcmulBackward0",
                   Ew::AddCMul,
                   {"", "c", "b"},
                   {pass, [](G g, Terms t, const Scalar& v) { return mul(g * t[2].conjugate(), conjugate(v)); },
                    [](G g, Terms t, const Scalar& v) { return mul(g * t[1].conjugate(), conjugate(v)); }}};
const Row kAddCDiv{"addcdiv",
                   "AddcdivBackward0",
                   Ew::AddCDiv,
                   {"", "c", "bc"},
                   {pass, [](G g, Terms t, const Scalar& v) { return mul(g / t[2].conjugate(), conjugate(v)); },
                    [](G g, Terms t, const Scalar& v) {
                      return mul(-g * conj(t[1].tensor / (t[2].tensor * t[2].tensor)), conjugate(v));
                    }}};
#define CLAMP_GRADIENTS \
  {"abc", "abc", "abc"}, { clamp_input, clamp_low, clamp_high }
const Row kClampNumber{"clamp", "ClampBackward1", Ew::Clamp, CLAMP_GRADIENTS};
const Row kClampTensor{"clamp", "ClampBackward0", Ew::Clamp, CLAMP_GRADIENTS};
#undef CLAMP_GRADIENTS
// With one bound: the input, the bound, and nothing.
#define ONE_SIDED(input, wins)                                                                  \
  {"ab", "ab", ""}, {                                                                           \
    input, [](G g, Terms t, const Scalar&) { return where(wins(t[0], t[1]), g, 0.0); }, nullptr \
  }
const Row kClampMinNumber{"clamp_min", "ClampMinBackward0", Ew::Maximum, ONE_SIDED(clamp_input_min, lt)};
const Row kClampMinTensor{"clamp_min", "ClampMinBackward1", Ew::Maximum, ONE_SIDED(clamp_input_min, lt)};
const Row kClampMaxNumber{"clamp_max", "ClampMaxBackward0", Ew::Minimum, ONE_SIDED(clamp_input_max, gt)};
const Row kClampMaxTensor{"clamp_max", "ClampMaxBackward1", Ew::Minimum, ONE_SIDED(clamp_input_max, gt)};
// clamp with one bound keeps the name of clamp's node.
const Row kClampOnlyMinNumber{"clamp", "ClampBackward1", Ew::Maximum, ONE_SIDED(clamp_input_min, lt)};
const Row kClampOnlyMinTensor{"clamp", "ClampBackward0", Ew::Maximum, ONE_SIDED(clamp_input_min, lt)};
const Row kClampOnlyMaxNumber{"clamp", "ClampBackward1", Ew::Minimum, ONE_SIDED(clamp_input_max, gt)};
const Row kClampOnlyMaxTensor{"clamp", "ClampBackward0", Ew::Minimum, ONE_SIDED(clamp_input_max, gt)};
#undef ONE_SIDED

struct Call {
  const Row& row;
  Operand in[3];
  DType type;        // the kernel computes in it, and the result has it
  Scalar value = 1;  // addcmul, addcdiv

  bool wants(int i) const { return row.gradient[i] && in[i].is_tensor() && in[i].tensor().requires_grad(); }
  // Ops of a kind that do not convert to the type of out=.
  bool exact_out() const {
    switch (row.kernel) {
      case Ew::Where:
        return true;
      case Ew::Lerp:
        return in[2].is_tensor() && in[2].tensor().ndim() > 0;
      case Ew::Clamp:
      case Ew::Maximum:
      case Ew::Minimum:
        return !in[1].is_tensor() && !in[2].is_tensor();
      default:
        return false;
    }
  }
  bool records() const { return mode.grad && (wants(0) || wants(1) || wants(2)); }

  Tensor compute(const Out& out) const {
    switch (row.kernel) {
      case Ew::Where:
        return elementwise_where(in[0].tensor(), in[1], in[2], type, out);
      case Ew::Count:
        return elementwise_where(in[1].tensor(), in[2], in[0], type, out);
      case Ew::Maximum:
      case Ew::Minimum:
        return elementwise(row.kernel, {in[0], in[1]}, type, type, out);
      default:
        break;
    }
    EwParams p;
    p.v[0] = value.to_double();
    p.i[0] = value.to_int();
    p.c[0] = value.to_complex();
    return elementwise(row.kernel, {in[0], in[1], in[2]}, type, type, out, p);
  }

  void record_in(const Tensor& y) const {
    static const Tensor none;
    const Tensor* t[3];
    const Tensor* saved[3] = {};
    IntVec sizes[3];
    DType types[3] = {};
    for (int i = 0; i < 3; i++) t[i] = in[i].is_tensor() ? &in[i].tensor() : &none;
    for (int i = 0; i < 3; i++)
      if (wants(i)) {
        sizes[i] = (*t[i])->sizes;
        types[i] = t[i]->dtype();
        for (const char* c = row.saves[i]; *c; c++) saved[*c - 'a'] = t[*c - 'a'];
      }
    const Tensor& a = wants(0) ? *t[0] : none;
    const Tensor& b = wants(1) ? *t[1] : none;
    const Tensor& c = wants(2) ? *t[2] : none;
    record(row.grad_name, {&a, &b, &c}, {&y}, {{"self", saved[0]}, {"other", saved[1]}, {"third", saved[2]}},
           [r = &row, numbers = std::array<Scalar, 3>{in[0].scalar(), in[1].scalar(), in[2].scalar()}, v = value,
            shapes = std::array<IntVec, 3>{sizes[0], sizes[1], sizes[2]},
            kinds = std::array<DType, 3>{types[0], types[1], types[2]}](Back& back) {
             const Tensor& g = back.grad();
             if (!g.defined()) return;
             Term terms[3];
             for (int i = 0; i < 3; i++) terms[i] = {back.saved(i), numbers[i]};
             for (int i = 0; i < 3; i++)
               back.set(i, [&] { return reduce_gradient(r->gradient[i](g, terms, v), shapes[i], kinds[i]); });
           });
  }

  // `self`: the operand an in-place call replaces.
  Tensor run(const Out& out, int self = 0) const {
    if (!out.given()) {
      Tensor y = compute(out);
      if (records()) record_in(y);
      return y;
    }
    if (out.inplace()) {
      const Tensor& x = *out.tensor;
      CHECK(can_cast(type, x.dtype()), "result type ", name_of(type), " can't be cast to the desired output type ",
            name_of(x.dtype()));
      check_inplace(x, records());
      if (records())
        return recorded_inplace(x, [&](const Tensor& before) {
          Call again = *this;
          for (int i = 0; i < 3; i++)
            if (i == self || (in[i].is_tensor() && in[i].tensor().is(x))) again.in[i] = Operand(before);
          return again.run({});
        });
    } else {
      check_out(row.name, out, records());
      if (exact_out()) check_out_type(row.name, out, type);
    }
    // The result is rounded to its own type before it is converted to that of out=.
    Tensor y = is_reduced_float(type) && out.tensor->dtype() != type ? deliver(out, compute({})) : compute(out);
    y.bump_version();
    return y;
  }
};

const Operand kNone{Scalar(0)};

void check_condition(const Tensor& c) {
  CHECK(c.dtype() == DType::Bool || c.dtype() == DType::UInt8,
        "where expected condition to be a boolean tensor, but got a tensor with dtype ", name_of(c.dtype()),
        ": compare it, as in `condition != 0`");
}

Tensor where_method(const Tensor& input, const Tensor& condition, const Operand& other) {
  return where(condition, input, other);
}

Tensor fill_where(const Tensor& x, const Tensor& mask, const Operand& value, const Out& out) {
  CHECK(mask.dtype() == DType::Bool, "masked_fill only supports boolean masks, but got mask with dtype ",
        name_of(mask.dtype()), ": compare it, as in `mask != 0`");
  if (value.is_tensor()) {
    const Tensor& v = value.tensor();
    CHECK(v.ndim() == 0, "masked_fill only supports a 0-dimensional value tensor, but got tensor with ", v.ndim(),
          " dimension(s).");
    CHECK(is_complex(x.dtype()) || !is_complex(v.dtype()), "value cannot be converted to type ", name_of(x.dtype()),
          " without overflow");
    return Call{kMaskedFillTensor, {x, mask, value}, x.dtype()}.run(out);
  }
  check_fits(value.scalar(), x.dtype());
  return Call{kMaskedFillNumber, {x, mask, value}, x.dtype()}.run(out);
}

Tensor lerp(const Tensor& start, const Tensor& end, const Operand& weight, const Out& out) {
  DType d = start.dtype();
  CHECK(end.dtype() == d, "expected dtype ", name_of(d), " for `end` but got dtype ", name_of(end.dtype()));
  CHECK_KIND(NotImplemented, is_inexact(d), "\"lerp\" not implemented for 'torch.", name_of(d),
             "': it works on floating-point and complex tensors");
  if (weight.is_tensor()) {
    CHECK(weight.tensor().dtype() == d || weight.tensor().ndim() == 0, "expected dtype ", name_of(d),
          " for `weight` but got dtype ", name_of(weight.tensor().dtype()));
    return Call{kLerpTensor, {start, end, weight}, d}.run(out);
  }
  CHECK(is_complex(d) || weight.scalar().kind() != Scalar::Complex, "value cannot be converted to type ", name_of(d),
        " without overflow");
  return Call{kLerpNumber, {start, end, weight}, d}.run(out);
}

Tensor addcmul(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value, const Out& out) {
  DType d = result_type({x, a, b});
  CHECK_KIND(NotImplemented, d != DType::Bool, "\"addcmul\" not implemented for 'torch.bool'");
  return Call{kAddCMul, {x, a, b}, d, value}.run(out);
}
Tensor addcdiv(const Tensor& x, const Tensor& a, const Tensor& b, const Scalar& value, const Out& out) {
  CHECK(!(is_integral(a.dtype()) && is_integral(b.dtype())),
        "Integer division with addcdiv is not supported: it would be a true division of ", name_of(a.dtype()), " by ",
        name_of(b.dtype()), ". Convert tensor1 or tensor2 to a floating-point type first");
  return Call{kAddCDiv, {x, a, b}, result_type({x, a, b}), value}.run(out);
}

DType clamp_type(std::initializer_list<Operand> operands) {
  DType d = result_type(operands);
  CHECK_KIND(NotImplemented, !is_complex(d), "clamp is not supported for complex types");
  return d;
}

Tensor clamp_one(const Row& number, const Row& tensor, const Tensor& x, const Operand& bound, const Out& out) {
  return Call{bound.is_tensor() ? tensor : number, {x, bound, kNone}, clamp_type({x, bound})}.run(out);
}
Tensor clamp_min(const Tensor& x, const Operand& low, const Out& out) {
  return clamp_one(kClampMinNumber, kClampMinTensor, x, low, out);
}
Tensor clamp_max(const Tensor& x, const Operand& high, const Out& out) {
  return clamp_one(kClampMaxNumber, kClampMaxTensor, x, high, out);
}
Tensor clamp(const Tensor& x, std::optional<Operand> low, std::optional<Operand> high, const Out& out) {
  CHECK(low || high, "torch.clamp: At least one of 'min' or 'max' must not be None");
  if (!high) return clamp_one(kClampOnlyMinNumber, kClampOnlyMinTensor, x, *low, out);
  if (!low) return clamp_one(kClampOnlyMaxNumber, kClampOnlyMaxTensor, x, *high, out);
  DType d = clamp_type({x, *low, *high});
  if (d == DType::Bool) return minimum(maximum(x, *low), *high);
  return Call{low->is_tensor() || high->is_tensor() ? kClampTensor : kClampNumber, {x, *low, *high}, d}.run(out);
}

}  // namespace

Tensor where(const Tensor& condition, const Operand& a, const Operand& b, const Out& out) {
  check_condition(condition);
  return Call{kWhere, {condition, a, b}, result_type({a, b})}.run(out);
}
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value) { return fill_where(x, mask, value, {}); }

void register_ternary() {
  uint32_t all = kAll | InplaceFunction;
  op<&where>("where(Tensor condition, Tensor|Number input, Tensor|Number other) -> Tensor", Function | OutForm,
             "input where the condition holds, other elsewhere");
  op<&where_method>("where(Tensor input, Tensor condition, Tensor|Number other) -> Tensor", Method);
  op<&fill_where>("masked_fill(Tensor input, Tensor mask, Tensor|Number value) -> Tensor", kUsual | Inplace,
                  "value where the mask is True, input elsewhere");
  op<&lerp>("lerp(Tensor input, Tensor end, Tensor|Number weight) -> Tensor", kAll, "input + weight * (end - input)");
  op<&addcmul>("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor", kAll,
               "input + value * tensor1 * tensor2");
  op<&addcdiv>("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1) -> Tensor", kAll,
               "input + value * tensor1 / tensor2");
  for (const char* s : {"clamp(Tensor input, Tensor|Number? min=None, Tensor|Number? max=None) -> Tensor",
                        "clip(Tensor input, Tensor|Number? min=None, Tensor|Number? max=None) -> Tensor"})
    op<&clamp>(s, all, "values below min become min, values above max become max");
  op<&clamp_min>("clamp_min(Tensor input, Tensor|Number min) -> Tensor", all, "values below min become min");
  op<&clamp_max>("clamp_max(Tensor input, Tensor|Number max) -> Tensor", all, "values above max become max");
}

}  // namespace lampas
