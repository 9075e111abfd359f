// Attention without the matrix of all scores in memory, and its gradient.
#pragma once

#include "ops/attention.h"

namespace lampas::cpu {

void attention(const AttentionCall& call);
void attention_backward(const AttentionCall& call);

}  // namespace lampas::cpu
