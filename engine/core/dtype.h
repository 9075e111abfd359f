// Element types: names, sizes, categories, promotion, and the two 16-bit floats.
#pragma once

#include <bit>
#include <complex>
#include <cstdint>
#include <cstring>
#include <limits>
#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace lampas {

enum class DType : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,
  Complex128
};
inline constexpr int kDTypes = 12;

struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  BFloat16(float f) {
    uint32_t u = std::bit_cast<uint32_t>(f);
    bits = (u & 0x7fffffffu) > 0x7f800000u ? uint16_t(0x7fc0 | (u >> 16 & 0x8000))
                                           : uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  operator float() const { return std::bit_cast<float>(uint32_t(bits) << 16); }
};

struct Half {
  uint16_t bits = 0;
  Half() = default;
#if defined(__F16C__)
  Half(float f) : bits(uint16_t(_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT))) {}
  operator float() const { return _cvtsh_ss(bits); }
#else
  Half(float f) : bits(std::bit_cast<uint16_t>(_Float16(f))) {}
  operator float() const { return float(std::bit_cast<_Float16>(bits)); }
#endif
};

template <class T>
inline constexpr bool k16BitFloat = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
// What numbers of T are computed, scaled and summed in.
template <class T>
using Compute = std::conditional_t<k16BitFloat<T>, float, T>;

using complex64 = std::complex<float>;
using complex128 = std::complex<double>;

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::Bool;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::UInt8;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::Int8;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::Int16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::Int32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::Int64;
};
template <>
struct DTypeOf<Half> {
  static constexpr DType value = DType::Float16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::BFloat16;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::Float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::Float64;
};
template <>
struct DTypeOf<complex64> {
  static constexpr DType value = DType::Complex64;
};
template <>
struct DTypeOf<complex128> {
  static constexpr DType value = DType::Complex128;
};
template <class T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

inline constexpr uint8_t kItemSize[kDTypes] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
inline constexpr const char* kDTypeName[kDTypes] = {"bool",    "uint8",   "int8",      "int16",
                                                    "int32",   "int64",   "float16",   "bfloat16",
                                                    "float32", "float64", "complex64", "complex128"};

constexpr size_t item_size(DType d) { return kItemSize[int(d)]; }
constexpr const char* name_of(DType d) { return kDTypeName[int(d)]; }
constexpr bool is_complex(DType d) { return d >= DType::Complex64; }
constexpr bool is_floating(DType d) { return d >= DType::Float16 && d <= DType::Float64; }
constexpr bool is_inexact(DType d) { return d >= DType::Float16; }
constexpr bool is_integral(DType d) { return d <= DType::Int64; }  // bool counts as integral here
constexpr bool is_reduced_float(DType d) { return d == DType::Float16 || d == DType::BFloat16; }
constexpr bool is_signed(DType d) { return d != DType::Bool && d != DType::UInt8; }

// The real type of a complex one, and back.
constexpr DType to_real(DType d) {
  return d == DType::Complex64 ? DType::Float32 : d == DType::Complex128 ? DType::Float64 : d;
}
constexpr DType to_complex(DType d) {
  return is_complex(d) ? d : d == DType::Float64 ? DType::Complex128 : DType::Complex64;
}
// The type arithmetic is done in: 16-bit floats compute in float32.
constexpr DType compute_type(DType d) { return is_reduced_float(d) ? DType::Float32 : d; }

// The smallest type both fit in, by PyTorch's promotion lattice.
constexpr DType promote(DType a, DType b) {
  if (a == b) return a;
  if (is_complex(a) || is_complex(b)) {
    DType ra = to_real(a), rb = to_real(b);
    bool wide = ra == DType::Float64 || rb == DType::Float64;
    return wide ? DType::Complex128 : DType::Complex64;
  }
  if (is_floating(a) && is_floating(b)) {
    if (is_reduced_float(a) && is_reduced_float(b)) return DType::Float32;
    return a > b ? a : b;
  }
  if (is_floating(a)) return a;
  if (is_floating(b)) return b;
  if (a == DType::UInt8 || b == DType::UInt8) {  // uint8 with a signed type needs the next signed one
    DType other = a == DType::UInt8 ? b : a;
    if (other == DType::Bool) return DType::UInt8;
    return other == DType::Int8 ? DType::Int16 : other;
  }
  return a > b ? a : b;
}

constexpr bool can_cast(DType from, DType to) {
  if (is_complex(from) && !is_complex(to)) return false;
  if (is_floating(from) && is_integral(to)) return false;
  if (from != DType::Bool && to == DType::Bool) return false;
  return true;
}

template <class T>
struct TypeTag {
  using type = T;
};

// Calls f(TypeTag<T>{}) with the C++ type of d.
template <class F>
decltype(auto) dispatch(DType d, F&& f) {
  switch (d) {
    case DType::Bool:
      return f(TypeTag<bool>{});
    case DType::UInt8:
      return f(TypeTag<uint8_t>{});
    case DType::Int8:
      return f(TypeTag<int8_t>{});
    case DType::Int16:
      return f(TypeTag<int16_t>{});
    case DType::Int32:
      return f(TypeTag<int32_t>{});
    case DType::Int64:
      return f(TypeTag<int64_t>{});
    case DType::Float16:
      return f(TypeTag<Half>{});
    case DType::BFloat16:
      return f(TypeTag<BFloat16>{});
    case DType::Float32:
      return f(TypeTag<float>{});
    case DType::Float64:
      return f(TypeTag<double>{});
    case DType::Complex64:
      return f(TypeTag<complex64>{});
    default:
      return f(TypeTag<complex128>{});
  }
}

// Moves elements of one size whatever they mean: copies, gathers and permutations are instantiated by size alone.
struct Bytes16 {
  uint64_t a, b;
};
template <class F>
decltype(auto) dispatch_size(size_t size, F&& f) {
  switch (size) {
    case 1:
      return f(TypeTag<uint8_t>{});
    case 2:
      return f(TypeTag<uint16_t>{});
    case 4:
      return f(TypeTag<uint32_t>{});
    case 8:
      return f(TypeTag<uint64_t>{});
    default:
      return f(TypeTag<Bytes16>{});
  }
}

// Conversion of one element; float to integer truncates, complex to real drops the imaginary part.
template <class To, class From>
inline To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<From, complex64> || std::is_same_v<From, complex128>) {
    if constexpr (std::is_same_v<To, complex64> || std::is_same_v<To, complex128>) {
      return To(x.real(), x.imag());
    } else if constexpr (std::is_same_v<To, bool>) {
      return x.real() != 0 || x.imag() != 0;
    } else {
      return convert<To>(x.real());
    }
  } else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>) {
    return convert<To>(float(x));
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(float(x));
  } else if constexpr (std::is_same_v<To, complex64>) {
    return To(float(x), 0);
  } else if constexpr (std::is_same_v<To, complex128>) {
    return To(double(x), 0);
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 8) {
    // As x86 converts: through a wider integer, so that negative values wrap into unsigned types.
    return To(int64_t(x));
  } else {
    return To(x);
  }
}

}  // namespace lampas
