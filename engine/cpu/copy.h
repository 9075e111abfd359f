#pragma once

#include "ops/kernels.h"

namespace lampas::cpu {
void copy(Loop& loop);
}
