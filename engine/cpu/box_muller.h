// Normal numbers from pairs of uniform ones, in place.
// G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29(2), 1958.
#pragma once

#include <cstdint>

namespace lampas::cpu {

// Each block of 16 uniform numbers in [0, 1) becomes 16 normal ones: u = 1 - data[j], v = data[j + 8] give
// data[j] = sqrt(-2 log u) cos(2 pi v) * std + mean and data[j + 8], the same with the sine, for j < 8.
void box_muller(float* data, int64_t blocks, float mean, float std);
void box_muller(double* data, int64_t blocks, double mean, double std);

}  // namespace lampas::cpu
