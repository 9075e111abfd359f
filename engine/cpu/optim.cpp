#include "cpu/optim.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "core/error.h"
#include "core/threads.h"

namespace lampas::cpu {
namespace {

// A rule is a struct with `states`, the number of state arrays, a constructor Rule(options, step) that computes what is
// the same for all elements, and an operator() that moves one element: (parameter, gradient, state...).

// Elements of 16-bit floats converted at a time, to stay in the first-level cache.
constexpr int64_t kBlock = 512;

template <class T, class Rule>
void apply(const Rule& rule, T* p, const T* g, T* const* state, int64_t n) {
  static_assert(Rule::states <= 3);
  [[maybe_unused]] T *a = state[0], *b = state[1], *c = state[2];
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (Rule::states == 0) rule(p[i], g[i]);
    if constexpr (Rule::states == 1) rule(p[i], g[i], a[i]);
    if constexpr (Rule::states == 2) rule(p[i], g[i], a[i], b[i]);
    if constexpr (Rule::states == 3) rule(p[i], g[i], a[i], b[i], c[i]);
  }
}

// 16-bit floats: blocks are widened to float32, moved, and rounded back.
template <class T, class Rule>
void apply_narrow(const Rule& rule, T* p, const T* g, T* const* state, int64_t n) {
  float wide[2 + 3][kBlock];
  float* wide_state[3] = {wide[2], wide[3], wide[4]};
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    int64_t count = std::min(kBlock, n - begin);
    auto widen = [&](float* to, const T* from) {
      for (int64_t i = 0; i < count; ++i) to[i] = float(from[begin + i]);
    };
    auto narrow = [&](T* to, const float* from) {
      for (int64_t i = 0; i < count; ++i) to[begin + i] = T(from[i]);
    };
    widen(wide[0], p);
    widen(wide[1], g);
    for (int s = 0; s < Rule::states; ++s) widen(wide_state[s], state[s]);
    apply(rule, wide[0], wide[1], wide_state, count);
    narrow(p, wide[0]);
    for (int s = 0; s < Rule::states; ++s) narrow(state[s], wide_state[s]);
  }
}

// Walks the elements [begin, end) of all tensors laid end to end.
template <class T, class Rule, class Options>
void walk(OptimTensors tensors, const Options& options, int64_t begin, int64_t end) {
  double step = -1;
  Rule rule(options, step);
  for (const OptimTensor& t : tensors) {
    if (end <= 0) return;
    if (begin < t.numel) {
      // Parameters mostly are at the same step, and its powers cost more than a small parameter does.
      if (t.step != step) rule = Rule(options, step = t.step);
      int64_t n = std::min(end, t.numel) - begin;
      T* state[3] = {};
      for (int s = 0; s < Rule::states; ++s) state[s] = static_cast<T*>(t.state[s]) + begin;
      T* p = static_cast<T*>(t.param) + begin;
      const T* g = static_cast<const T*>(t.grad) + begin;
      if constexpr (std::is_floating_point_v<T>) {
        apply(rule, p, g, state, n);
      } else {
        apply_narrow(rule, p, g, state, n);
      }
    }
    begin = std::max<int64_t>(0, begin - t.numel);
    end -= t.numel;
  }
}

template <template <class> class Rule, class Options>
void run(DType dtype, OptimTensors tensors, const Options& options) {
  int64_t total = 0;
  for (const OptimTensor& t : tensors) total += t.numel;
  Unlocked unlocked(total);
  auto typed = [&]<class T>(TypeTag<T>) {
    using C = Compute<T>;
    parallel_for(0, total, kGrain, [&](int64_t b, int64_t e) { walk<T, Rule<C>>(tensors, options, b, e); });
  };
  switch (dtype) {
    case DType::Float32:
      return typed(TypeTag<float>{});
    case DType::Float64:
      return typed(TypeTag<double>{});
    case DType::BFloat16:
      return typed(TypeTag<BFloat16>{});
    case DType::Float16:
      return typed(TypeTag<Half>{});
    default:
      fail(ErrorKind::Runtime, "an optimizer step needs floating point parameters, but got ", name_of(dtype));
  }
}

// What all rules begin with: the direction of the gradient, and weight decay added to a copy of it.
template <class C>
struct Gradient {
  C sign, decay;
  Gradient(bool maximize, double weight_decay) : sign(maximize ? -1 : 1), decay(C(weight_decay)) {}
  C operator()(C p, C g) const {
    g *= sign;
    // Not by a product with zero, which would turn an infinite parameter into NaN.
    return decay != C(0) ? g + decay * p : g;
  }
};

template <class C>
struct Sgd {
  static constexpr int states = 0;
  Gradient<C> gradient;
  C lr;
  Sgd(const SgdOptions& o, double) : gradient(o.maximize, o.weight_decay), lr(C(o.lr)) {}
  void operator()(C& p, C g) const { p -= lr * gradient(p, g); }
};

template <class C>
struct SgdMomentum {
  static constexpr int states = 1;
  Gradient<C> gradient;
  C lr, momentum, take;
  bool nesterov, first;
  SgdMomentum(const SgdOptions& o, double)
      : gradient(o.maximize, o.weight_decay),
        lr(C(o.lr)),
        momentum(C(o.momentum)),
        take(C(1 - o.dampening)),
        nesterov(o.nesterov),
        first(o.first_step) {}
  void operator()(C& p, C g, C& buffer) const {
    g = gradient(p, g);
    // The buffer of a first step is not initialised.
    buffer = first ? g : momentum * buffer + take * g;
    p -= lr * (nesterov ? g + momentum * buffer : buffer);
  }
};

// x moves towards y by the part w, exactly to y for w = 1 (torch.lerp's formula).
template <class C>
C lerp(C x, C y, C w) {
  return w < C(0.5) ? x + w * (y - x) : y - (y - x) * (C(1) - w);
}

template <class C>
struct AdamBase {
  Gradient<C> gradient;
  C shrink, mean_weight, keep, take, step_size, root_scale, eps;
  AdamBase(const AdamOptions& o, double step)
      : gradient(o.maximize, o.decoupled ? 0 : o.weight_decay),
        shrink(C(o.decoupled ? 1 - o.lr * o.weight_decay : 1)),
        mean_weight(C(1 - o.beta1)),
        keep(C(o.beta2)),
        take(C(1 - o.beta2)),
        step_size(C(o.lr / (1 - std::pow(o.beta1, step)))),
        root_scale(C(1 / std::sqrt(1 - std::pow(o.beta2, step)))),
        eps(C(o.eps)) {}
  // The new means; returns the mean of squares.
  C means(C& p, C g, C& mean, C& square) const {
    g = gradient(p, g);
    p *= shrink;
    mean = lerp(mean, g, mean_weight);
    return square = keep * square + take * g * g;
  }
  void move(C& p, C mean, C square) const { p -= step_size * mean / (std::sqrt(square) * root_scale + eps); }
};

template <class C>
struct Adam : AdamBase<C> {
  static constexpr int states = 2;
  using AdamBase<C>::AdamBase;
  void operator()(C& p, C g, C& mean, C& square) const { this->move(p, mean, this->means(p, g, mean, square)); }
};

template <class C>
struct AdamMax : AdamBase<C> {
  static constexpr int states = 3;
  using AdamBase<C>::AdamBase;
  void operator()(C& p, C g, C& mean, C& square, C& largest) const {
    C s = this->means(p, g, mean, square);
    largest = largest > s || largest != largest ? largest : s;  // NaN stays
    this->move(p, mean, largest);
  }
};

template <class C, bool Centered, bool Momentum>
struct Rmsprop {
  static constexpr int states = 1 + Centered + Momentum;
  Gradient<C> gradient;
  C lr, keep, take, eps, momentum;
  Rmsprop(const RmspropOptions& o, double)
      : gradient(o.maximize, o.weight_decay),
        lr(C(o.lr)),
        keep(C(o.alpha)),
        take(C(1 - o.alpha)),
        eps(C(o.eps)),
        momentum(C(o.momentum)) {}
  template <class... More>
  void operator()(C& p, C g, C& square, More&... more) const {
    C* extra[] = {&square, &more...};
    g = gradient(p, g);
    square = keep * square + take * g * g;
    C s = square;
    if constexpr (Centered) {
      C& mean = *extra[1];
      mean = lerp(mean, g, take);
      s -= mean * mean;
    }
    C change = g / (std::sqrt(s) + eps);
    if constexpr (Momentum) {
      C& buffer = *extra[1 + Centered];
      buffer = momentum * buffer + change;
      p -= lr * buffer;
    } else {
      p -= lr * change;
    }
  }
};
template <class C>
using RmspropPlain = Rmsprop<C, false, false>;
template <class C>
using RmspropMomentum = Rmsprop<C, false, true>;
template <class C>
using RmspropCentered = Rmsprop<C, true, false>;
template <class C>
using RmspropCenteredMomentum = Rmsprop<C, true, true>;

template <class C>
struct Adagrad {
  static constexpr int states = 1;
  Gradient<C> gradient;
  C lr, eps;
  Adagrad(const AdagradOptions& o, double step)
      : gradient(o.maximize, o.weight_decay), lr(C(o.lr / (1 + (step - 1) * o.lr_decay))), eps(C(o.eps)) {}
  void operator()(C& p, C g, C& sum) const {
    g = gradient(p, g);
    sum += g * g;
    p -= lr * g / (std::sqrt(sum) + eps);
  }
};

}  // namespace

void sgd(DType dtype, OptimTensors tensors, const SgdOptions& options) {
  if (options.momentum == 0) return run<Sgd>(dtype, tensors, options);
  run<SgdMomentum>(dtype, tensors, options);
}

void adam(DType dtype, OptimTensors tensors, const AdamOptions& options) {
  if (options.amsgrad) return run<AdamMax>(dtype, tensors, options);
  run<Adam>(dtype, tensors, options);
}

void rmsprop(DType dtype, OptimTensors tensors, const RmspropOptions& options) {
  if (options.centered && options.momentum > 0) return run<RmspropCenteredMomentum>(dtype, tensors, options);
  if (options.centered) return run<RmspropCentered>(dtype, tensors, options);
  if (options.momentum > 0) return run<RmspropMomentum>(dtype, tensors, options);
  run<RmspropPlain>(dtype, tensors, options);
}

void adagrad(DType dtype, OptimTensors tensors, const AdagradOptions& options) {
  run<Adagrad>(dtype, tensors, options);
}

}  // namespace lampas::cpu
