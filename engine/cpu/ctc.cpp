// Connectionist temporal classification (A. Graves, S. Fernandez, F. Gomez, J. Schmidhuber, "Connectionist temporal
// classification", ICML 2006), in logarithms and double precision.
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/threads.h"
#include "cpu/losses.h"

namespace lampas::cpu {

namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

double log_add(double a, double b) {
  if (a < b) std::swap(a, b);
  return a == kNever ? kNever : a + std::log1p(std::exp(b - a));
}

// One sample: labels with blanks between them are the states, 2 * count + 1 of them.
template <class T>
struct Sample {
  const CtcCall& c;
  int64_t n, steps = c.input_lengths[n], count = c.target_lengths[n], states = 2 * count + 1;
  const int64_t* labels = c.targets + c.starts[n];

  int64_t label(int64_t s) const { return s % 2 ? labels[s / 2] : c.blank; }
  // A blank between different labels may be left out.
  bool skips(int64_t s) const { return s % 2 && s >= 2 && label(s) != label(s - 2); }
  double log_prob(int64_t t, int64_t k) const {
    return double(static_cast<const T*>(c.log_probs)[(t * c.batch + n) * c.classes + k]);
  }

  // a[t][s]: all ways to be in state s at step t, that step included.
  std::vector<double> forward() const {
    std::vector<double> a(size_t(steps * states), kNever);
    if (steps == 0) return a;
    a[0] = log_prob(0, c.blank);
    if (states > 1) a[1] = log_prob(0, label(1));
    for (int64_t t = 1; t < steps; t++) {
      const double* before = &a[size_t((t - 1) * states)];
      double* now = &a[size_t(t * states)];
      for (int64_t s = 0; s < states; s++) {
        double sum = before[s];
        if (s > 0) sum = log_add(sum, before[s - 1]);
        if (skips(s)) sum = log_add(sum, before[s - 2]);
        now[s] = sum + log_prob(t, label(s));
      }
    }
    return a;
  }
  double loss(const std::vector<double>& a) const {
    if (steps == 0) return count == 0 ? 0 : -kNever;
    const double* last = &a[size_t((steps - 1) * states)];
    return -(states > 1 ? log_add(last[states - 1], last[states - 2]) : last[0]);
  }
  void gradient() const {
    std::vector<double> a = forward();
    double l = loss(a), g = c.grads[n];
    if ((c.zero_infinity && l == -kNever) || steps == 0) return;
    // b[s]: all ways from state s at step t to the end, that step included.
    std::vector<double> b(size_t(states), kNever), after(size_t(states), kNever),
        occupied(static_cast<size_t>(c.classes));
    for (int64_t t = steps - 1; t >= 0; t--) {
      for (int64_t s = 0; s < states; s++) {
        double sum;
        if (t == steps - 1) {
          sum = s >= states - 2 ? 0 : kNever;
        } else {
          sum = after[size_t(s)];
          if (s + 1 < states) sum = log_add(sum, after[size_t(s + 1)]);
          if (s + 2 < states && skips(s + 2)) sum = log_add(sum, after[size_t(s + 2)]);
        }
        b[size_t(s)] = sum + log_prob(t, label(s));
      }
      std::fill(occupied.begin(), occupied.end(), kNever);
      for (int64_t s = 0; s < states; s++) {
        double& o = occupied[size_t(label(s))];
        o = log_add(o, a[size_t(t * states + s)] + b[size_t(s)]);
      }
      T* to = static_cast<T*>(c.gx) + (t * c.batch + n) * c.classes;
      for (int64_t k = 0; k < c.classes; k++) {
        double p = log_prob(t, k);
        to[k] = T((std::exp(p) - std::exp(occupied[size_t(k)] + l - p)) * g);
      }
      std::swap(b, after);
    }
  }
};

}  // namespace

void ctc(const CtcCall& c) {
  Unlocked unlocked(c.steps * c.batch * c.classes);
  auto run = [&]<class T>(TypeTag<T>) {
    parallel_for(0, c.batch, 1, [&](int64_t b, int64_t e) {
      for (int64_t n = b; n < e; n++) {
        Sample<T> sample{c, n};
        if (c.losses)
          c.losses[n] = sample.loss(sample.forward());
        else
          sample.gradient();
      }
    });
  };
  if (c.type == DType::Float64)
    run(TypeTag<double>{});
  else
    run(TypeTag<float>{});
}

}  // namespace lampas::cpu
