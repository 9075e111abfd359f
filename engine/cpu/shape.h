// Data movement that is no plain copy.
#pragma once

#include "ops/kernels.h"

namespace lampas::cpu {

void triangle(const TriangleCall& call);

}  // namespace lampas::cpu
