// Weighted sums along a dimension (resizing, padding) and sampling at points.
#pragma once

#include "ops/resample.h"

namespace lampas::cpu {

void resample(const ResampleCall& call);
void grid_sample(const GridSampleCall& call);

}  // namespace lampas::cpu
