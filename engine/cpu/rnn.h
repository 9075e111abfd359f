// Recurrent layers: LSTM, GRU and plain RNN.
#pragma once

#include "ops/rnn.h"

namespace lampas::cpu {

void rnn_forward(const RnnCall& call);
void rnn_backward(const RnnCall& call);

}  // namespace lampas::cpu
