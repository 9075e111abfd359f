// The Mersenne Twister and the generator object around it, with PyTorch's stream and its byte layout of a state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

namespace lampas {

// MT19937: M. Matsumoto, T. Nishimura, "Mersenne Twister: a 623-dimensionally equidistributed uniform pseudo-random
// number generator", ACM TOMACS 8(1), 1998. Seeding is the authors' init_genrand of 2002.
struct Mt19937 {
  static constexpr int kWords = 624;

  explicit Mt19937(uint32_t seed = 5489) { reseed(seed); }
  void reseed(uint32_t seed);

  uint32_t operator()() {
    if (available() == 0) refill();
    --left;
    return temper(state[next++]);
  }
  // The next n words; the same words that n single calls would give.
  void draw(uint32_t* out, int64_t n);
  void skip(int64_t n);

  static constexpr uint32_t temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }

  uint32_t state[kWords];
  int left = 1;  // words left in this block, plus one: a saved state carries it in this form
  int next = 0;  // where in the block the next word stands

 private:
  int available() const { return left - 1 < kWords - next ? left - 1 : kWords - next; }
  void refill();
};

// A stream of random numbers. Fill functions (cpu/random.h) hold `mutex` while they draw.
class Generator {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721;
  static constexpr size_t kStateBytes = 5056;

  explicit Generator(uint64_t seed = kDefaultSeed) { manual_seed(seed); }
  // Takes the stream and the cached samples of another generator; the mutex stays its own.
  Generator(const Generator& other) { copy_from(other); }
  Generator& operator=(const Generator&) = delete;

  // Starts the stream of `seed` (its low 32 bits choose the stream) and forgets cached samples.
  void manual_seed(uint64_t seed);
  // Seeds from the operating system's entropy; returns the seed.
  uint64_t seed();
  uint64_t initial_seed() const { return initial_seed_; }

  uint32_t random() { return engine(); }
  // Two words, the first one high.
  uint64_t random64() {
    uint64_t high = engine();
    return high << 32 | engine();
  }

  // The state in PyTorch's layout: `out` has kStateBytes bytes.
  void get_state(uint8_t* out) const;
  // Accepts what get_state of either library wrote. Raises RuntimeError for another size or an impossible state, and
  // leaves the generator as it was.
  void set_state(const uint8_t* in, size_t bytes);
  void copy_from(const Generator& other);

  Mt19937 engine;
  // The second sample of the last Box-Muller pair.
  std::optional<double> next_double_normal;
  std::optional<float> next_float_normal;
  mutable std::mutex mutex;

 private:
  uint64_t initial_seed_ = kDefaultSeed;
};

// The process-wide generator that functions use when none is given.
Generator& default_generator();

}  // namespace lampas
