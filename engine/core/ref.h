// Reference counting inside the object. A count changes only while the interpreter's lock is held, so it is not atomic.
//
// An object that Python can see (a tensor, a graph node) shares one count with its Python object: `state` is then the
// Python object's address instead of a count, and both live and die together. That keeps identity: the same tensor is
// always the same Python object, with its attributes and weak references.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace lampas {

extern void (*incref_python)(void*);
extern void (*decref_python)(void*);

class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  void retain() {
    if (state_ & 1) [[likely]]
      state_ += 2;
    else
      incref_python(reinterpret_cast<void*>(state_));
  }
  // True when the caller must destroy the object.
  bool release() {
    if (state_ & 1) [[likely]] {
      state_ -= 2;
      return state_ == 1;
    }
    decref_python(reinterpret_cast<void*>(state_));
    return false;
  }
  void* python() const { return state_ & 1 ? nullptr : reinterpret_cast<void*>(state_); }
  // The number of references held by C++ while no Python object exists.
  size_t count() const { return state_ >> 1; }
  // Hands the count to a Python object that already carries it.
  void set_python(void* object) { state_ = reinterpret_cast<uintptr_t>(object); }
  // The Python object is being destroyed without the C++ one: start counting here again.
  void reset_count(size_t count) { state_ = count * 2 + 1; }

 private:
  uintptr_t state_ = 1;  // (count << 1) | 1, or the Python object's address
};

// Owns one reference; T::destroy(T*) frees.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* p) : p_(p) {
    if (p_) p_->retain();
  }
  static Ref adopt(T* p) {
    Ref r;
    r.p_ = p;
    return r;
  }
  Ref(const Ref& o) : p_(o.p_) {
    if (p_) p_->retain();
  }
  Ref(Ref&& o) noexcept : p_(std::exchange(o.p_, nullptr)) {}
  Ref& operator=(const Ref& o) {
    Ref copy(o);
    std::swap(p_, copy.p_);
    return *this;
  }
  Ref& operator=(Ref&& o) noexcept {
    if (this != &o) {
      T* old = std::exchange(p_, std::exchange(o.p_, nullptr));
      drop(old);
    }
    return *this;
  }
  ~Ref() { drop(p_); }
  void reset() { drop(std::exchange(p_, nullptr)); }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  bool operator==(const Ref& o) const { return p_ == o.p_; }
  T* detach() { return std::exchange(p_, nullptr); }

 private:
  static void drop(T* p) {
    if (p && p->release()) T::destroy(p);
  }
  T* p_ = nullptr;
};

}  // namespace lampas
