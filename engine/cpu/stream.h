// Single numbers of a generator's stream, for samplers that decide from one
// what to draw next.
#pragma once

#include <cmath>
#include <numbers>

#include "core/generator.h"

namespace lampas::cpu {

// Uniform in [0, 1).
inline double next_unit(Generator& g) { return double(int64_t(g.random64() & 0x1fffffffffffffu)) * 0x1p-53; }

// Standard normal, by Box and Muller's method; the generator keeps the second
// number of a pair for the next call.
inline double next_normal(Generator& g) {
  if (auto kept = g.next_double_normal) {
    g.next_double_normal.reset();
    return *kept;
  }
  double u = next_unit(g), v = next_unit(g);
  double radius = std::sqrt(-2 * std::log1p(-v)), sine, cosine;
  ::sincos(2 * std::numbers::pi * u, &sine, &cosine);
  g.next_double_normal = radius * sine;
  return radius * cosine;
}

}  // namespace lampas::cpu
