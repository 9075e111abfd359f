// Rows of a table reduced bag by bag.
#pragma once

#include "ops/embedding_bag.h"

namespace lampas::cpu {

void embedding_bag(const BagCall& call);
void embedding_bag_backward(const BagCall& call);

}  // namespace lampas::cpu
