// Elements that lie apart in memory, brought together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace lampas::cpu {

namespace detail {
// With the step known the compiler takes whole vectors and picks from them. Asking for lines ahead was worth a tenth on
// one processor (Zen 5) and cost a third on another (Zen 4).
template <int step, class T>
void gather_steps(const T* __restrict from, T* __restrict to, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = from[i * step];
}
}  // namespace detail

// to[i] = the element i * step bytes after `from`, for i < n; the two do not overlap.
template <class T>
void gather_run(const char* from, int64_t step, T* to, int64_t n) {
  constexpr int64_t item = sizeof(T);
  const T* in = reinterpret_cast<const T*>(from);
  switch (step) {
    case item:
      std::memcpy(to, from, size_t(n * item));
      return;
    case -item:
      return detail::gather_steps<-1>(in, to, n);
    case 2 * item:
      return detail::gather_steps<2>(in, to, n);
    case 3 * item:
      return detail::gather_steps<3>(in, to, n);
    case 4 * item:
      return detail::gather_steps<4>(in, to, n);
    case 0:
      std::fill_n(to, n, *in);
      return;
    default:
      for (int64_t i = 0; i < n; i++) to[i] = *reinterpret_cast<const T*>(from + i * step);
  }
}

namespace detail {
template <int rows, class T>
void weave_rows(const T* __restrict from, int64_t row, T* __restrict to, int64_t n) {
  for (int64_t i = 0; i < n; i++)
#pragma GCC unroll 4
    for (int j = 0; j < rows; j++) to[i * rows + j] = from[j * row + i];
}
}  // namespace detail

// The other way, for 2 to kWoven rows that lie `row` elements apart: to[i * rows + j] = the element i of row j.
constexpr int64_t kWoven = 4;
template <class T>
void weave(int64_t rows, const T* from, int64_t row, T* to, int64_t n) {
  if (rows == 2) return detail::weave_rows<2>(from, row, to, n);
  if (rows == 3) return detail::weave_rows<3>(from, row, to, n);
  detail::weave_rows<4>(from, row, to, n);
}

// n elements of one type from one place to another; they may be the same.
template <class T>
void move_run(const char* from, int64_t from_step, char* to, int64_t to_step, int64_t n) {
  constexpr int64_t item = sizeof(T);
  T* out = reinterpret_cast<T*>(to);
  const T* in = reinterpret_cast<const T*>(from);
  if (to_step == item && from_step == item) {
    if (n * item >= 64)
      std::memmove(to, from, size_t(n * item));
    else
      for (int64_t i = 0; i < n; i++) out[i] = in[i];
  } else if (to_step == item) {
    gather_run(from, from_step, out, n);
  } else {
    for (int64_t i = 0; i < n; i++)
      *reinterpret_cast<T*>(to + i * to_step) = *reinterpret_cast<const T*>(from + i * from_step);
  }
}

namespace detail {
template <int n, class T>
void move_short_rows(const char* from, int64_t from_step, int64_t from_row, char* to, int64_t to_step, int64_t to_row,
                     int64_t rows) {
  for (int64_t r = 0; r < rows; r++, to += to_row, from += from_row) {
    T row[n];
    for (int i = 0; i < n; i++) row[i] = *reinterpret_cast<const T*>(from + i * from_step);
    for (int i = 0; i < n; i++) *reinterpret_cast<T*>(to + i * to_step) = row[i];
  }
}
}  // namespace detail

// The same for rows of n elements, whose beginnings lie `from_row` and `to_row` bytes apart.
template <class T>
void move_rows(const char* from, int64_t from_step, int64_t from_row, char* to, int64_t to_step, int64_t to_row,
               int64_t n, int64_t rows) {
  switch (n) {
    case 1:
      return move_run<T>(from, from_row, to, to_row, rows);
    case 2:
      return detail::move_short_rows<2, T>(from, from_step, from_row, to, to_step, to_row, rows);
    case 3:
      return detail::move_short_rows<3, T>(from, from_step, from_row, to, to_step, to_row, rows);
    case 4:
      return detail::move_short_rows<4, T>(from, from_step, from_row, to, to_step, to_row, rows);
    default:
      for (int64_t r = 0; r < rows; r++) move_run<T>(from + r * from_row, from_step, to + r * to_row, to_step, n);
  }
}

}  // namespace lampas::cpu
