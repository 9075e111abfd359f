// Elementwise ops: one kernel per op and compute type, one driver for broadcasting, promotion, out= and in-place.
#pragma once

#include <initializer_list>

#include "autograd/autograd.h"
#include "ops/registry.h"

namespace lampas {

enum class Ew : uint8_t {
  // one input
  Neg,
  Abs,
  Sign,
  Exp,
  Exp2,
  Expm1,
  Log,
  Log2,
  Log10,
  Log1p,
  Sqrt,
  Rsqrt,
  Cbrt,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  Erf,
  Erfc,
  Erfinv,
  Lgamma,
  Digamma,
  Trigamma,
  Sinc,
  Floor,
  Ceil,
  Round,
  RoundDecimals,
  Trunc,
  Frac,
  Reciprocal,
  Square,
  Conj,
  Angle,
  Logit,
  LogicalNot,
  BitwiseNot,
  IsNan,
  IsInf,
  IsPosInf,
  IsNegInf,
  SignBit,
  NanToNum,
  PowScalar,
  ScalarPow,
  Sigmoid,
  LogSigmoid,
  Relu,
  Relu6,
  LeakyRelu,
  Elu,
  Selu,
  Celu,
  Gelu,
  GeluTanh,
  Silu,
  Mish,
  Softplus,
  Softsign,
  HardTanh,
  HardSigmoid,
  HardSwish,
  Threshold,
  TanhShrink,
  SoftShrink,
  HardShrink,
  // two inputs
  Add,
  Sub,
  Mul,
  Div,
  FloorDivide,
  TruncDivide,
  Remainder,
  Fmod,
  Pow,
  Maximum,
  Minimum,
  Fmax,
  Fmin,
  Atan2,
  Hypot,
  Copysign,
  Xlogy,
  LogAddExp,
  LogAddExp2,
  NextAfter,
  Heaviside,
  BitAnd,
  BitOr,
  BitXor,
  ShiftLeft,
  ShiftRight,
  Gcd,
  Lcm,
  Eq,
  Ne,
  Lt,
  Le,
  Gt,
  Ge,
  LogicalAnd,
  LogicalOr,
  LogicalXor,
  Polar,
  Complex,
  Prelu,
  // fused gradients: (gradient, saved value)
  SigmoidBackward,
  TanhBackward,
  ReluBackward,
  LeakyReluBackward,
  EluBackward,
  GeluBackward,
  GeluTanhBackward,
  SiluBackward,
  MishBackward,
  SoftplusBackward,
  HardTanhBackward,
  HardSigmoidBackward,
  HardSwishBackward,
  LogSigmoidBackward,
  ThresholdBackward,
  HardShrinkBackward,
  MseGrad,
  SmoothL1,
  SmoothL1Grad,
  Huber,
  HuberGrad,
  BceLogits,
  BceLogitsGrad,
  Bce,
  BceGrad,
  SquaredDifference,
  // three inputs
  Where,
  Lerp,
  AddCMul,
  AddCDiv,
  Clamp,
  Count
};

struct EwParams {
  double v[4] = {0, 0, 0, 0};
  int64_t i[2] = {0, 0};
  complex128 c[1] = {};
};

// Runs a kernel over broadcast operands: inputs are converted to `compute`, the kernel's results (of type `result`) to
// the output's type. Nothing is recorded.
Tensor elementwise(Ew op, std::initializer_list<Operand> inputs, DType compute, DType result, const Out& out = {},
                   const EwParams& params = {});
// The gradient by a kernel of the first output's gradient and a saved tensor of its dtype, written over the former
// where nobody else sees it.
Tensor fused_gradient(Ew kernel, const Back& b, const Tensor& saved, const EwParams& params = {});
// For boolean conditions: the first input keeps its own type (where).
Tensor elementwise_where(const Tensor& condition, const Operand& a, const Operand& b, DType type, const Out& out);

DType default_dtype();
void set_default_dtype(DType d);

// PyTorch's type promotion over tensors with dimensions, 0-d tensors and Python numbers, in falling priority.
DType result_type(std::initializer_list<Operand> operands);
DType result_type(const std::vector<Tensor>& tensors);
inline DType to_float(DType d) { return is_inexact(d) ? d : default_dtype(); }

// Gradient g of a broadcast op, brought to the operand's shape and dtype.
Tensor reduce_gradient(Tensor g, Ints sizes, DType dtype);

// A row per unary op: y = f(x).
struct UnaryRow {
  const char* signature;
  Ew kernel;
  enum Rule : uint8_t { Keep, ToFloat, ToBool, Integral, Magnitude } rule;
  const char* grad_name;  // null: not differentiable
  char saves;             // 'x' the input, 'y' the result, 0 nothing
  Tensor (*gradient)(const Tensor& g, const Tensor& saved, const EwParams& p);
  Ew fused;  // (g, saved) -> gradient in one pass, used when nobody differentiates further; Ew::Count: none
  const char* doc;
};
Tensor unary(const UnaryRow& row, const Tensor& x, const EwParams& p = {}, const Out& out = {});
const UnaryRow& unary_row(Ew kernel);

Tensor clone_data(const Tensor& t);  // not recorded
// RuntimeError for a tensor, about to be written, with several elements at one place (made by expand).
void check_no_overlap(const Tensor& y);
void copy_data(const Tensor& to, const Tensor& from);

// An in-place op that is recorded: f computes, and records, the new value from a copy of x with x's history; the value
// then replaces x's, and x takes over its history.
template <class F>
Tensor recorded_inplace(const Tensor& x, F&& f) {
  check_no_overlap(x);
  Tensor y = f(with_history_of(x, clone_data(x)));
  CHECK(same(x.sizes(), y.sizes()), "output with shape ", shown(x.sizes()), " doesn't match the broadcast shape ",
        shown(y.sizes()));
  copy_data(x, y);
  Ref<Node> fn = y.requires_grad() ? grad_fn(y) : Ref<Node>();
  written_inplace(x, fn, fn ? y->autograd->output_nr : 0);
  return x;
}

// out= takes no part in a graph: RuntimeError if an argument or the given tensor wants a gradient.
void check_out(std::string_view op, const Out& out, bool records);

// Handles `out` for an op that computes into a new tensor.
Tensor deliver(const Out& out, const Tensor& result);

}  // namespace lampas
