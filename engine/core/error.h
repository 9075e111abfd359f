// Errors a user can cause; bindings turn each kind into the Python exception PyTorch raises.
#pragma once

#include <exception>
#include <sstream>
#include <string>

namespace lampas {

enum class ErrorKind { Runtime, Type, Value, Index, NotImplemented, OutOfMemory, LinAlg, Assertion };

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}
  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorKind kind_;
  std::string message_;
};

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream s;
  (s << ... << parts);
  return s.str();
}

template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, text(parts...));
}
template <class... Parts>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Parts&... parts) {
  throw Error(ErrorKind::Runtime, text(parts...));
}

}  // namespace lampas

// CHECK(condition, parts...) raises RuntimeError; CHECK_KIND chooses another exception.
#define CHECK(condition, ...)      \
  do {                             \
    if (!(condition)) [[unlikely]] \
      ::lampas::fail(__VA_ARGS__); \
  } while (0)
#define CHECK_KIND(kind, condition, ...)                      \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::lampas::fail(::lampas::ErrorKind::kind, __VA_ARGS__); \
  } while (0)
