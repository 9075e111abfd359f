// Linear maps along single dimensions: each result is a weighted sum of a few elements. Resizing and padding are made
// of them, their gradients are the same maps transposed.
#pragma once

#include <memory>
#include <vector>

#include "core/tensor.h"

namespace lampas {

// From n elements to m: result j is the sum of weights[t] * x[index[t]] for t in [offsets[j], offsets[j + 1]).
struct Terms {
  int64_t n = 0, m = 0;
  std::vector<int64_t> offsets{0}, index;
  std::vector<double> weights;  // empty: all 1
  bool moves = true;            // no weights, one term each

  // The next result: x[at], weighted or as it is.
  void add_result(int64_t at) {
    index.push_back(at);
    offsets.push_back(int64_t(index.size()));
    m++;
  }
  template <class W>
  void add_result(const int64_t* at, const W* weight, int count) {
    for (int k = 0; k < count; k++) {
      index.push_back(at[k]);
      weights.push_back(double(weight[k]));
    }
    offsets.push_back(int64_t(index.size()));
    moves = false;
    m++;
  }
  Terms transposed() const;
  // The weights in steps of 1 / 2^shift, as fine as 16 bits can hold, with one term for each element.
  struct Whole;
  Whole whole() const;
};

struct Terms::Whole {
  std::vector<int64_t> offsets{0}, index;
  std::vector<int16_t> weights;
  int shift = 0;
};

struct Along {
  int dim;
  std::shared_ptr<const Terms> terms;
};

// The maps, each along another dimension, as one op of the graph. Maps with weights need a floating-point or complex
// tensor.
Tensor resample(const char* node, const Tensor& x, std::vector<Along> maps);
// Of bytes, one map after the other, each with results rounded to bytes.
Tensor resample_bytes(const Tensor& x, const std::vector<Along>& maps);

}  // namespace lampas
