// A Python number: bool, int, float or complex, which takes part in type promotion by its category only.
#pragma once

#include "core/dtype.h"

namespace lampas {

class Scalar {
 public:
  enum Kind : uint8_t { Bool, Int, Float, Complex };

  Scalar() : Scalar(int64_t(0)) {}
  Scalar(bool b) : kind_(Bool), i_(b) {}
  Scalar(int i) : Scalar(int64_t(i)) {}
  Scalar(int64_t i) : kind_(Int), i_(i) {}
  Scalar(double d) : kind_(Float), d_(d) {}
  Scalar(complex128 c) : kind_(Complex), d_(c.real()), imag_(c.imag()) {}

  Kind kind() const { return kind_; }
  bool is_integral() const { return kind_ <= Int; }
  double to_double() const { return is_integral() ? double(i_) : d_; }
  int64_t to_int() const { return is_integral() ? i_ : int64_t(d_); }
  complex128 to_complex() const { return {to_double(), kind_ == Complex ? imag_ : 0.0}; }
  bool to_bool() const { return is_integral() ? i_ != 0 : d_ != 0 || (kind_ == Complex && imag_ != 0); }
  template <class T>
  T to() const {
    if (kind_ == Complex) return convert<T>(to_complex());
    return is_integral() ? convert<T>(i_) : convert<T>(d_);
  }
  bool equals(double v) const { return kind_ != Complex && to_double() == v; }
  Scalar operator-() const {
    if (kind_ == Complex) return Scalar(-to_complex());
    return is_integral() ? Scalar(-i_) : Scalar(-d_);
  }
  // Writes the value as one element of type d.
  void store(DType d, void* to) const {
    dispatch(d, [&]<class T>(TypeTag<T>) { *static_cast<T*>(to) = this->to<T>(); });
  }

 private:
  Kind kind_;
  union {
    int64_t i_;
    double d_;
  };
  double imag_ = 0;
};

}  // namespace lampas
