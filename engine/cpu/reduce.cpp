// One driver for all reductions: it sorts the dimensions into kept and reduced ones, walks memory in the order it lies
// in, and hands runs to a reducer, which knows nothing of shapes.
#include "cpu/reduce.h"

#include <algorithm>

#include "core/threads.h"
#include "cpu/gemm_kernel.h"
#include "cpu/loops.h"
#include "cpu/reducers.h"
#include "cpu/strided.h"

namespace lampas::cpu {

namespace {

constexpr int64_t kStage = 4096;   // elements converted at a time
constexpr int64_t kChunk = 65536;  // elements of one part of a reduction split among threads

struct Dim {
  int64_t size, in, out;
};  // `in` in bytes, `out` in results

struct Plan {
  int kept_count = 0, reduced_count = 0;
  Dim kept[65], reduced[65];  // innermost first
  int64_t outputs = 1, count = 1;
  bool columns = false;  // the innermost kept dimension is the one closest in memory: whole rows at a time
};

void append(Dim* dims, int& n, Dim d, bool check_out) {
  if (d.size == 1) return;
  if (n > 0 && d.in == dims[n - 1].in * dims[n - 1].size &&
      (!check_out || d.out == dims[n - 1].out * dims[n - 1].size)) {
    dims[n - 1].size *= d.size;
    return;
  }
  dims[n++] = d;
}

Plan make_plan(const ReduceCall& call, bool positional) {
  Plan plan;
  const int64_t item = int64_t(item_size(call.in_type));
  Dim reduced[65];
  int n = 0;
  for (int d = call.ndim - 1; d >= 0; d--) {
    if (call.mask >> d & 1) {
      plan.count *= call.sizes[d];
      reduced[n++] = {call.sizes[d], call.strides[d] * item, 0};
    } else {
      append(plan.kept, plan.kept_count, {call.sizes[d], call.strides[d] * item, plan.outputs}, true);
      plan.outputs *= call.sizes[d];
    }
  }
  // A complex sum is the sums of two interleaved rows of real numbers.
  if (is_complex(call.compute) && call.op != Rd::Prod) {
    for (int i = 0; i < plan.kept_count; i++) plan.kept[i].out *= 2;
    std::copy_backward(plan.kept, plan.kept + plan.kept_count, plan.kept + plan.kept_count + 1);
    plan.kept[0] = {2, item / 2, 1};
    plan.kept_count++;
    plan.outputs *= 2;
  }
  auto distance = [](const Dim& d) { return d.in == 0 ? std::numeric_limits<int64_t>::max() : d.in; };
  if (!positional)
    std::stable_sort(reduced, reduced + n, [&](const Dim& a, const Dim& b) { return distance(a) < distance(b); });
  for (int i = 0; i < n; i++) append(plan.reduced, plan.reduced_count, reduced[i], false);
  if (plan.reduced_count == 0) plan.reduced[plan.reduced_count++] = {plan.count, item, 0};
  int nearest = -1;
  for (int i = 0; i < plan.kept_count; i++)
    if (nearest < 0 || distance(plan.kept[i]) < distance(plan.kept[nearest])) nearest = i;
  // Short rows cost more to start and to fold than to add up: they are turned into columns, too.
  const bool short_rows = plan.count <= 32 && plan.reduced_count == 1 && nearest >= 0 && plan.kept[nearest].size >= 64;
  if (nearest >= 0 && (short_rows || distance(plan.kept[nearest]) < distance(plan.reduced[0]))) {
    plan.columns = true;
    std::rotate(plan.kept, plan.kept + nearest, plan.kept + nearest + 1);
  }
  return plan;
}

// Offsets of element `index` (dimension 0 innermost).
void locate(const Dim* dims, int n, int64_t index, int64_t& in, int64_t& out) {
  for (int i = 0; i < n; i++) {
    const bool outermost = i == n - 1;
    int64_t k = outermost ? index : index % dims[i].size;
    if (!outermost) index /= dims[i].size;
    in += k * dims[i].in;
    out += k * dims[i].out;
  }
}

// Visits elements [begin, end) as runs along dimension 0: visit(offset, length).
template <class F>
void walk(const Dim* dims, int n, int64_t begin, int64_t end, F&& visit) {
  while (begin < end) {
    int64_t offset = 0, unused = 0;
    locate(dims, n, begin, offset, unused);
    int64_t length = std::min(dims[0].size - begin % dims[0].size, end - begin);
    visit(offset, length);
    begin += length;
  }
}

void gather(const char* from, int64_t stride, char* to, int64_t n, size_t size) {
  dispatch_size(size, [&]<class T>(TypeTag<T>) { gather_run(from, stride, reinterpret_cast<T*>(to), n); });
}

struct Job {
  const ReduceCall& call;
  const Plan& plan;
  const Reducer* r;
  size_t in_size, size;  // of an element as it is stored and as the reducer takes it
  ConvertFn convert;     // null: the same type

  Job(const ReduceCall& c, const Plan& pl, const Reducer& reducer) : call(c), plan(pl), r(&reducer) {
    bool split = is_complex(c.compute) && c.op != Rd::Prod;
    DType stored = split ? to_real(c.in_type) : c.in_type;
    in_size = item_size(stored);
    size = item_size(r->type);
    convert = stored == r->type ? nullptr : converter(stored, r->type);
  }

  // n elements `stride` bytes apart, as the reducer takes them.
  void fetch(const char* from, int64_t stride, char* to, int64_t n) const {
    if (stride == int64_t(in_size)) {
      if (convert)
        convert(from, to, n);
      else
        std::memcpy(to, from, n * in_size);
      return;
    }
    if (!convert) return gather(from, stride, to, n, in_size);
    alignas(64) char raw[1024 * 16];
    for (int64_t i = 0; i < n; i += 1024) {
      int64_t m = std::min<int64_t>(1024, n - i);
      gather(from + i * stride, stride, raw, m, in_size);
      convert(raw, to + i * int64_t(size), m);
    }
  }

  void row(const char* x, int64_t begin, int64_t end, void* state, const void* centre) const {
    const Dim& inner = plan.reduced[0];
    const auto direct = convert                            ? nullptr
                        : inner.in == int64_t(in_size)     ? r->row
                        : inner.in == 2 * int64_t(in_size) ? r->every_second
                                                           : nullptr;
    if (direct && plan.reduced_count == 1)
      return direct(call.p, x + begin * inner.in, end - begin, begin, state, centre);
    if (direct && inner.size >= 256) {
      walk(plan.reduced, plan.reduced_count, begin, end, [&](int64_t offset, int64_t n) {
        direct(call.p, x + offset, n, begin, state, centre);
        begin += n;
      });
      return;
    }
    alignas(64) char buffer[kStage * 16];
    int64_t used = 0;
    auto flush = [&] {
      r->row(call.p, buffer, used, begin, state, centre);
      begin += used;
      used = 0;
    };
    walk(plan.reduced, plan.reduced_count, begin, end, [&](int64_t offset, int64_t n) {
      while (n > 0) {
        int64_t m = std::min(n, kStage - used);
        fetch(x + offset, inner.in, buffer + used * int64_t(size), m);
        used += m;
        offset += m * inner.in;
        n -= m;
        if (used == kStage) flush();
      }
    });
    if (used) flush();
  }

  // n rows of m elements, `step` bytes apart, as m rows of n.
  template <class T>
  static void turn(const char* x, int64_t step, char* to, int64_t m, int64_t n) {
    gemm_detail::transpose<T>(n, m, reinterpret_cast<const T*>(x), step / int64_t(sizeof(T)), reinterpret_cast<T*>(to),
                              n);
  }

  void tile(const char* x, int64_t stride, int64_t rows, int64_t n, int64_t position, void* states,
            const void* centres) const {
    int64_t step = plan.kept[0].in;
    if (!convert && step == int64_t(in_size)) return r->columns(call.p, x, stride, rows, n, position, states, centres);
    alignas(64) char buffer[kStage * 16];
    int64_t most = std::max<int64_t>(1, kStage / n);
    for (int64_t i = 0; i < rows; i += most) {
      int64_t m = std::min(most, rows - i);
      if (step == int64_t(in_size) && stride == n * step)
        fetch(x + i * stride, step, buffer, m * n);
      else if (stride == int64_t(in_size) && !convert && m >= 4 && (in_size == 4 || in_size == 8))
        (in_size == 4 ? turn<float> : turn<double>)(x + i * stride, step, buffer, m, n);
      else
        for (int64_t k = 0; k < m; k++) fetch(x + (i + k) * stride, step, buffer + k * n * int64_t(size), n);
      r->columns(call.p, buffer, n * int64_t(size), m, n, position + i, states, centres);
    }
  }

  void columns(const char* x, int64_t n, int64_t begin, int64_t end, void* states, const void* centres) const {
    walk(plan.reduced, plan.reduced_count, begin, end, [&](int64_t offset, int64_t rows) {
      const char* at = x + offset;
      int64_t stride = plan.reduced[0].in, position = begin;
      begin += rows;
      int64_t k = 512 / n;
      if (!r->positional && k >= 2 && rows >= 4 * k && plan.kept[0].in == int64_t(in_size) &&
          stride == n * plan.kept[0].in) {
        // Short dense rows: k of them side by side make one long row.
        alignas(64) char many[512 * 16], many_centres[512 * 8];
        r->init(many, k * n);
        if (centres)
          for (int64_t i = 0; i < k; i++) std::memcpy(many_centres + i * n * int64_t(size), centres, n * size);
        tile(at, stride * k, rows / k, k * n, position, many, centres ? many_centres : nullptr);
        for (int64_t i = 0; i < k; i++) r->merge(states, many + i * n * int64_t(r->state_size), n);
        at += rows / k * k * stride;
        position += rows / k * k;
        rows %= k;
      }
      if (rows) tile(at, stride, rows, n, position, states, centres);
    });
  }
};

// Turns states into results of a type the converter knows; in place.
struct Finish {
  const ReduceCall& call;
  int64_t count;

  // `centres`: of Var the means, of LogSumExp the maxima, as the reducer took them.
  void operator()(void* states, int64_t n, const void* centres) const {
    double* s = static_cast<double*>(states);
    switch (call.op) {
      case Rd::Mean:
        for (int64_t i = 0; i < n; i++) s[i] /= double(count);
        break;
      case Rd::Var:
      case Rd::Std: {
        double freedom = std::max(0.0, double(count) - call.p);
        for (int64_t i = 0; i < n; i++) s[i] = call.op == Rd::Var ? s[i] / freedom : std::sqrt(s[i] / freedom);
        break;
      }
      case Rd::Norm:
        if (call.p == 2)
          for (int64_t i = 0; i < n; i++) s[i] = std::sqrt(s[i]);
        else if (call.p != 0 && call.p != 1 && !std::isinf(call.p))
          for (int64_t i = 0; i < n; i++) s[i] = std::pow(s[i], 1 / call.p);
        break;
      case Rd::LogSumExp:
        for (int64_t i = 0; i < n; i++)
          s[i] = std::log(s[i]) + (call.compute == DType::Float32 ? double(static_cast<const float*>(centres)[i])
                                                                  : static_cast<const double*>(centres)[i]);
        break;
      default:
        break;
    }
  }
};

class Driver {
 public:
  Driver(const ReduceCall& c, const Plan& plan, const Reducer& main, const Reducer* centre)
      : call_(c),
        plan_(plan),
        main_(c, plan, main),
        centre_(c, plan, centre ? *centre : main),
        centred_(centre),
        finish_{c, plan.count},
        split_out_(is_complex(c.compute) && c.op != Rd::Prod),
        out_type_(split_out_ ? to_real(c.out_type) : c.out_type) {
    width_ = plan.columns ? std::min(plan.kept[0].size, kColumns) : 64;
    blocks_ = plan.columns ? (plan.kept[0].size + width_ - 1) / width_ : 1;
    groups_ = plan.columns ? plan.outputs / plan.kept[0].size * blocks_ : plan.outputs;
    int64_t per_step = plan.columns ? width_ : 1;  // elements in one step along the reduced dimensions
    if (groups_ < 16 && plan.count * per_step * groups_ >= 2 * kChunk)
      part_ = std::max<int64_t>(1, kChunk / per_step);
    else
      part_ = std::max<int64_t>(1, plan.count);
    parts_ = std::max<int64_t>(1, (plan.count + part_ - 1) / part_);
  }

  void run() {
    Unlocked unlocked(plan_.outputs * plan_.count);
    if (parts_ > 1) return run_split();
    int64_t work = std::max<int64_t>(1, plan_.count * (plan_.columns ? width_ : 1));
    parallel_for(0, groups_, std::max<int64_t>(1, kGrain / work), [&](int64_t b, int64_t e) {
      alignas(64) char states[kColumns * 16], centres[kColumns * 8];
      if (plan_.columns) {
        for (int64_t g = b; g < e; g++) {
          Group group = column_group(g);
          if (centred_) {
            centre_.r->init(states, group.n);
            centre_.columns(group.x, group.n, 0, plan_.count, states, nullptr);
            make_centres(states, group, centres);
          }
          main_.r->init(states, group.n);
          main_.columns(group.x, group.n, 0, plan_.count, states, centred_ ? centres : nullptr);
          write(states, group, centres);
        }
        return;
      }
      for (int64_t g = b; g < e; g += width_) {
        Group group{nullptr, std::min(width_, e - g), g, 1};
        main_.r->init(states, group.n);
        for (int64_t i = 0; i < group.n; i++) {
          const char* x = row_start(g + i);
          char* state = states + i * int64_t(main_.r->state_size);
          if (centred_) {
            centre_.r->init(state, 1);
            centre_.row(x, 0, plan_.count, state, nullptr);
            make_centres(state, {x, 1, g + i, 1}, centres + i * int64_t(main_.size));
            main_.r->init(state, 1);
          }
          main_.row(x, 0, plan_.count, state, centred_ ? centres + i * int64_t(main_.size) : nullptr);
        }
        write(states, group, centres);
      }
    });
  }

 private:
  struct Group {
    const char* x;
    int64_t n, out, out_stride;  // outputs, and where they go
  };

  const char* row_start(int64_t output) const {
    int64_t in = 0, out = 0;
    locate(plan_.kept, plan_.kept_count, output, in, out);
    return static_cast<const char*>(call_.in) + in;
  }
  Group column_group(int64_t g) const {
    int64_t in = 0, out = 0, first = g % blocks_ * width_;
    locate(plan_.kept + 1, plan_.kept_count - 1, g / blocks_, in, out);
    return {static_cast<const char*>(call_.in) + in + first * plan_.kept[0].in,
            std::min(width_, plan_.kept[0].size - first), out + first * plan_.kept[0].out, plan_.kept[0].out};
  }
  Group group_of(int64_t g) const { return plan_.columns ? column_group(g) : Group{row_start(g), 1, g, 1}; }

  // Few outputs of many elements: fixed parts of the reduction, whatever the number of threads, merged in their order.
  void run_split() {
    size_t slot = size_t(width_) * 16;
    if (!plan_.columns) slot = 16;
    Scratch partial(size_t(groups_ * parts_) * slot),
        centre_store(size_t(groups_) * (plan_.columns ? size_t(width_) * 8 : 8));
    size_t centre_slot = plan_.columns ? size_t(width_) * 8 : 8;
    for (int pass = centred_ ? 0 : 1; pass < 2; pass++) {
      const Job& job = pass == 0 ? centre_ : main_;
      parallel_for(0, groups_ * parts_, 1, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; i++) {
          Group group = group_of(i / parts_);
          int64_t begin = i % parts_ * part_, end = std::min(begin + part_, plan_.count);
          void* states = partial.as<char>() + size_t(i) * slot;
          const void* centres =
              pass == 1 && centred_ ? centre_store.as<char>() + size_t(i / parts_) * centre_slot : nullptr;
          job.r->init(states, group.n);
          if (plan_.columns)
            job.columns(group.x, group.n, begin, end, states, centres);
          else
            job.row(group.x, begin, end, states, centres);
        }
      });
      for (int64_t g = 0; g < groups_; g++) {
        Group group = group_of(g);
        char* states = partial.as<char>() + size_t(g * parts_) * slot;
        char* centres = centre_store.as<char>() + size_t(g) * centre_slot;
        for (int64_t p = 1; p < parts_; p++) job.r->merge(states, states + size_t(p) * slot, group.n);
        if (pass == 0)
          make_centres(states, group, centres);
        else
          write(states, group, centres);
      }
    }
  }

  void make_centres(void* states, const Group& group, void* centres) const {
    double* s = static_cast<double*>(states);
    if (call_.op == Rd::LogSumExp) {
      for (int64_t i = 0; i < group.n; i++)
        if (std::isinf(s[i])) s[i] = 0;
    } else {
      for (int64_t i = 0; i < group.n; i++) s[i] /= double(plan_.count);
      if (call_.out2) put(s, DType::Float64, call_.out2, out_type_, group);
    }
    converter(DType::Float64, main_.r->type)(s, centres, group.n);
  }

  void write(void* states, const Group& group, const void* centres) const {
    if (main_.r->positional) {
      alignas(64) char values[kColumns * 8];
      int64_t positions[kColumns];
      const uint64_t* words = static_cast<const uint64_t*>(states);
      for (int64_t i = 0; i < group.n; i++) {
        std::memcpy(values + i * 8, words + 2 * i, 8);
        positions[i] = int64_t(words[2 * i + 1]);
      }
      if (call_.out) put(values, main_.r->state_type, call_.out, out_type_, group);
      put(positions, DType::Int64, call_.out2, DType::Int64, group);
      return;
    }
    finish_(states, group.n, centres);
    put(states, main_.r->state_type, call_.out, out_type_, group);
  }

  static void put(const void* from, DType type, void* to, DType out_type, const Group& group) {
    ConvertFn convert = converter(type, out_type);
    size_t size = item_size(out_type);
    char* at = static_cast<char*>(to) + group.out * int64_t(size);
    if (group.out_stride == 1) {
      convert(from, at, group.n);
      return;
    }
    alignas(64) char results[kColumns * 16];
    convert(from, results, group.n);
    dispatch_size(size, [&]<class T>(TypeTag<T>) {
      for (int64_t i = 0; i < group.n; i++)
        std::memcpy(at + i * group.out_stride * int64_t(size), results + i * int64_t(size), sizeof(T));
    });
  }

  const ReduceCall& call_;
  const Plan& plan_;
  Job main_, centre_;
  bool centred_;
  Finish finish_;
  bool split_out_;
  DType out_type_;
  int64_t width_, blocks_, groups_, part_, parts_;
};

}  // namespace

void reduce(const ReduceCall& call) {
  const Reducer* main = pick_reducer(call);
  Plan plan = make_plan(call, main->positional);
  if (plan.outputs == 0) return;
  Driver(call, plan, *main, pick_centre(call)).run();
}

}  // namespace lampas::cpu
