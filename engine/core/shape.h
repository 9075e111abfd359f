// Shapes and strides: small vectors of int64 that live inside their owner up to five dimensions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string>

namespace lampas {

using Ints = std::span<const int64_t>;

class IntVec {
 public:
  static constexpr int kInline = 5;

  IntVec() = default;
  IntVec(std::initializer_list<int64_t> v) { assign(v.begin(), int(v.size())); }
  IntVec(Ints v) { assign(v.data(), int(v.size())); }
  IntVec(int n, int64_t value) {
    resize(n);
    std::fill(begin(), end(), value);
  }
  IntVec(const IntVec& o) { assign(o.data(), o.size_); }
  IntVec(IntVec&& o) noexcept { take(o); }
  IntVec& operator=(const IntVec& o) {
    if (this != &o) assign(o.data(), o.size_);
    return *this;
  }
  IntVec& operator=(IntVec&& o) noexcept {
    if (this != &o) {
      if (heap_) delete[] heap_;
      take(o);
    }
    return *this;
  }
  ~IntVec() {
    if (heap_) [[unlikely]]
      delete[] heap_;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t* data() { return heap_ ? heap_ : inline_; }
  const int64_t* data() const { return heap_ ? heap_ : inline_; }
  int64_t& operator[](int i) { return data()[i]; }
  int64_t operator[](int i) const { return data()[i]; }
  int64_t* begin() { return data(); }
  int64_t* end() { return data() + size_; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + size_; }
  int64_t back() const { return data()[size_ - 1]; }
  operator Ints() const { return {data(), size_t(size_)}; }

  void resize(int n) {
    if (n > capacity_) [[unlikely]] {
      int64_t* bigger = new int64_t[n];
      std::copy(begin(), end(), bigger);
      if (heap_) delete[] heap_;
      heap_ = bigger;
      capacity_ = n;
    }
    size_ = n;
  }
  void push_back(int64_t v) {
    int n = size_;
    if (n == capacity_) {
      resize(n * 2);
    }
    size_ = n + 1;
    data()[n] = v;
  }
  void insert(int at, int64_t v) {
    push_back(v);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(int at) {
    std::copy(begin() + at + 1, end(), begin() + at);
    --size_;
  }
  void clear() { size_ = 0; }
  friend bool operator==(const IntVec& a, const IntVec& b) {
    return a.size_ == b.size_ && std::equal(a.begin(), a.end(), b.begin());
  }

 private:
  void assign(const int64_t* v, int n) {
    resize(n);
    std::copy(v, v + n, data());
  }
  void take(IntVec& o) {
    size_ = o.size_;
    capacity_ = o.capacity_;
    heap_ = o.heap_;
    if (!heap_) std::copy(o.inline_, o.inline_ + o.size_, inline_);
    o.heap_ = nullptr;
    o.capacity_ = kInline;
    o.size_ = 0;
  }
  int32_t size_ = 0;
  int32_t capacity_ = kInline;
  int64_t* heap_ = nullptr;
  int64_t inline_[kInline];
};

inline bool same(Ints a, Ints b) { return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin()); }

inline int64_t product(Ints v) {
  int64_t n = 1;
  for (int64_t x : v) n *= x;
  return n;
}

// Prints [2, 3], the way shapes stand in error messages.
struct Shown {
  Ints v;
};
inline Shown shown(Ints v) { return {v}; }
std::ostream& operator<<(std::ostream& s, Shown v);

IntVec contiguous_strides(Ints sizes);
bool is_contiguous(Ints sizes, Ints strides);
// The shape both broadcast to; RuntimeError naming both when there is none.
IntVec broadcast(Ints a, Ints b);
bool can_broadcast(Ints from, Ints to);
// Fills in the one -1 of a requested shape.
IntVec infer_size(Ints wanted, int64_t numel);
// Number of elements; RuntimeError for a negative size or an overflow.
int64_t checked_numel(Ints sizes);

// A dimension counted from the front; IndexError outside [-n, n-1] (a 0-d tensor counts as one dimension).
int wrap_dim(int64_t dim, int ndim);
// The dimensions as a bit set; an empty list means all. RuntimeError for one named twice.
uint64_t dim_mask(Ints dims, int ndim, bool empty_is_all = true);

}  // namespace lampas
