// Activation functions and their gradients, on whole vectors.
#include "cpu/fast_math.h"
#include "cpu/gelu.h"
#include "cpu/loops.h"

namespace lampas::cpu {

namespace {

using simd::select;
template <class V>
using E = simd::ElementOf<V>;

// For Mish, in terms of e = e^x: tanh(log(1 + e)) = n / (n + 2) where n = e (e + 2). It is 1 long before 20.
template <class V>
struct MishTerms {
  V e, n;
  explicit MishTerms(V x) : e(simd::fast_exp(simd::min(x, simd::splat<V>(20)))), n(e * (e + 2)) {}
  V tanh_softplus() const { return n / (n + 2); }
};

template <class V>
V gelu_tanh(V x) {
  constexpr E<V> b = E<V>(M_SQRT2 * M_2_SQRTPI * 0.5), k = E<V>(0.044715);
  return E<V>(0.5) * x * (1 + simd::fast_tanh(b * (x + k * x * x * x)));
}

}  // namespace

void register_activation_kernels() {
  vector_kernel(Ew::Sigmoid, [](auto x) { return simd::fast_sigmoid(x); });
  vector_kernel(Ew::LogSigmoid,
                [](auto x) { return simd::min(x, decltype(x){}) - simd::log1p(simd::fast_exp(-simd::abs(x))); });
  unary_kernel(Ew::Relu, Floats{}, [](auto x) { return x > 0 || x != x ? x : decltype(x)(0); });
  // Of 16 bits only their order counts: from -0 down to -infinity it is that of the bits.
  unary_kernel(Ew::Relu, Types<BFloat16>{}, [](BFloat16 x) {
    if (uint16_t(x.bits - 0x8000) <= 0x7f80) x.bits = 0;
    return x;
  });
  unary_kernel(Ew::Relu, Integers{}, [](auto x) { return x > 0 ? x : decltype(x)(0); });
  unary_kernel(Ew::Relu6, Floats{}, [](auto x) {
    using T = decltype(x);
    return x < 0 ? T(0) : x > 6 ? T(6) : x;
  });
  unary_kernel(Ew::LeakyRelu, Floats{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    return x > 0 ? x : x * T(p.v[0]);
  });
  vector_kernel(Ew::Elu, [](auto x, const EwParams& p) {
    using V = decltype(x);
    return select(x > 0, x * E<V>(p.v[1]), simd::fast_expm1(x * E<V>(p.v[2])) * E<V>(p.v[0] * p.v[1]));
  });
  vector_kernel(Ew::Gelu, simd::Gelu{});
  vector_kernel(Ew::GeluTanh, [](auto x) { return gelu_tanh(x); });
  vector_kernel(Ew::Silu, [](auto x) { return x / (1 + simd::fast_exp(-x)); });
  vector_kernel(Ew::Mish, [](auto x) { return x * MishTerms(x).tanh_softplus(); });
  vector_kernel(Ew::Softplus, [](auto x, const EwParams& p) {
    using V = decltype(x);
    V bx = x * E<V>(p.v[0]);
    return select(bx > E<V>(p.v[1]), x, simd::log1p(simd::fast_exp(bx)) / E<V>(p.v[0]));
  });
  unary_kernel(Ew::HardTanh, Floats{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    return x < T(p.v[0]) ? T(p.v[0]) : x > T(p.v[1]) ? T(p.v[1]) : x;
  });
  unary_kernel(Ew::HardTanh, Integers{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    return x < T(p.v[0]) ? T(p.v[0]) : x > T(p.v[1]) ? T(p.v[1]) : x;
  });
  unary_kernel(Ew::HardSigmoid, Floats{}, [](auto x) {
    using T = decltype(x);
    T y = x + 3;
    y = y < 0 ? T(0) : y > 6 ? T(6) : y;
    return y / 6;
  });
  unary_kernel(Ew::HardSwish, Floats{}, [](auto x) {
    using T = decltype(x);
    T y = x + 3;
    y = y < 0 ? T(0) : y > 6 ? T(6) : y;
    return x * y / 6;
  });
  unary_kernel(Ew::Threshold, Floats{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    return x <= T(p.v[0]) ? T(p.v[1]) : x;
  });
  unary_kernel(Ew::Threshold, Integers{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    return x <= T(p.v[0]) ? T(p.v[1]) : x;
  });
  unary_kernel(Ew::SoftShrink, Floats{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    T l = T(p.v[0]);
    return x > l ? x - l : x < -l ? x + l : x * 0;
  });
  unary_kernel(Ew::HardShrink, Floats{}, [](auto x, const EwParams& p) {
    using T = decltype(x);
    T l = T(p.v[0]);
    return x >= -l && x <= l ? T(0) : x;
  });

  binary_kernel(Ew::Prelu, Floats{}, [](auto x, auto w) { return x > 0 ? x : x * w; });

  binary_kernel(Ew::SigmoidBackward, Floats{}, [](auto g, auto y) { return g * (1 - y) * y; });
  binary_kernel(Ew::TanhBackward, Floats{}, [](auto g, auto y) { return g * (1 - y * y); });
  binary_kernel(Ew::ReluBackward, Floats{}, [](auto g, auto y) { return y > 0 ? g : decltype(g)(0); });
  binary_kernel(Ew::ThresholdBackward, Floats{}, [](auto g, auto x, const EwParams& p) {
    using T = decltype(g);
    return x > T(p.v[0]) ? g : T(0);
  });
  binary_kernel(Ew::LeakyReluBackward, Floats{}, [](auto g, auto x, const EwParams& p) {
    using T = decltype(g);
    return x > 0 ? g : g * T(p.v[0]);
  });
  binary_kernel(Ew::HardTanhBackward, Floats{}, [](auto g, auto x, const EwParams& p) {
    using T = decltype(g);
    return x > T(p.v[0]) && x < T(p.v[1]) ? g : T(0);
  });
  binary_kernel(Ew::HardSigmoidBackward, Floats{}, [](auto g, auto x) {
    using T = decltype(g);
    return x > -3 && x < 3 ? g / 6 : T(0);
  });
  binary_kernel(Ew::HardSwishBackward, Floats{}, [](auto g, auto x) {
    using T = decltype(g);
    return x <= -3 ? T(0) : x < 3 ? g * (x / 3 + T(0.5)) : g;
  });
  binary_kernel(Ew::HardShrinkBackward, Floats{}, [](auto g, auto x, const EwParams& p) {
    using T = decltype(g);
    T l = T(p.v[0]);
    return x >= -l && x <= l ? T(0) : g;
  });
  vector_kernel2(Ew::LogSigmoidBackward, [](auto g, auto x) { return g / (1 + simd::fast_exp(x)); });
  vector_kernel2(Ew::EluBackward, [](auto g, auto x, const EwParams& p) {
    using V = decltype(x);
    return select(x > 0, g * E<V>(p.v[1]), g * simd::fast_exp(x * E<V>(p.v[2])) * E<V>(p.v[0] * p.v[1] * p.v[2]));
  });
  vector_kernel2(Ew::GeluBackward, simd::GeluGradient{});
  vector_kernel2(Ew::GeluTanhBackward, [](auto g, auto x) {
    using V = decltype(x);
    constexpr E<V> b = E<V>(M_SQRT2 * M_2_SQRTPI * 0.5), k = E<V>(0.044715);
    V t = simd::fast_tanh(b * (x + k * x * x * x));
    return g * (E<V>(0.5) * (1 + t) + E<V>(0.5) * x * (1 - t * t) * b * (1 + 3 * k * x * x));
  });
  vector_kernel2(Ew::SiluBackward, [](auto g, auto x) {
    auto s = simd::fast_sigmoid(x);
    return g * s * (1 + x * (1 - s));
  });
  vector_kernel2(Ew::MishBackward, [](auto g, auto x) {
    const MishTerms m(x);
    const auto d = m.n + 2;
    return g * (m.tanh_softplus() + x * (4 * m.e * (1 + m.e)) / (d * d));  // 4 (n + 1) / d^2 times e / (1 + e)
  });
  vector_kernel2(Ew::SoftplusBackward, [](auto g, auto x, const EwParams& p) {
    using V = decltype(x);
    V bx = x * E<V>(p.v[0]);
    return select(bx > E<V>(p.v[1]), g, g * simd::fast_sigmoid(bx));
  });

  // Losses element by element: (input, target).
  binary_kernel(Ew::SquaredDifference, FloatsAndComplexes{}, [](auto a, auto b) { return (a - b) * (a - b); });
  binary_kernel(Ew::SmoothL1, Floats{}, [](auto a, auto b, const EwParams& p) {
    using T = decltype(a);
    T z = std::fabs(a - b), beta = T(p.v[0]);
    return z < beta ? T(0.5) * z * z / beta : z - T(0.5) * beta;
  });
  binary_kernel(Ew::Huber, Floats{}, [](auto a, auto b, const EwParams& p) {
    using T = decltype(a);
    T z = std::fabs(a - b), d = T(p.v[0]);
    return z <= d ? T(0.5) * z * z : d * (z - T(0.5) * d);
  });
  vector_kernel2(Ew::BceLogits, [](auto x, auto t) {
    return (1 - t) * x + simd::log1p(simd::fast_exp(-simd::abs(x))) + simd::max(-x, decltype(x){});
  });
  vector_kernel2(Ew::BceLogitsGrad, [](auto x, auto t, const EwParams& p) {
    return (simd::fast_sigmoid(x) - t) * E<decltype(x)>(p.v[3]);
  });
  vector_kernel2(Ew::Bce, [](auto x, auto t) {
    using V = decltype(x);
    V low = simd::splat<V>(E<V>(-100));
    return -(t * simd::max(simd::log(x), low) + (1 - t) * simd::max(simd::log1p(-x), low));
  });
  // Their derivatives by the input, times v[3].
  binary_kernel(Ew::BceGrad, Floats{}, [](auto x, auto t, const EwParams& p) {
    using T = decltype(x);
    T d = (1 - x) * x;
    return (x - t) / (d > T(1e-12) ? d : T(1e-12)) * T(p.v[3]);
  });
  binary_kernel(Ew::MseGrad, Floats{}, [](auto a, auto b, const EwParams& p) {
    using T = decltype(a);
    return (a - b) * T(2 * p.v[3]);
  });
  binary_kernel(Ew::SmoothL1Grad, Floats{}, [](auto a, auto b, const EwParams& p) {
    using T = decltype(a);
    T d = a - b, beta = T(p.v[0]), s = T(p.v[3]);
    return d <= -beta ? -s : d >= beta ? s : d / beta * s;
  });
  binary_kernel(Ew::HuberGrad, Floats{}, [](auto a, auto b, const EwParams& p) {
    using T = decltype(a);
    T d = a - b, limit = T(p.v[0]), s = T(p.v[3]);
    return (d < -limit ? -limit : d > limit ? limit : d) * s;
  });
}

}  // namespace lampas::cpu
