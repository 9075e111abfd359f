// Elementwise kernels of one input.
#include "cpu/fast_math.h"
#include "cpu/loops.h"

namespace lampas::cpu {

namespace {

template <class T>
T round_even(T x) {
  return std::nearbyint(x);
}

}  // namespace

void register_unary_kernels() {
  unary_kernel(Ew::Neg, Floats{}, [](auto x) { return -x; });
  // Of 16 bits only the sign is changed.
  unary_kernel(Ew::Neg, Types<BFloat16>{}, [](BFloat16 x) {
    x.bits ^= 0x8000;
    return x;
  });
  unary_kernel(Ew::Neg, Integers{}, [](auto x) { return decltype(x)(-x); });
  unary_kernel(Ew::Neg, Complexes{}, [](auto x) { return -x; });
  unary_kernel(Ew::Abs, Floats{}, [](auto x) { return std::fabs(x); });
  unary_kernel(Ew::Abs, Types<BFloat16>{}, [](BFloat16 x) {
    x.bits &= 0x7fff;
    return x;
  });
  unary_kernel(Ew::Abs, Integers{}, [](auto x) { return decltype(x)(x < 0 ? -x : x); });
  unary_kernel(Ew::Abs, Bools{}, [](bool x) { return x; });
  unary_kernel_to<float>(Ew::Abs, Types<complex64>{}, [](auto x) { return std::abs(x); });
  unary_kernel_to<double>(Ew::Abs, Types<complex128>{}, [](auto x) { return std::abs(x); });
  unary_kernel(Ew::Sign, Floats{}, [](auto x) {
    return x > 0 ? decltype(x)(1) : x < 0 ? decltype(x)(-1) : x == 0 ? decltype(x)(0) : decltype(x)(0);
  });
  unary_kernel(Ew::Sign, Integers{}, [](auto x) { return decltype(x)((x > 0) - (x < 0)); });
  unary_kernel(Ew::Sign, Bools{}, [](bool x) { return x; });
  unary_kernel(Ew::Square, FloatsAndComplexes{}, [](auto x) { return x * x; });
  unary_kernel(Ew::Square, Integers{}, [](auto x) { return decltype(x)(x * x); });
  unary_kernel(Ew::Square, Bools{}, [](bool x) { return x; });
  unary_kernel(Ew::Reciprocal, FloatsAndComplexes{}, [](auto x) { return decltype(x)(1) / x; });
  unary_kernel(Ew::Sqrt, Floats{}, [](auto x) { return std::sqrt(x); });
  unary_kernel(Ew::Rsqrt, Floats{}, [](auto x) { return 1 / std::sqrt(x); });

  vector_kernel(Ew::Exp, [](auto x) { return simd::fast_exp(x); });
  vector_kernel(Ew::Exp2, [](auto x) { return simd::exp2(x); });
  vector_kernel(Ew::Expm1, [](auto x) { return simd::fast_expm1(x); });
  vector_kernel(Ew::Log, [](auto x) { return simd::log(x); });
  vector_kernel(Ew::Log2, [](auto x) { return simd::log2(x); });
  vector_kernel(Ew::Log10, [](auto x) { return simd::log10(x); });
  vector_kernel(Ew::Log1p, [](auto x) { return simd::log1p(x); });
  vector_kernel(Ew::Sin, [](auto x) { return simd::sin(x); });
  vector_kernel(Ew::Cos, [](auto x) { return simd::cos(x); });
  vector_kernel(Ew::Tan, [](auto x) { return simd::tan(x); });
  vector_kernel(Ew::Asin, [](auto x) { return simd::asin(x); });
  vector_kernel(Ew::Acos, [](auto x) { return simd::acos(x); });
  vector_kernel(Ew::Atan, [](auto x) { return simd::atan(x); });
  vector_kernel(Ew::Sinh, [](auto x) { return simd::sinh(x); });
  vector_kernel(Ew::Cosh, [](auto x) { return simd::cosh(x); });
  vector_kernel(Ew::Tanh, [](auto x) { return simd::fast_tanh(x); });
  vector_kernel(Ew::Asinh, [](auto x) { return simd::asinh(x); });
  vector_kernel(Ew::Acosh, [](auto x) { return simd::acosh(x); });
  vector_kernel(Ew::Atanh, [](auto x) { return simd::atanh(x); });
  vector_kernel(Ew::Erf, [](auto x) { return simd::erf(x); });
  vector_kernel(Ew::Erfc, [](auto x) { return simd::erfc(x); });
  vector_kernel(Ew::Cbrt, [](auto x) { return simd::cbrt(x); });

  unary_kernel(Ew::Exp, Complexes{}, [](auto x) { return std::exp(x); });
  unary_kernel(Ew::Exp2, Complexes{}, [](auto x) { return std::exp(x * decltype(x)(M_LN2)); });
  unary_kernel(Ew::Expm1, Complexes{}, [](auto x) { return std::exp(x) - decltype(x)(1); });
  unary_kernel(Ew::Log, Complexes{}, [](auto x) { return std::log(x); });
  unary_kernel(Ew::Log2, Complexes{}, [](auto x) { return std::log(x) / decltype(x)(M_LN2); });
  unary_kernel(Ew::Log10, Complexes{}, [](auto x) { return std::log10(x); });
  unary_kernel(Ew::Log1p, Complexes{}, [](auto x) { return std::log(x + decltype(x)(1)); });
  unary_kernel(Ew::Sqrt, Complexes{}, [](auto x) { return std::sqrt(x); });
  unary_kernel(Ew::Rsqrt, Complexes{}, [](auto x) { return decltype(x)(1) / std::sqrt(x); });
  unary_kernel(Ew::Sin, Complexes{}, [](auto x) { return std::sin(x); });
  unary_kernel(Ew::Cos, Complexes{}, [](auto x) { return std::cos(x); });
  unary_kernel(Ew::Tan, Complexes{}, [](auto x) { return std::tan(x); });
  unary_kernel(Ew::Asin, Complexes{}, [](auto x) { return std::asin(x); });
  unary_kernel(Ew::Acos, Complexes{}, [](auto x) { return std::acos(x); });
  unary_kernel(Ew::Atan, Complexes{}, [](auto x) { return std::atan(x); });
  unary_kernel(Ew::Sinh, Complexes{}, [](auto x) { return std::sinh(x); });
  unary_kernel(Ew::Cosh, Complexes{}, [](auto x) { return std::cosh(x); });
  unary_kernel(Ew::Tanh, Complexes{}, [](auto x) { return std::tanh(x); });
  unary_kernel(Ew::Asinh, Complexes{}, [](auto x) { return std::asinh(x); });
  unary_kernel(Ew::Acosh, Complexes{}, [](auto x) { return std::acosh(x); });
  unary_kernel(Ew::Atanh, Complexes{}, [](auto x) { return std::atanh(x); });
  unary_kernel(Ew::Sigmoid, Complexes{}, [](auto x) {
    using C = decltype(x);
    return C(1) / (C(1) + std::exp(-x));
  });
  unary_kernel(Ew::Conj, Complexes{}, [](auto x) { return std::conj(x); });
  unary_kernel(Ew::Conj, Floats{}, [](auto x) { return x; });
  unary_kernel(Ew::Conj, Integers{}, [](auto x) { return x; });
  unary_kernel_to<float>(Ew::Angle, Types<complex64>{}, [](auto x) { return std::arg(x); });
  unary_kernel_to<double>(Ew::Angle, Types<complex128>{}, [](auto x) { return std::arg(x); });
  unary_kernel(Ew::Angle, Floats{}, [](auto x) { return x != x ? x : x < 0 ? decltype(x)(M_PI) : decltype(x)(0); });

  unary_kernel(Ew::Floor, Floats{}, [](auto x) { return std::floor(x); });
  unary_kernel(Ew::Ceil, Floats{}, [](auto x) { return std::ceil(x); });
  unary_kernel(Ew::Trunc, Floats{}, [](auto x) { return std::trunc(x); });
  unary_kernel(Ew::Round, Floats{}, [](auto x) { return round_even(x); });
  unary_kernel(Ew::RoundDecimals, Floats{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    T ten = T(std::pow(10.0, std::fabs(double(p.i[0]))));
    return p.i[0] >= 0 ? round_even(x * ten) / ten : round_even(x / ten) * ten;
  });
  for (Ew op : {Ew::Floor, Ew::Ceil, Ew::Trunc, Ew::Round}) unary_kernel(op, Integers{}, [](auto x) { return x; });
  unary_kernel(Ew::Frac, Floats{}, [](auto x) { return x - std::trunc(x); });
  vector_kernel(Ew::Sinc, [](auto x) {
    using V = decltype(x);
    const V px = x * simd::ElementOf<V>(M_PI);
    return simd::select(x == 0, simd::splat<V>(1), simd::sin(px) / px);
  });
  vector_kernel(Ew::Logit, [](auto x, const EwParams& p) {
    using V = decltype(x);
    if (p.v[0] >= 0) {
      const V low = simd::splat<V>(simd::ElementOf<V>(p.v[0])), high = simd::splat<V>(simd::ElementOf<V>(1 - p.v[0]));
      x = simd::select(x < low, low, simd::select(x > high, high, x));
    }
    return simd::log(x / (1 - x));
  });
  unary_kernel(Ew::NanToNum, Floats{}, [](auto x, const EwParams& p) {  // v: nan, +inf, -inf
    using T = decltype(x);
    return x != x ? T(p.v[0]) : x == T(INFINITY) ? T(p.v[1]) : x == T(-INFINITY) ? T(p.v[2]) : x;
  });
  unary_kernel(Ew::NanToNum, Integers{}, [](auto x) { return x; });
  unary_kernel(Ew::NanToNum, Bools{}, [](auto x) { return x; });

  unary_kernel_to<bool>(Ew::LogicalNot, Floats{}, [](auto x) { return x == 0; });
  unary_kernel_to<bool>(Ew::LogicalNot, Integers{}, [](auto x) { return x == 0; });
  unary_kernel_to<bool>(Ew::LogicalNot, Complexes{}, [](auto x) { return x == decltype(x)(0); });
  unary_kernel(Ew::BitwiseNot, Integers{}, [](auto x) { return decltype(x)(~x); });
  // On bytes, which GCC makes vectors of.
  for (Ew op : {Ew::LogicalNot, Ew::BitwiseNot}) {
    auto flip = [](uint8_t x) { return uint8_t(x ^ 1); };
    kernel(op, DType::Bool) = &detail::map1<uint8_t, uint8_t, decltype(flip)>;
  }
  unary_kernel_to<bool>(Ew::IsNan, Floats{}, [](auto x) { return x != x; });
  unary_kernel_to<bool>(Ew::IsNan, Complexes{}, [](auto x) { return x != x; });
  unary_kernel_to<bool>(Ew::IsInf, Floats{}, [](auto x) { return std::isinf(x); });
  unary_kernel_to<bool>(Ew::IsInf, Complexes{}, [](auto x) { return std::isinf(x.real()) || std::isinf(x.imag()); });
  unary_kernel_to<bool>(Ew::IsPosInf, Floats{}, [](auto x) { return x == decltype(x)(INFINITY); });
  unary_kernel_to<bool>(Ew::IsNegInf, Floats{}, [](auto x) { return x == decltype(x)(-INFINITY); });
  unary_kernel_to<bool>(Ew::SignBit, Floats{}, [](auto x) { return std::signbit(x); });
  unary_kernel_to<bool>(Ew::SignBit, Integers{}, [](auto x) { return x < 0; });
  for (Ew op : {Ew::IsNan, Ew::IsInf, Ew::IsPosInf, Ew::IsNegInf}) {
    unary_kernel_to<bool>(op, Integers{}, [](auto) { return false; });
    unary_kernel_to<bool>(op, Bools{}, [](bool) { return false; });
  }
  unary_kernel_to<bool>(Ew::SignBit, Bools{}, [](bool) { return false; });
}

}  // namespace lampas::cpu
