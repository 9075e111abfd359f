#include "core/generator.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "core/error.h"

namespace lampas {

void Mt19937::reseed(uint32_t seed) {
  state[0] = seed;
  for (uint32_t i = 1; i < kWords; i++) state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  left = 1;
  next = 0;
}

void Mt19937::refill() {
  constexpr int n = kWords, m = 397;
  auto twist = [](uint32_t u, uint32_t v) {
    uint32_t mixed = (u & 0x80000000u) | (v & 0x7fffffffu);
    return (mixed >> 1) ^ ((0u - (v & 1u)) & 0x9908b0dfu);
  };
  // Every loop reads ahead of what it writes, or at least n - m = 227 words behind: safe to vectorise.
  uint32_t* s = state;
#pragma GCC ivdep
  for (int i = 0; i < n - m; i++) s[i] = s[i + m] ^ twist(s[i], s[i + 1]);
#pragma GCC ivdep
  for (int i = n - m; i < 2 * (n - m); i++) s[i] = s[i - (n - m)] ^ twist(s[i], s[i + 1]);
#pragma GCC ivdep
  for (int i = 2 * (n - m); i < n - 1; i++) s[i] = s[i - (n - m)] ^ twist(s[i], s[i + 1]);
  s[n - 1] = s[m - 1] ^ twist(s[n - 1], s[0]);
  left = n + 1;
  next = 0;
}

void Mt19937::draw(uint32_t* out, int64_t n) {
  while (n > 0) {
    if (available() == 0) refill();
    int count = int(std::min<int64_t>(available(), n));
    const uint32_t* from = state + next;
    for (int i = 0; i < count; i++) out[i] = temper(from[i]);
    next += count;
    left -= count;
    out += count;
    n -= count;
  }
}

void Mt19937::skip(int64_t n) {
  while (n > 0) {
    if (available() == 0) refill();
    int count = int(std::min<int64_t>(available(), n));
    next += count;
    left -= count;
    n -= count;
  }
}

namespace {

// What PyTorch writes for its CPU generator; the bytes are the interface.
struct SavedState {
  uint64_t initial_seed;
  int32_t left;
  int32_t seeded;
  uint64_t next;
  uint64_t words[Mt19937::kWords];
  double unused_x;
  double next_double_normal;
  double unused_rho;
  int32_t has_next_double_normal;
  int32_t padding_0;
  float next_float_normal;
  uint8_t has_next_float_normal;
  uint8_t padding_1[3];
};
static_assert(sizeof(SavedState) == Generator::kStateBytes);

}  // namespace

void Generator::manual_seed(uint64_t seed) {
  initial_seed_ = seed;
  engine.reseed(uint32_t(seed));
  next_double_normal.reset();
  next_float_normal.reset();
}

uint64_t Generator::seed() {
  std::random_device entropy;
  uint64_t high = entropy();
  uint64_t value = high << 32 | entropy();
  manual_seed(value);
  return value;
}

void Generator::get_state(uint8_t* out) const {
  SavedState saved{};
  saved.initial_seed = initial_seed_;
  saved.left = engine.left;
  saved.seeded = 1;
  saved.next = uint64_t(engine.next);
  std::copy(engine.state, engine.state + Mt19937::kWords, saved.words);
  saved.next_double_normal = next_double_normal.value_or(0);
  saved.has_next_double_normal = next_double_normal.has_value();
  saved.next_float_normal = next_float_normal.value_or(0);
  saved.has_next_float_normal = next_float_normal.has_value();
  std::memcpy(out, &saved, sizeof saved);
}

void Generator::set_state(const uint8_t* in, size_t bytes) {
  CHECK(bytes == kStateBytes, "a CPU generator's state has ", kStateBytes, " bytes, but ", bytes,
        " were given; pass what get_state() or get_rng_state() returned");
  SavedState saved;
  std::memcpy(&saved, in, sizeof saved);
  CHECK(saved.seeded && saved.left > 0 && saved.left <= Mt19937::kWords && saved.next <= uint64_t(Mt19937::kWords),
        "Invalid mt19937 state: seeded is ", saved.seeded, " (expected 1), left is ", saved.left,
        " (expected 1 to 624), next is ", saved.next,
        " (expected 0 to 624); pass what get_state() or "
        "get_rng_state() returned");
  initial_seed_ = saved.initial_seed;
  engine.left = saved.left;
  engine.next = int(saved.next);
  for (int i = 0; i < Mt19937::kWords; i++) engine.state[i] = uint32_t(saved.words[i]);
  next_double_normal.reset();
  next_float_normal.reset();
  if (saved.has_next_double_normal) next_double_normal = saved.next_double_normal;
  if (saved.has_next_float_normal) next_float_normal = saved.next_float_normal;
}

void Generator::copy_from(const Generator& other) {
  engine = other.engine;
  next_double_normal = other.next_double_normal;
  next_float_normal = other.next_float_normal;
  initial_seed_ = other.initial_seed_;
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

}  // namespace lampas
