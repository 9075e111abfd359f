// A recurrent layer: for each step the recurrent product on weights packed once, and one pass over the gates. Where the
// weights fit a thread's cache, every thread owns rows of the batch through all steps and waits for nobody; the input's
// product goes step by step as well. Else it owns a range of hidden units, after the input's product for all steps at
// once: a step then needs a single barrier, as the pass over the gates follows the product of the same units.
#include "cpu/rnn.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "core/allocator.h"
#include "core/threads.h"
#include "cpu/fast_math.h"
#include "cpu/gemm.h"
#include "cpu/pair_panels.h"

namespace lampas::cpu {

namespace {

constexpr int64_t kStepWork = 1 << 18;  // multiply-adds of a step worth sharing among threads
constexpr int64_t kManyRows = 8;        // for which a step's products reach the registers' speed
// Bytes of weights: half of the second-level cache; more where a thread's rows use often what it loads again.
constexpr int64_t kFitting = 512 << 10, kLoadable = 4 << 20, kRowsPerLoad = 24;

// One row of one step. Pointers may be null where the cell has no such value.
template <class P, class T = Compute<P>>
struct Row {
  T* gates;  // forward: products in, values out; backward: saved values
  const P* h_prev;
  const T* c_prev;
  P* h;
  T* c;           // forward: results; backward: c is the saved one
  const P* gy;    // backward: the gradient of h from the output,
  const T* gh;    // and from the next step
  P* g_gates;     // backward: gradients of the products,
  T *carry, *gc;  // of h_prev besides the product's, and of c
};

template <class P, RnnCell cell>
void forward_row(const Row<P>& r, int64_t H, int64_t begin, int64_t end) {
  using T = Compute<P>;
  for_wide<P>(begin, end, [&](int64_t u, const auto& io) {
    T* g = r.gates + u;
    auto v0 = io.load(g);
    if constexpr (cell == RnnCell::Lstm) {
      auto i = simd::fast_sigmoid(v0), f = simd::fast_sigmoid(io.load(g + H)), n = simd::fast_tanh(io.load(g + 2 * H)),
           o = simd::fast_sigmoid(io.load(g + 3 * H));
      auto c = f * io.load(r.c_prev + u) + i * n;
      io.store(g, i), io.store(g + H, f), io.store(g + 2 * H, n), io.store(g + 3 * H, o);
      io.store(r.c + u, c);
      io.store(r.h + u, o * simd::fast_tanh(c));
    } else if constexpr (cell == RnnCell::Gru) {
      auto reset = simd::fast_sigmoid(io.load(g + H)), z = simd::fast_sigmoid(io.load(g + 2 * H));
      auto n = simd::fast_tanh(v0 + reset * io.load(g + 3 * H));
      io.store(g, n), io.store(g + H, reset), io.store(g + 2 * H, z);
      io.store(r.h + u, n + z * (io.load(r.h_prev + u) - n));
    } else {
      auto h = v0;
      if constexpr (cell == RnnCell::Tanh)
        h = simd::fast_tanh(v0);
      else
        h = (v0 > 0) | (v0 != v0) ? v0 : v0 - v0;
      io.store(g, h);
      io.store(r.h + u, h);
    }
  });
}

template <class P, RnnCell cell>
void backward_row(const Row<P>& r, int64_t H, int64_t begin, int64_t end) {
  using T = Compute<P>;
  for_wide<P>(begin, end, [&](int64_t u, const auto& io) {
    const T* s = r.gates + u;
    P* g = r.g_gates + u;
    auto dh = io.load(r.gh + u);
    if (r.gy) dh += io.load(r.gy + u);
    auto v0 = io.load(s);
    if constexpr (cell == RnnCell::Lstm) {
      auto f = io.load(s + H), n = io.load(s + 2 * H), o = io.load(s + 3 * H);
      auto tc = simd::fast_tanh(io.load(r.c + u));
      auto dc = io.load(r.gc + u) + dh * o * (1 - tc * tc);
      io.store(g, dc * n * v0 * (1 - v0));
      io.store(g + H, dc * io.load(r.c_prev + u) * f * (1 - f));
      io.store(g + 2 * H, dc * v0 * (1 - n * n));
      io.store(g + 3 * H, dh * tc * o * (1 - o));
      io.store(r.gc + u, dc * f);
    } else if constexpr (cell == RnnCell::Gru) {
      auto reset = io.load(s + H), z = io.load(s + 2 * H), product = io.load(s + 3 * H);
      auto dn = dh * (1 - z) * (1 - v0 * v0);
      io.store(g, dn);
      io.store(g + H, dn * product * reset * (1 - reset));
      io.store(g + 2 * H, dh * (io.load(r.h_prev + u) - v0) * z * (1 - z));
      io.store(g + 3 * H, dn * reset);
      io.store(r.carry + u, dh * z);
    } else if constexpr (cell == RnnCell::Tanh) {
      io.store(g, dh * (1 - v0 * v0));
    } else {
      io.store(g, v0 > 0 ? dh : v0 - v0);
    }
  });
}

inline void barrier(int threads) {
  if (threads > 1) {
#pragma omp barrier
  }
}

// out[j] (+)= the sum of column j; sums of sixteen rows are added up.
template <class P, class T>
void column_sums(const P* x, int64_t rows, int64_t columns, int64_t stride, T* out) {
  parallel_for(0, columns, std::max<int64_t>(64, kGrain / std::max<int64_t>(1, rows)), [&](int64_t b, int64_t e) {
    constexpr int64_t width = 256;
    for (int64_t j0 = b; j0 < e; j0 += width) {
      const int64_t n = std::min(width, e - j0);
      T total[width] = {};
      for (int64_t i0 = 0; i0 < rows; i0 += 16) {
        T part[width] = {};
        for (int64_t i = i0; i < std::min(rows, i0 + 16); i++)
          for (int64_t j = 0; j < n; j++) part[j] += T(x[i * stride + j0 + j]);
        for (int64_t j = 0; j < n; j++) total[j] += part[j];
      }
      std::copy(total, total + n, out + j0);
    }
  });
}

// P: of the states, the weights and the gradients of both, which products take; the gates, the cells and the biases are
// of what is computed in.
template <class P, RnnCell cell>
class Layer {
 public:
  explicit Layer(const RnnCall& q)
      : q_(q), layout_(rnn_layout(cell)), H_(q.hidden), S_(q.state), ld_(q.gate_stride), start_(size_t(q.steps) + 1) {
    for (int64_t t = 0; t < q.steps; t++) start_[size_t(t) + 1] = start_[size_t(t)] + q.batch_sizes[t];
    batch_ = q.batch_sizes[0];
    const int64_t gates = layout_.gates * H_, available = omp_in_parallel() ? 1 : num_threads();
    const auto worth = [&](int64_t work, int64_t most) {
      return int(std::clamp<int64_t>(work / kStepWork, 1, std::min(available, most)));
    };
    const int by_units = worth(batch_ * gates * S_, Matrix::count(H_));
    const int by_rows = worth(q.rows * gates * S_, std::max<int64_t>(1, batch_ / 4));
    const int64_t bytes = gates * (S_ + q.input) * int64_t(sizeof(P));
    const bool fitting = bytes <= (batch_ >= kRowsPerLoad * by_rows ? kLoadable : kFitting);
    by_rows_ = q.steps > 1 && batch_ >= kManyRows && fitting && by_rows >= by_units;
    threads_ = by_rows_ ? by_rows : by_units;
  }

  void forward() {
    const InputWeights input(*this);
    if (!by_rows_) project_input(input);
    const bool packs = kConverts || q_.steps > 1;  // else it would not be used again
    if (!packs) multiply_once();
    const int64_t per_gate = Matrix::elements(S_, H_);
    Scratch weights(packs ? size_t(layout_.gates * per_gate) * sizeof(P) : 1);
    Scratch projection(q_.w_hr ? size_t(Matrix::elements(H_, S_)) * sizeof(P) : 1);
    Scratch projected(kConverts && q_.w_hr ? size_t(batch_ * S_) * sizeof(T) : 1);
    const Matrix proj(projection.as<P>(), H_, S_);
    team([&](int thread, int count) {
      const Share packing = units_of(thread, count), part = by_rows_ ? rows_of(thread, count) : packing;
      Matrix gate[4];
      for (int k = 0; packs && k < layout_.gates; k++) {
        gate[k] = Matrix(weights.as<P>() + k * per_gate, S_, H_);
        gate[k].pack(packing.b0, packing.b1, in(q_.w_hh) + k * H_ * S_, 1, S_);
      }
      if (q_.w_hr) proj.pack(packing.p0, packing.p1, in(q_.w_hr), 1, H_);
      if (by_rows_) input.pack(thread, count), barrier(count);
      for (int64_t s = 0; s < q_.steps; s++) {
        const int64_t t = step(s), row = start_[size_t(t)], end = std::min(part.r1, q_.batch_sizes[t]);
        if (part.r0 >= end) continue;
        T* g = gates() + (by_rows_ && !q_.keeps ? 0 : row) * ld_;
        if (by_rows_) input.multiply(row + part.r0, end - part.r0, g + part.r0 * ld_);
        for (int k = 0; packs && k < layout_.gates; k++) {
          const bool adds = k < adding_gates();
          const T* bias = !adds && q_.b_hh ? numbers(q_.b_hh) + k * H_ + part.u0 : nullptr;
          each_previous(s, part.r0, end, in(q_.y), in(q_.h0), S_, [&](int64_t first, int64_t rows, const P* h) {
            gate[k].multiply(part.b0, part.b1, rows, h, S_, kTogether,
                             g + first * ld_ + (layout_.recurrent_slot + k) * H_ + part.u0, ld_, T(1),
                             adds ? T(1) : T(0), bias);
          });
        }
        P* h = (q_.w_hr ? out(q_.hiddens) : out(q_.y)) + row * H_;
        for (int64_t b = part.r0; b < end; b++) {
          Row<P> r{};
          r.gates = g + b * ld_;
          r.h = h + b * H_;
          r.h_prev = previous(s, b, in(q_.y), in(q_.h0), S_);
          if constexpr (cell == RnnCell::Lstm) {
            r.c = cells() + (row + b) * H_;
            r.c_prev = previous(s, b, numbers(q_.cells), numbers(q_.c0), H_);
          }
          forward_row<P, cell>(r, H_, part.u0, part.u1);
        }
        wait(count);
        if (q_.w_hr) {
          T* y = write_place<P, T>(out(q_.y) + row * S_, projected.as<T>());
          proj.multiply(part.p0, part.p1, end - part.r0, h + part.r0 * H_, H_, kTogether, y + part.r0 * S_ + part.s0,
                        S_, T(1), T(0));
          for (int64_t b = part.r0; b < end; b++)
            narrow_back(y + b * S_ + part.s0, part.s1 - part.s0, out(q_.y) + (row + b) * S_ + part.s0);
          wait(count);
        }
      }
    });
    last_states(in(q_.y), out(q_.hn), S_);
    if constexpr (cell == RnnCell::Lstm) last_states(numbers(q_.cells), static_cast<T*>(q_.cn), H_);
  }

  void backward() {
    const int64_t one = layout_.gates * H_;
    Scratch grad_gates(size_t(q_.rows * ld_) * sizeof(P)), grad_h(size_t(batch_ * S_) * sizeof(T));
    Scratch grad_c(size_t(batch_ * H_) * sizeof(T)), grad_hidden(q_.w_hr ? size_t(batch_ * H_) * sizeof(T) : 1);
    Scratch grad_y(q_.w_hr ? size_t(q_.rows * S_) * sizeof(P) : 1);
    P *gg = grad_gates.as<P>(), *gp = grad_y.as<P>();
    T *gh = grad_h.as<T>(), *gc = grad_c.as<T>(), *gm = grad_hidden.as<T>();
    start_gradient(gh, in(q_.ghn), batch_ * S_);
    if (cell == RnnCell::Lstm) start_gradient(gc, numbers(q_.gcn), batch_ * H_);
    Scratch weights(size_t(Matrix::elements(one, S_)) * sizeof(P));
    Scratch projection(q_.w_hr ? size_t(Matrix::elements(S_, H_)) * sizeof(P) : 1);
    const Matrix w(weights.as<P>(), one, S_), proj(projection.as<P>(), S_, H_);
    team([&](int thread, int count) {
      const Share packing = units_of(thread, count), part = by_rows_ ? rows_of(thread, count) : packing;
      w.pack(packing.p0, packing.p1, in(q_.w_hh), S_, 1);
      if (q_.w_hr) proj.pack(packing.b0, packing.b1, in(q_.w_hr), H_, 1);
      if (by_rows_) barrier(count);
      for (int64_t s = q_.steps; s-- > 0;) {
        const int64_t t = step(s), row = start_[size_t(t)], first = part.r0, end = std::min(part.r1, q_.batch_sizes[t]);
        if (first >= end) continue;
        if (q_.w_hr) {
          for (int64_t b = first; b < end; b++)
            for (int64_t j = part.s0; j < part.s1; j++)
              gp[(row + b) * S_ + j] = gh[b * S_ + j] + (q_.gy ? T(in(q_.gy)[(row + b) * S_ + j]) : T(0));
          wait(count);
          proj.multiply(part.b0, part.b1, end - first, gp + (row + first) * S_, S_, kTogether,
                        gm + first * H_ + part.u0, H_, T(1), T(0));
        }
        for (int64_t b = first; b < end; b++) {
          Row<P> r{};
          r.gates = gates() + (row + b) * ld_;
          r.g_gates = gg + (row + b) * ld_;
          r.gh = q_.w_hr ? gm + b * H_ : gh + b * S_;
          r.gy = q_.gy && !q_.w_hr ? in(q_.gy) + (row + b) * S_ : nullptr;
          r.h_prev = previous(s, b, in(q_.y), in(q_.h0), S_);
          if constexpr (cell == RnnCell::Lstm) {
            r.c = cells() + (row + b) * H_;
            r.c_prev = previous(s, b, numbers(q_.cells), numbers(q_.c0), H_);
            r.gc = gc + b * H_;
          }
          r.carry = gh + b * S_;
          backward_row<P, cell>(r, H_, part.u0, part.u1);
        }
        wait(count);
        w.multiply(part.p0, part.p1, end - first, gg + (row + first) * ld_ + layout_.recurrent_slot * H_, ld_,
                   kTogether, gh + first * S_ + part.s0, S_, T(1), cell == RnnCell::Gru ? T(1) : T(0));
      }
    });
    if (q_.gh0) std::transform(gh, gh + batch_ * S_, out(q_.gh0), [](T g) { return P(g); });
    if (q_.gc0) std::memcpy(q_.gc0, gc, size_t(batch_ * H_) * sizeof(T));
    weight_gradients(gg, gp);
  }

 private:
  using T = Compute<P>;
  using Matrix = typename PanelsOf<P>::type;
  static constexpr int64_t kC = Matrix::kColumns;
  static constexpr int kTogether = Matrix::kTogether;
  static constexpr bool kConverts = !std::is_same_v<P, T>;

  static const P* in(const void* p) { return static_cast<const P*>(p); }
  static P* out(void* p) { return static_cast<P*>(p); }
  static const T* numbers(const void* p) { return static_cast<const T*>(p); }
  T* gates() const { return static_cast<T*>(q_.gates); }
  T* cells() const { return static_cast<T*>(q_.cells); }
  int64_t step(int64_t s) const { return q_.reverse ? q_.steps - 1 - s : s; }
  // Gates whose recurrent product is added to the input's; the rest stays apart.
  int adding_gates() const { return cell == RnnCell::Gru ? 2 : layout_.gates; }

  // What a thread owns: rows of the batch, panels and units of the state's width, panels and columns of the result's.
  struct Share {
    int64_t r0, r1, b0, b1, u0, u1, p0, p1, s0, s1;
  };
  Share units_of(int64_t thread, int64_t count) const {
    const int64_t blocks = Matrix::count(H_), out_blocks = Matrix::count(S_);
    const int64_t b0 = blocks * thread / count, b1 = blocks * (thread + 1) / count;
    const int64_t p0 = out_blocks * thread / count, p1 = out_blocks * (thread + 1) / count;
    return {0, batch_, b0, b1, b0 * kC, std::min(H_, b1 * kC), p0, p1, p0 * kC, std::min(S_, p1 * kC)};
  }
  Share rows_of(int64_t thread, int64_t count) const {
    Share all = units_of(0, 1);
    all.r0 = batch_ * thread / count, all.r1 = batch_ * (thread + 1) / count;
    return all;
  }
  void wait(int count) const {
    if (!by_rows_) barrier(count);
  }

  // W_ih packed, for the products of single steps.
  class InputWeights {
   public:
    explicit InputWeights(const Layer& layer)
        : l_(layer), memory_(packs() ? size_t(2 * kC + l_.layout_.gates * l_.H_) * l_.q_.input * sizeof(P) : 1) {
      if (!packs()) return;
      bias_ = l_.input_bias();
      P* at = memory_.template as<P>();
      l_.each_input_block([&](int gate, int slot, int count) {
        parts_.push_back({Matrix(at, l_.q_.input, count * l_.H_), gate, slot});
        at += Matrix::elements(l_.q_.input, count * l_.H_);
      });
    }
    void pack(int64_t thread, int64_t count) const {
      for (const Part& p : parts_)
        pack_panels(p, p.panels.count() * thread / count, p.panels.count() * (thread + 1) / count);
    }
    // The gates of `rows` rows of the input.
    void multiply(int64_t row, int64_t rows, T* gates) const {
      for (const Part& p : parts_) multiply_panels(p, 0, p.panels.count(), row, rows, gates);
    }
    // Both for all rows, shared by all threads.
    void multiply_all(T* gates) const {
      for (const Part& p : parts_) {
        const int64_t work = l_.q_.rows * l_.q_.input * kC;
        parallel_for(0, p.panels.count(), std::max<int64_t>(1, kStepWork / work), [&](int64_t first, int64_t last) {
          pack_panels(p, first, last);
          multiply_panels(p, first, last, 0, l_.q_.rows, gates);
        });
      }
    }

   private:
    struct Part {
      Matrix panels;
      int gate, slot;
    };
    bool packs() const { return kConverts || l_.by_rows_; }
    void pack_panels(const Part& p, int64_t first, int64_t last) const {
      p.panels.pack(first, last, in(l_.q_.w_ih) + p.gate * l_.H_ * l_.q_.input, 1, l_.q_.input);
    }
    void multiply_panels(const Part& p, int64_t first, int64_t last, int64_t row, int64_t rows, T* gates) const {
      p.panels.multiply(first, last, rows, in(l_.q_.x) + row * l_.q_.input, l_.q_.input, kTogether,
                        gates + p.slot * l_.H_ + first * kC, l_.ld_, T(1), T(0),
                        bias_.empty() ? nullptr : bias_.data() + p.gate * l_.H_ + first * kC);
    }

    const Layer& l_;
    Scratch memory_;
    std::vector<T> bias_;
    std::vector<Part> parts_;
  };

  template <class F>
  void team(F&& f) {
    if (threads_ == 1) return f(0, 1);
#pragma omp parallel num_threads(threads_)
    f(omp_get_thread_num(), omp_get_num_threads());
  }

  // Blocks of W_ih's rows and the slots they go to, as far as they follow each other.
  template <class F>
  void each_input_block(F&& f) const {
    if constexpr (cell == RnnCell::Gru) {
      f(0, 1, 2);
      f(2, 0, 1);
    } else {
      f(0, 0, layout_.gates);
    }
  }

  // The state before step s, rows [begin, end): those of the previous step's, and initial ones of sequences that start
  // here.
  template <class F>
  void each_previous(int64_t s, int64_t begin, int64_t end, const P* states, const P* initial, int64_t width,
                     F&& f) const {
    int64_t old = begin;
    if (s > 0) {
      const int64_t t = step(s - 1);
      old = std::clamp(q_.batch_sizes[t], begin, end);
      if (old > begin) f(begin, old - begin, states + (start_[size_t(t)] + begin) * width);
    }
    if (old < end) f(old, end - old, initial + old * width);
  }
  template <class S>
  const S* previous(int64_t s, int64_t b, const S* states, const S* initial, int64_t width) const {
    if (s > 0)
      if (const int64_t t = step(s - 1); b < q_.batch_sizes[t]) return states + (start_[size_t(t)] + b) * width;
    return initial + b * width;
  }

  template <class S>
  void last_states(const S* states, S* last, int64_t width) const {
    int64_t t = q_.reverse ? 0 : q_.steps - 1;
    for (int64_t b = 0; b < batch_; b++) {
      t = q_.reverse ? 0 : q_.steps - 1;
      while (q_.batch_sizes[t] <= b) t--;
      std::memcpy(last + b * width, states + (start_[size_t(t)] + b) * width, size_t(width) * sizeof(S));
    }
  }

  template <class S>
  static void start_gradient(T* g, const S* from, int64_t n) {
    if (from)
      std::copy(from, from + n, g);
    else
      std::fill(g, g + n, T(0));
  }

  // What is added to the input's product: its bias, and where the recurrent product is added as well, that one's.
  std::vector<T> input_bias() const {
    std::vector<T> bias;
    if (q_.b_ih) {
      bias.assign(numbers(q_.b_ih), numbers(q_.b_ih) + layout_.gates * H_);
      for (int64_t j = 0; j < adding_gates() * H_; j++) bias[size_t(j)] += numbers(q_.b_hh)[j];
    }
    return bias;
  }

  void project_input(const InputWeights& input) const {
    if constexpr (kConverts) {
      input.multiply_all(gates());
    } else {
      const int64_t I = q_.input;
      const std::vector<T> bias = input_bias();
      each_input_block([&](int gate, int slot, int count) {
        gemm<T>({q_.rows, count * H_, I, in(q_.x), I, 1, in(q_.w_ih) + gate * H_ * I, 1, I, gates() + slot * H_, ld_, 1,
                 0, bias.empty() ? nullptr : bias.data() + gate * H_});
      });
    }
  }

  // The recurrent products of a single step.
  void multiply_once() const {
    if constexpr (!kConverts) {
      const int64_t one = layout_.gates * H_, added = adding_gates() * H_;
      T* g = gates() + layout_.recurrent_slot * H_;
      gemm<T>({batch_, added, S_, in(q_.h0), S_, 1, in(q_.w_hh), 1, S_, g, ld_, 1, 1});
      if (added < one)
        gemm<T>({batch_, one - added, S_, in(q_.h0), S_, 1, in(q_.w_hh) + added * S_, 1, S_, g + added, ld_, 1, 0,
                 q_.b_hh ? in(q_.b_hh) + added : nullptr});
    }
  }

  void weight_gradients(const P* gg, const P* gp) const {
    const int64_t I = q_.input, one = layout_.gates * H_, R = q_.rows;
    bool first = true;
    each_input_block([&](int gate, int slot, int count) {
      const P* g = gg + slot * H_;
      const int64_t n = count * H_;
      if (q_.gx)
        gemm<P>({R, I, n, g, ld_, 1, in(q_.w_ih) + gate * H_ * I, I, 1, out(q_.gx), I, 1, first ? 0.0f : 1.0f});
      if (q_.gw_ih) gemm<P>({n, I, R, g, 1, ld_, in(q_.x), I, 1, out(q_.gw_ih) + gate * H_ * I, I});
      if (q_.gb_ih) column_sums(g, R, n, ld_, static_cast<T*>(q_.gb_ih) + gate * H_);
      first = false;
    });
    const P* recurrent = gg + layout_.recurrent_slot * H_;
    if (q_.gb_hh) {
      if (q_.gb_ih && cell != RnnCell::Gru)
        std::memcpy(q_.gb_hh, q_.gb_ih, size_t(one) * sizeof(T));
      else
        column_sums(recurrent, R, one, ld_, static_cast<T*>(q_.gb_hh));
    }
    if (q_.gw_hh) {
      Scratch memory(size_t(R * S_) * sizeof(P));
      P* before = memory.as<P>();
      for (int64_t s = 0; s < q_.steps; s++)
        each_previous(s, 0, q_.batch_sizes[step(s)], in(q_.y), in(q_.h0), S_, [&](int64_t b, int64_t rows, const P* h) {
          std::memcpy(before + (start_[size_t(step(s))] + b) * S_, h, size_t(rows * S_) * sizeof(P));
        });
      gemm<P>({one, S_, R, recurrent, 1, ld_, before, S_, 1, out(q_.gw_hh), S_});
    }
    if (q_.gw_hr) gemm<P>({S_, H_, R, gp, 1, S_, in(q_.hiddens), H_, 1, out(q_.gw_hr), H_});
  }

  const RnnCall& q_;
  const RnnLayout layout_;
  const int64_t H_, S_, ld_;
  std::vector<int64_t> start_;
  int64_t batch_ = 0;
  int threads_ = 1;
  bool by_rows_ = false;
};

template <class F>
void with_layer(const RnnCall& q, F&& f) {
  if (q.steps == 0 || q.rows == 0) return;
  auto typed = [&]<class T>(TypeTag<T>) {
    switch (q.cell) {
      case RnnCell::Lstm:
        return f(Layer<T, RnnCell::Lstm>(q));
      case RnnCell::Gru:
        return f(Layer<T, RnnCell::Gru>(q));
      case RnnCell::Tanh:
        return f(Layer<T, RnnCell::Tanh>(q));
      default:
        return f(Layer<T, RnnCell::Relu>(q));
    }
  };
  if (q.type == DType::Float64) return typed(TypeTag<double>{});
#if defined(__AVX512BF16__)
  if (q.type == DType::BFloat16) return typed(TypeTag<BFloat16>{});
#endif
  typed(TypeTag<float>{});
}

}  // namespace

void rnn_forward(const RnnCall& q) {
  with_layer(q, [](auto&& layer) { layer.forward(); });
}
void rnn_backward(const RnnCall& q) {
  with_layer(q, [](auto&& layer) { layer.backward(); });
}

}  // namespace lampas::cpu
