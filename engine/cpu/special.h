// Special functions of one number.
#pragma once

namespace lampas::cpu {

// The derivative of log |Gamma(x)|.
double digamma(double x);

}  // namespace lampas::cpu
