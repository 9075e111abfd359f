// One layer of a recurrent network in one direction, as a device's kernels see it.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace lampas {

enum class RnnCell : uint8_t { Lstm, Gru, Tanh, Relu };

// The weights hold `gates` blocks of `hidden` rows. A step's row of saved values holds `slots` blocks of `hidden`
// numbers:
//   LSTM  i, f, g, o                 GRU  n, r, z, W_hn h + b_hn                 RNN  h
struct RnnLayout {
  int gates, slots;
  int recurrent_slot;  // where the first gate's recurrent product goes; the others follow
};
inline RnnLayout rnn_layout(RnnCell cell) {
  switch (cell) {
    case RnnCell::Lstm:
      return {4, 4, 0};
    case RnnCell::Gru:
      return {3, 4, 1};
    default:
      return {1, 1, 0};
  }
}

// Sequences lie packed: the rows of step 0, then those of step 1, and so on; batch_sizes[t] rows, never rising.
// All arrays are contiguous; optional ones are null. Sizes: input x, hidden (c), state (h: hidden, or the
// projection's).
struct RnnCall {
  RnnCell cell;
  DType type;  // of states and weights; one that is its own operand_type. Cells, gates and biases: its compute type
  bool reverse;
  bool keeps;  // whether the forward pass leaves gates for a backward one
  int64_t steps, rows, input, hidden, state;
  const int64_t* batch_sizes;
  int64_t gate_stride;  // of a row of `gates`, in elements
  const void *x, *h0, *c0, *w_ih, *w_hh, *b_ih, *b_hh, *w_hr;
  // Results of the forward pass, inputs of the backward: cells only of an LSTM, hiddens only before a projection.
  void *y, *hn, *cn, *gates, *cells, *hiddens;
  // Backward: gradients of y, hn, cn (may be null), and those wanted.
  const void *gy = nullptr, *ghn = nullptr, *gcn = nullptr;
  void *gx = nullptr, *gh0 = nullptr, *gc0 = nullptr, *gw_ih = nullptr, *gw_hh = nullptr, *gb_ih = nullptr,
       *gb_hh = nullptr, *gw_hr = nullptr;
};

}  // namespace lampas
