// Random numbers: making tensors of them, filling tensors in place, sampling, and dropout.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

using Gen = Generator*;
using DT = std::optional<DType>;
using DV = std::optional<Device>;
using MF = std::optional<MemoryFormat>;

Generator& from_or_default(Gen g) { return g ? *g : default_generator(); }
const RandomKernels& random_kernels(const Tensor& t) { return kernels(t.device()).random; }

// ---- filling memory ----

// The dimensions of a tensor in the order of its memory, outermost first.
std::vector<int64_t> memory_order(const Tensor& t) {
  std::vector<int64_t> order(static_cast<size_t>(t.ndim()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return t.strides()[a] > t.strides()[b]; });
  return order;
}
Tensor in_order(const Tensor& t, const std::vector<int64_t>& order) {
  IntVec sizes, strides;
  for (int64_t d : order) {
    sizes.push_back(t.sizes()[d]);
    strides.push_back(t.strides()[d]);
  }
  return alias(t, sizes, strides, t.offset());
}

// Calls f(memory, n, contiguous) for t's elements in the order of their addresses. A tensor with gaps or in another
// order is drawn beside and copied.
template <class F>
void draw(const Tensor& t, F&& f) {
  if (t.is_contiguous()) {
    f(t.data(), t.numel(), true);
    return;
  }
  check_no_overlap(t);
  Tensor ordered = in_order(t, memory_order(t));
  Tensor buffer = empty(ordered.sizes(), t.dtype(), t.device());
  f(buffer.data(), t.numel(), false);
  copy_data(ordered, buffer);
}

// A complex tensor's parts as a last dimension; a real tensor as it is.
Tensor parts(const Tensor& t) {
  if (!is_complex(t.dtype())) return t;
  IntVec sizes(t.sizes()), strides(t.strides());
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  Tensor a = alias(t);
  a->dtype = to_real(t.dtype());
  a->set_geometry(sizes, strides, t.offset() * 2);
  return a;
}

void fill_uniform(const Tensor& t, double from, double to, Gen g) {
  Tensor real = parts(t);
  draw(real,
       [&](void* p, int64_t n, bool) { random_kernels(t).uniform(p, real.dtype(), n, from, to, from_or_default(g)); });
}
void fill_normal(const Tensor& t, double mean, double std, Gen g) {
  CHECK(std >= 0, "normal expects std >= 0.0, but found std ", std);
  auto fill = [&](const Tensor& x, double m, double s) {
    draw(x, [&](void* p, int64_t n, bool contiguous) {
      random_kernels(t).normal(p, x.dtype(), n, m, s, from_or_default(g), contiguous);
    });
  };
  if (!is_complex(t.dtype())) return fill(t, mean, std);
  // The variance is shared by the two parts; the mean is real.
  fill(parts(t), 0, std * M_SQRT1_2);
  if (mean != 0) add(t, mean, 1, Out{Out::Inplace, &t});
}
void fill_integers(const Tensor& t, int64_t from, std::optional<int64_t> to, Gen g) {
  draw(t, [&](void* p, int64_t n, bool) {
    random_kernels(t).random_from_to(p, t.dtype(), n, from, to, from_or_default(g));
  });
}
void fill_bernoulli(const Tensor& t, double p, Gen g) {
  draw(t, [&](void* o, int64_t n, bool) { random_kernels(t).bernoulli(o, t.dtype(), n, p, from_or_default(g)); });
}
void fill_bernoulli(const Tensor& t, const Tensor& p, Gen g) {
  CHECK(can_broadcast(p.sizes(), t.sizes()), "bernoulli_: the probabilities' shape ", shown(p.sizes()),
        " does not broadcast to the shape ", shown(t.sizes()), " of the tensor to fill");
  NoGrad guard;
  auto order = memory_order(t);
  Tensor chance = expand(p, t.sizes());
  if (!t.is_contiguous()) chance = in_order(chance, order);
  chance = contiguous(chance);
  draw(t, [&](void* o, int64_t n, bool) {
    random_kernels(t).bernoulli_each(o, t.dtype(), n, chance.data(), chance.dtype(), from_or_default(g));
  });
}

// ---- in-place: the numbers do not depend on what was there, so its gradient is zero ----

template <class F>
Tensor fill_inplace(const char* node_name, const Tensor& t, F&& fill) {
  bool records = recording(t);
  check_inplace(t, records);
  {
    NoGrad guard;
    fill();
  }
  Ref<Node> n;
  if (records) {
    n = make_node(node_name, [](Back& b) { b.set(0, [&] { return zeros_like(b.grad()); }); }, 1, 1, 0);
    connect(n, {&t}, {}, {});
  }
  written_inplace(t, n);
  return t;
}

Tensor uniform_(const Tensor& t, double from, double to, Gen g) {
  return fill_inplace("UniformBackward0", t, [&] { fill_uniform(t, from, to, g); });
}
Tensor normal_(const Tensor& t, double mean, double std, Gen g) {
  return fill_inplace("NormalBackward0", t, [&] { fill_normal(t, mean, std, g); });
}
Tensor random_full(const Tensor& t, Gen g) {
  return fill_inplace("RandomBackward2", t, [&] {
    draw(t, [&](void* p, int64_t n, bool) { random_kernels(t).random_full(p, t.dtype(), n, from_or_default(g)); });
  });
}
Tensor random_to(const Tensor& t, int64_t to, Gen g) {
  return fill_inplace("RandomBackward1", t, [&] { fill_integers(t, 0, to, g); });
}
Tensor random_from_to(const Tensor& t, int64_t from, std::optional<int64_t> to, Gen g) {
  return fill_inplace("RandomBackward0", t, [&] { fill_integers(t, from, to, g); });
}
Tensor bernoulli_each(const Tensor& t, const Tensor& p, Gen g) {
  return fill_inplace("BernoulliBackward1", t, [&] { fill_bernoulli(t, p, g); });
}
Tensor bernoulli_(const Tensor& t, double p, Gen g) {
  return fill_inplace("BernoulliBackward2", t, [&] { fill_bernoulli(t, p, g); });
}
// Distributions of one parameter, and of two.
template <auto Kernel>
Tensor fill_one(const char* node, const Tensor& t, double a, Gen g) {
  return fill_inplace(node, t, [&] {
    draw(t, [&](void* p, int64_t n, bool) { (random_kernels(t).*Kernel)(p, t.dtype(), n, a, from_or_default(g)); });
  });
}
template <auto Kernel>
Tensor fill_two(const char* node, const Tensor& t, double a, double b, Gen g) {
  return fill_inplace(node, t, [&] {
    draw(t, [&](void* p, int64_t n, bool) { (random_kernels(t).*Kernel)(p, t.dtype(), n, a, b, from_or_default(g)); });
  });
}
Tensor exponential_(const Tensor& t, double lambda, Gen g) {
  return fill_one<&RandomKernels::exponential>("ExponentialBackward0", t, lambda, g);
}
Tensor geometric_(const Tensor& t, double p, Gen g) {
  return fill_one<&RandomKernels::geometric>("GeometricBackward0", t, p, g);
}
Tensor log_normal_(const Tensor& t, double mean, double std, Gen g) {
  return fill_two<&RandomKernels::log_normal>("LogNormalBackward0", t, mean, std, g);
}
Tensor cauchy_(const Tensor& t, double median, double sigma, Gen g) {
  return fill_two<&RandomKernels::cauchy>("CauchyBackward0", t, median, sigma, g);
}

// ---- new tensors ----

Device device_or(DV d) {
  Device device = d.value_or(Device{});
  if (device.is_cpu()) device.index = -1;
  return device;
}

// A new tensor, or the one given by out=, filled by `fill`.
template <class F>
Tensor make(const char* name, Ints size, DType standard, DT dtype, DV device, bool requires_grad, const Out& out,
            F&& fill) {
  if (!out.given()) {
    Tensor t = empty(size, dtype.value_or(standard), device_or(device));
    fill(t);
    if (requires_grad) set_requires_grad(t, true);
    return t;
  }
  const Tensor& t = *out.tensor;
  CHECK(!dtype || *dtype == t.dtype(), "dtype torch.", name_of(dtype.value_or(standard)),
        " does not match dtype of out parameter (torch.", name_of(t.dtype()), ")");
  check_out(name, out, false);
  checked_numel(size);
  if (!same(t.sizes(), size)) resize(t, size);
  fill(t);
  t.bump_version();
  return t;
}
Tensor rand_op(Ints size, Gen g, DT dtype, DV device, bool requires_grad, const Out& out) {
  return make("rand", size, default_dtype(), dtype, device, requires_grad, out,
              [&](const Tensor& t) { fill_uniform(t, 0, 1, g); });
}
Tensor randn_op(Ints size, Gen g, DT dtype, DV device, bool requires_grad, const Out& out) {
  return make("randn", size, default_dtype(), dtype, device, requires_grad, out,
              [&](const Tensor& t) { fill_normal(t, 0, 1, g); });
}
Tensor randint_low(int64_t low, int64_t high, Ints size, Gen g, DT dtype, DV device, bool requires_grad,
                   const Out& out) {
  return make("randint", size, DType::Int64, dtype, device, requires_grad, out,
              [&](const Tensor& t) { fill_integers(t, low, high, g); });
}
Tensor randint(int64_t high, Ints size, Gen g, DT dtype, DV device, bool requires_grad, const Out& out) {
  return randint_low(0, high, size, g, dtype, device, requires_grad, out);
}
Tensor randperm(int64_t n, Gen g, DT dtype, DV device, bool requires_grad, const Out& out) {
  return make("randperm", Ints(&n, 1), DType::Int64, dtype, device, requires_grad, out, [&](const Tensor& t) {
    draw(t, [&](void* p, int64_t count, bool) { random_kernels(t).randperm(p, t.dtype(), count, from_or_default(g)); });
  });
}
Tensor normal_size(double mean, double std, Ints size, Gen g, DT dtype, DV device, bool requires_grad, const Out& out) {
  return make("normal", size, default_dtype(), dtype, device, requires_grad, out,
              [&](const Tensor& t) { fill_normal(t, mean, std, g); });
}

template <class F>
Tensor make_like(const Tensor& like, DT dtype, DV device, bool requires_grad, MF format, F&& fill) {
  DType d = dtype.value_or(like.dtype());
  Device v = device ? device_or(device) : like.device();
  bool preserve =
      (!format || format == MemoryFormat::Preserve) && !like.is_contiguous() && is_dense(like.sizes(), like.strides());
  Tensor t = preserve ? empty_strided(like.sizes(), like.strides(), d, v) : empty(like.sizes(), d, v);
  if (format && format != MemoryFormat::Preserve) t = clone(t, format);
  fill(t);
  if (requires_grad) set_requires_grad(t, true);
  return t;
}
Tensor rand_like(const Tensor& x, Gen g, DT dtype, DV device, bool requires_grad, MF format) {
  return make_like(x, dtype, device, requires_grad, format, [&](const Tensor& t) { fill_uniform(t, 0, 1, g); });
}
Tensor randn_like(const Tensor& x, Gen g, DT dtype, DV device, bool requires_grad, MF format) {
  return make_like(x, dtype, device, requires_grad, format, [&](const Tensor& t) { fill_normal(t, 0, 1, g); });
}
Tensor randint_like_low(const Tensor& x, int64_t low, int64_t high, Gen g, DT dtype, DV device, bool requires_grad,
                        MF format) {
  return make_like(x, dtype, device, requires_grad, format, [&](const Tensor& t) { fill_integers(t, low, high, g); });
}
Tensor randint_like(const Tensor& x, int64_t high, Gen g, DT dtype, DV device, bool requires_grad, MF format) {
  return randint_like_low(x, 0, high, g, dtype, device, requires_grad, format);
}

// ---- samples whose parameters are tensors; gradients of the parameters are zero ----

// Records y as independent of its parameters.
void record_zero(const char* node, const TensorList& inputs, const Tensor& y) {
  std::vector<std::pair<IntVec, DType>> shapes;
  for (int i = 0; i < inputs.count; i++) shapes.push_back({inputs[i]->sizes, inputs[i].dtype()});
  record(node, inputs, {&y}, {}, [shapes = std::move(shapes)](Back& b) {
    if (!b.grad().defined()) return;
    for (int i = 0; i < int(shapes.size()); i++)
      b.set(i, [&] { return zeros(shapes[size_t(i)].first, shapes[size_t(i)].second, b.grad().device()); });
  });
}

// Computes into a new tensor of `dtype`, delivered to out= if that is given.
template <class F>
Tensor sample(const char* name, const char* node, const TensorList& inputs, bool records, Ints sizes, DType dtype,
              Device device, const Out& out, F&& fill) {
  if (out.given()) {
    check_out(name, out, records);
    CHECK(out.tensor->dtype() == dtype, name, ": expected out of dtype torch.", name_of(dtype), ", got torch.",
          name_of(out.tensor->dtype()));
  }
  Tensor y = empty(sizes, dtype, device);
  {
    NoGrad guard;
    fill(y);
  }
  if (out.given()) {
    deliver(out, y);
    out.tensor->bump_version();
    return *out.tensor;
  }
  if (records && node) record_zero(node, inputs, y);
  return y;
}

void check_std(const Tensor& std) {
  CHECK(!is_complex(std.dtype()), "normal expects standard deviation to be non-complex, got torch.",
        name_of(std.dtype()));
  if (std.is_meta() || std.numel() == 0) return;
  NoGrad guard;
  CHECK(!item(sum(lt(std, 0))).to_bool(),
        "normal expects all elements of std >= 0.0: the given tensor has a negative one");
}
Tensor normal_tensors(const Tensor& mean, const Tensor& std, Gen g, const Out& out) {
  check_std(std);
  IntVec sizes = broadcast(mean.sizes(), std.sizes());
  return sample("normal", "NormalBackward3", {&mean, &std}, recording(mean, std), sizes, mean.dtype(), mean.device(),
                out, [&](const Tensor& y) {
                  fill_normal(y, 0, 1, g);
                  Out here{Out::Inplace, &y};
                  mul(y, std, here);
                  add(y, mean, 1, here);
                });
}
Tensor normal_mean(const Tensor& mean, double std, Gen g, const Out& out) {
  return sample("normal", "NormalBackward1", {&mean}, recording(mean), mean.sizes(), mean.dtype(), mean.device(), out,
                [&](const Tensor& y) {
                  fill_normal(y, 0, std, g);
                  add(y, mean, 1, Out{Out::Inplace, &y});
                });
}
Tensor normal_std(double mean, const Tensor& std, Gen g, const Out& out) {
  check_std(std);
  return sample("normal", "NormalBackward2", {&std}, recording(std), std.sizes(), std.dtype(), std.device(), out,
                [&](const Tensor& y) {
                  fill_normal(y, 0, 1, g);
                  Out here{Out::Inplace, &y};
                  mul(y, std, here);
                  add(y, mean, 1, here);
                });
}
Tensor bernoulli_of(const Tensor& p, Gen g, const Out& out) {
  return sample("bernoulli", "BernoulliBackward0", {&p}, recording(p), p.sizes(),
                out.given() ? out.tensor->dtype() : p.dtype(), p.device(), out,
                [&](const Tensor& y) { fill_bernoulli(y, p, g); });
}
Tensor bernoulli_p(const Tensor& x, double p, Gen g) {
  return sample("bernoulli", "NotImplemented", {&x}, recording(x), x.sizes(), x.dtype(), x.device(), {},
                [&](const Tensor& y) { fill_bernoulli(y, p, g); });
}
Tensor poisson(const Tensor& rate, Gen g) {
  return sample("poisson", "PoissonBackward0", {&rate}, recording(rate), rate.sizes(), rate.dtype(), rate.device(), {},
                [&](const Tensor& y) {
                  Tensor r = contiguous(rate);
                  random_kernels(y).poisson(y.data(), r.data(), y.dtype(), y.numel(), from_or_default(g));
                });
}
Tensor multinomial(const Tensor& weights, int64_t samples, bool replacement, Gen g, const Out& out) {
  CHECK(weights.ndim() == 1 || weights.ndim() == 2, "prob_dist must be 1 or 2 dim, got ", weights.ndim(),
        " dimensions: each row of weights is one distribution");
  CHECK(is_floating(weights.dtype()),
        "multinomial only supports floating-point dtypes for input, got: ", name_of(weights.dtype()));
  CHECK(samples > 0, "cannot sample n_sample <= 0 samples, got ", samples);
  int64_t categories = weights.sizes()[weights.ndim() - 1], rows = weights.ndim() == 2 ? weights.sizes()[0] : 1;
  CHECK(replacement || samples <= categories,
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement: asked for ", samples, " of ",
        categories, "; pass replacement=True or ask for fewer");
  CHECK(categories <= (int64_t(1) << 24), "number of categories cannot exceed 2^24, got ", categories);
  IntVec sizes = weights.ndim() == 2 ? IntVec{rows, samples} : IntVec{samples};
  bool transposed = weights.ndim() == 2 && !weights.is_contiguous() && is_dense(weights.sizes(), weights.strides());
  return sample("multinomial", nullptr, {&weights}, false, sizes, DType::Int64, weights.device(), out,
                [&](const Tensor& y) {
                  Tensor w = contiguous(weights);
                  random_kernels(y).multinomial(y.data<int64_t>(), w.data(), w.dtype(), rows, categories, samples,
                                                replacement, from_or_default(g), transposed);
                });
}

// ---- dropout ----

void check_probability(double p) {
  CHECK(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
}

// Numbers in x's deferred order, drawn in the order of the indices: the mask then meets x without a change of order.
Tensor in_order_of(const Tensor& x, const Tensor& noise) {
  if (x.order() != Order::ChannelsLast || !same(x.sizes(), noise.sizes())) return noise;
  int64_t n = x.sizes()[0], c = x.sizes()[1], space = n && c ? x.numel() / (n * c) : 0;
  Tensor y = empty(x.sizes(), noise.dtype(), noise.device());
  int64_t sizes[3] = {n, c, space}, theirs[3] = {c * space, 1, c};
  copy_data(alias(y, sizes, theirs, 0), alias(noise, sizes, contiguous_strides(sizes), 0));
  y->storage->order = x.order();
  return y;
}

enum class What : uint8_t { Elements, Features, Alpha, FeaturesAlpha };

// What x is multiplied with, and what is added (for the forms that keep mean and variance; undefined otherwise).
std::pair<Tensor, Tensor> dropout_noise(const Tensor& x, double p, What what) {
  NoGrad guard;
  Tensor noise;
  if (what == What::Features || what == What::FeaturesAlpha) {
    CHECK(x.ndim() >= 2, "Feature dropout requires at least 2 dimensions in the input, got the shape ",
          shown(x.sizes()));
    IntVec sizes(x.ndim(), 1);
    sizes[0] = x.sizes()[0];
    sizes[1] = x.sizes()[1];
    noise = empty(sizes, x.dtype(), x.device());
  } else {
    noise = empty_preserving(x, x.dtype());
  }
  fill_bernoulli(noise, 1 - p, nullptr);
  if (what == What::Elements || what == What::Features) {
    div(noise, 1 - p, std::nullopt, Out{Out::Inplace, &noise});
    return {in_order_of(x, noise), Tensor()};
  }
  // SELU's saturation value takes the place of a dropped number, and an affine map restores mean 0 and variance 1.
  constexpr double alpha = 1.7580993408473766;
  double a = 1 / std::sqrt((alpha * alpha * p + 1) * (1 - p));
  Tensor shift = add(noise, -1);
  mul(shift, alpha * a, Out{Out::Inplace, &shift});
  add(shift, alpha * a * p, 1, Out{Out::Inplace, &shift});
  mul(noise, a, Out{Out::Inplace, &noise});
  return {in_order_of(x, noise), in_order_of(x, shift)};
}

template <What what, bool inplace>
Tensor dropout(const Tensor& x, double p, bool train) {
  check_probability(p);
  if (p == 0 || !train || x.numel() == 0) return x;
  Out out = inplace ? Out{Out::Inplace, &x} : Out{};
  if (p == 1) return mul(x, zeros({}, x.dtype(), x.device()), out);
  auto [scale, shift] = dropout_noise(x, p, what);
  Tensor y = mul(x, scale, out);
  return shift.defined() ? add(y, shift, 1, out) : y;
}

std::tuple<Tensor, Tensor> native_dropout(const Tensor& x, double p, std::optional<bool> train) {
  check_probability(p);
  Tensor mask = empty(x.sizes(), DType::Bool, x.device()), y;
  double scale = p == 1 ? 0 : 1 / (1 - p);
  {
    NoGrad guard;
    if (!train.value_or(true) || x.numel() == 0) {
      scale = 1;
      fill_data(mask, 1);
      y = clone(x);
    } else {
      fill_bernoulli(mask, 1 - p, nullptr);
      y = mul(x, mul(to(mask, x.dtype()), scale));
    }
  }
  if (recording(x))
    record("NativeDropoutBackward0", {&x}, {&y, &mask}, {{"result1", &mask}}, [scale](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return mul(mul(b.grad(), b.saved(0)), scale); });
    });
  return {y, mask};
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool train) { return dropout<What::Elements, false>(x, p, train); }

void register_random() {
#define FACTORY "Generator? generator=None, dtype? dtype=None, device? device=None, bool requires_grad=False) -> Tensor"
#define LIKE                                                                                                     \
  "Generator? generator=None, dtype? dtype=None, device? device=None, bool requires_grad=False, memory_format? " \
  "memory_format=None) -> Tensor"
#define DRAW "*, Generator? generator=None) -> Tensor"
  op<&rand_op>("rand(int[] size, *, " FACTORY, Function | OutForm, "numbers uniform in [0, 1)");
  op<&randn_op>("randn(int[] size, *, " FACTORY, Function | OutForm, "numbers of the standard normal distribution");
  op<&randint>("randint(int high, int[] size, *, " FACTORY, Function | OutForm,
               "integers uniform in [low, high); low is 0 unless given");
  op<&randint_low>("randint(int low, int high, int[] size, *, " FACTORY, Function | OutForm);
  op<&randperm>("randperm(int n, *, " FACTORY, Function | OutForm, "the integers 0 .. n-1 in random order");
  op<&normal_tensors>("normal(Tensor mean, Tensor std, " DRAW, Function | OutForm,
                      "normal numbers with a mean and standard deviation for each, or one of them for all");
  op<&normal_mean>("normal(Tensor mean, float std=1.0, " DRAW, Function | OutForm);
  op<&normal_std>("normal(float mean, Tensor std, " DRAW, Function | OutForm);
  op<&normal_size>("normal(float mean, float std, int[] size, *, " FACTORY, Function | OutForm);
  op<&rand_like>("rand_like(Tensor input, *, " LIKE, Function, "numbers uniform in [0, 1), shaped like input");
  op<&randn_like>("randn_like(Tensor input, *, " LIKE, Function, "standard normal numbers, shaped like input");
  op<&randint_like>("randint_like(Tensor input, int high, *, " LIKE, Function,
                    "integers uniform in [low, high), shaped like input");
  op<&randint_like_low>("randint_like(Tensor input, int low, int high, *, " LIKE, Function);
  op<&bernoulli_of>("bernoulli(Tensor input, " DRAW, kUsual | OutForm, "1 with the probability input holds, else 0");
  op<&bernoulli_p>("bernoulli(Tensor input, float p, " DRAW, kUsual);
  op<&multinomial>("multinomial(Tensor input, int num_samples, bool replacement=False, " DRAW, kUsual | OutForm,
                   "indices drawn with probability proportional to a row's weights");
  op<&poisson>("poisson(Tensor input, Generator? generator=None) -> Tensor", Function,
               "counts of the Poisson distribution with the rates input holds");

  op<&bernoulli_each>("bernoulli_(Tensor input, Tensor p, " DRAW, Method, "1 with probability p, else 0");
  op<&bernoulli_>("bernoulli_(Tensor input, float p=0.5, " DRAW, Method);
  op<&uniform_>("uniform_(Tensor input, float from=0.0, float to=1.0, " DRAW, Method, "numbers uniform in [from, to)");
  op<&normal_>("normal_(Tensor input, float mean=0.0, float std=1.0, " DRAW, Method,
               "numbers of a normal distribution");
  op<&random_full>("random_(Tensor input, " DRAW, Method, "integers: all the dtype holds exactly, or in [from, to)");
  op<&random_to>("random_(Tensor input, int to, " DRAW, Method);
  op<&random_from_to>("random_(Tensor input, int from, int? to, " DRAW, Method);
  op<&exponential_>("exponential_(Tensor input, float lambd=1.0, " DRAW, Method,
                    "numbers of density lambd * exp(-lambd x)");
  op<&geometric_>("geometric_(Tensor input, float p, " DRAW, Method, "trials until the first success of probability p");
  op<&log_normal_>("log_normal_(Tensor input, float mean=1.0, float std=2.0, " DRAW, Method, "exp of normal numbers");
  op<&cauchy_>("cauchy_(Tensor input, float median=0.0, float sigma=1.0, " DRAW, Method,
               "numbers of a Cauchy distribution");

#define DROP "(Tensor input, float p, bool train) -> Tensor"
  op<&dropout<What::Elements, false>>("dropout" DROP, Function, "zero with probability p, else input / (1 - p)");
  op<&dropout<What::Elements, true>>("dropout_" DROP, Function);
  op<&dropout<What::Features, false>>("feature_dropout" DROP, Function, "dropout of whole channels");
  op<&dropout<What::Features, true>>("feature_dropout_" DROP, Function);
  op<&dropout<What::Alpha, false>>("alpha_dropout" DROP, Function,
                                   "dropout that keeps mean 0 and variance 1 of SELU networks");
  op<&dropout<What::Alpha, true>>("alpha_dropout_" DROP, Function);
  op<&dropout<What::FeaturesAlpha, false>>("feature_alpha_dropout" DROP, Function, "alpha dropout of whole channels");
  op<&dropout<What::FeaturesAlpha, true>>("feature_alpha_dropout_" DROP, Function);
  op<&native_dropout>("native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)", Function,
                      "the result of dropout and its mask");
#undef FACTORY
#undef LIKE
#undef DRAW
#undef DROP
}

}  // namespace lampas
