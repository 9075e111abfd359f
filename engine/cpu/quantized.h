// Quantized values on the CPU.
#pragma once

#include "ops/quantized_kernels.h"

namespace lampas::cpu {

void quantize(const QuantizeCall& call);
void dequantize(const QuantizeCall& call);
void fake_quantize(const FakeQuantizeCall& call);
void quantized_pair(const QuantizedPairCall& call);
void lookup_bytes(int64_t n, const uint8_t* in, const uint8_t* table, uint8_t* out);
void range_of(int64_t n, const float* in, float* low, float* high);
bool quantized_linear(const QuantizedLinearCall& call);
bool quantized_convolution(const QuantizedConvCall& call);

}  // namespace lampas::cpu
