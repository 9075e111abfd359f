// Normalisation: batch, group, instance, layer and RMS norm.
//
// One kernel forward and one backward for each kind. The backward pass of a backward pass differentiates the same
// formula made of ops.
#include "ops/activation.h"

namespace lampas {

namespace {

using X = const Tensor&;
const Tensor kNone;

const NormKernels& norm_kernels(X t) { return kernels(t.device()).activation.norm; }
void run(void (*kernel)(const NormCall&), const NormCall& call, int64_t work) {
  if (work == 0) return;
  Unlocked unlocked(work);
  kernel(call);
}

// Statistics, weights and their gradients are float32 for 16-bit activations.
DType stat_type(DType d) { return compute_type(d); }
Tensor as_stat(X t, DType activation) {
  if (!t.defined()) return t;
  NoGrad guard;
  return contiguous(to(t, stat_type(activation)));
}
void* address(X t) { return t.defined() ? t.data() : nullptr; }
Tensor as_type(X t, DType d) { return !t.defined() || t.dtype() == d ? t : to(t, d); }

void check_type(const char* op, X x) {
  CHECK_KIND(NotImplemented, is_floating(x.dtype()), '"', op, "\" not implemented for 'torch.", name_of(x.dtype()),
             "': convert the input to a floating dtype");
}
// Parameters have the input's type, or float32 with a 16-bit input.
void check_parameter(const char* op, const char* what, X x, X p) {
  if (!p.defined()) return;
  CHECK(p.dtype() == x.dtype() || p.dtype() == stat_type(x.dtype()), op,
        ": mixed dtype (CPU): expect parameter to have scalar type of ", name_of(stat_type(x.dtype())),
        " with an input of torch.", name_of(x.dtype()), "; ", what, " is torch.", name_of(p.dtype()));
}
void check_length(const char* op, const char* what, X p, int64_t channels) {
  CHECK(!p.defined() || p.numel() == channels, what, " should contain ", channels, " elements not ",
        p.defined() ? p.numel() : 0, ": ", op, " got an input of ", channels, " channels");
}

// ---- the formula, made of ops ----

// (x - mean) / std over `dims`, and the factor 1 / std; RMS norm does not subtract.
struct Normalized {
  Tensor value, rstd;
};
Normalized normalized(X x, Ints dims, double eps, bool centered) {
  Tensor d = centered ? x - mean(x, dims, true) : x;
  Tensor rstd = unary_op(Ew::Rsqrt, mean(d * d, dims, true) + eps);
  return {d * rstd, rstd};
}
// The gradient of x, given that of the normalized value.
Tensor through(const Normalized& n, X g, Ints dims, bool centered) {
  Tensor t = g - n.value * mean(g * n.value, dims, true);
  return (centered ? t - mean(g, dims, true) : t) * n.rstd;
}

// ---- batch norm ----

IntVec channel_dims(X x) {
  IntVec dims;
  for (int d = 0; d < x.ndim(); d++)
    if (d != 1) dims.push_back(d);
  return dims;
}
Tensor per_channel(X t, int ndim) {
  IntVec sizes(ndim, 1);
  sizes[1] = t.numel();
  return reshape(t, sizes);
}
ChannelShape channel_shape(X x, Order order) {
  auto [batch, channels, space] = extent_of(x.sizes());
  return {batch, channels, space, order};
}

struct BatchNormBackward {
  double eps;
  bool training;
  void operator()(Back& b) const {
    const Tensor& g = b.grad();
    if (!g.defined()) return;
    Tensor x = b.saved(0), weight = b.saved(1), mean_ = b.saved(2), rstd = b.saved(3);
    if (mode.grad) return composite(b, g, x, weight, mean_, rstd);
    const bool over = b.may_overwrite(0);
    Laid in = laid(x), gy = laid_in(g, in.order);
    DType stat = stat_type(x.dtype());
    Tensor w = as_stat(weight, x.dtype()), gw, gb;
    Laid gx;
    NormCall call{.type = x.dtype(), .x = in.data(), .gy = gy.data()};
    if (b.needs(0)) gx = gradient_laid(in, gy, over), call.gx = gx.data();
    if (b.needs(1)) gw = empty(mean_.sizes(), stat, x.device()), call.gweight = gw.data();
    if (b.needs(2)) gb = empty(mean_.sizes(), stat, x.device()), call.gbias = gb.data();
    call.weight = address(w);
    call.mean = mean_.data();
    call.rstd = rstd.data();
    call.shape = channel_shape(x, in.order);
    call.batch_statistics = training;
    if (x.numel() == 0) {
      if (gw.defined()) fill_data(gw, 0);
      if (gb.defined()) fill_data(gb, 0);
    }
    run(norm_kernels(x).channels_backward, call, x.numel());
    DType parameter = weight.defined() ? weight.dtype() : stat;
    b.set(0, [&] { return gx.tensor; });
    b.set(1, [&] { return as_type(gw, parameter); });
    b.set(2, [&] { return as_type(gb, parameter); });
  }

  void composite(Back& b, X grad, X input, X weight, X mean_, X rstd) const {
    DType stat = stat_type(input.dtype());
    Tensor x = as_type(input, stat), g = as_type(grad, stat), w = as_type(weight, stat);
    IntVec dims = channel_dims(x);
    Normalized n = training ? normalized(x, dims, eps, true)
                            : Normalized{(x - per_channel(mean_, x.ndim())) * per_channel(rstd, x.ndim()),
                                         per_channel(rstd, x.ndim())};
    b.set(0, [&] {
      Tensor scaled = w.defined() ? g * per_channel(w, x.ndim()) : g;
      return as_type(training ? through(n, scaled, dims, true) : scaled * n.rstd, input.dtype());
    });
    DType parameter = weight.defined() ? weight.dtype() : stat;
    b.set(1, [&] { return as_type(sum(g * n.value, dims), parameter); });
    b.set(2, [&] { return as_type(sum(g, dims), parameter); });
  }
};

// running = (1 - momentum) * running + momentum * value, in place.
void move_towards(X running, X value, double momentum, double correction) {
  if (!running.defined()) return;
  NoGrad guard;
  copy_data(running, add(mul(running, 1 - momentum), mul(value, momentum * correction)));
  running.bump_version();
}

std::tuple<Tensor, Tensor, Tensor> native_batch_norm(X x, X weight, X bias, X running_mean, X running_var,
                                                     bool training, double momentum, double eps) {
  constexpr const char* name = "batch_norm";
  check_type(name, x);
  int64_t channels = x.ndim() > 1 ? x.sizes()[1] : 0;
  check_length(name, "running_mean", running_mean, channels);
  check_length(name, "running_var", running_var, channels);
  check_length(name, "weight", weight, channels);
  check_length(name, "bias", bias, channels);
  CHECK(x.ndim() >= 2, name, ": expected an input of at least 2 dimensions (batch and channels), got shape ",
        shown(x.sizes()));
  CHECK(training || running_mean.defined(), "running_mean must be defined in evaluation mode");
  CHECK(training || running_var.defined(), "running_var must be defined in evaluation mode");
  check_parameter(name, "weight", x, weight);
  check_parameter(name, "bias", x, bias);
  check_parameter(name, "running_mean", x, running_mean);
  check_parameter(name, "running_var", x, running_var);

  DType stat = stat_type(x.dtype());
  Laid in = laid(x), y = empty_laid(x.sizes(), x.dtype(), x.device(), in.order, in.by_strides);
  Tensor w = as_stat(weight, x.dtype()), b = as_stat(bias, x.dtype()), mean_, rstd, variance;
  NormCall call{.type = x.dtype(), .x = in.data(), .weight = address(w), .bias = address(b), .eps = eps, .y = y.data()};
  call.shape = channel_shape(x, in.order);
  call.batch_statistics = training;
  if (training) {
    mean_ = empty(Ints(&channels, 1), stat, x.device());
    rstd = empty_like(mean_);
    variance = empty_like(mean_);
    call.variance = variance.data();
  } else {
    NoGrad guard;
    mean_ = as_stat(running_mean, x.dtype());
    // The running mean changes in place with the next batch; what is kept must not.
    if (mean_.is(running_mean)) mean_ = recording(x, weight, bias) ? clone_data(mean_) : mean_;
    rstd = unary_op(Ew::Rsqrt, as_stat(running_var, x.dtype()) + eps);
  }
  call.mean = mean_.data();
  call.rstd = rstd.data();
  run(norm_kernels(x).channels, call, x.numel());
  if (training && x.numel() > 0) {
    int64_t n = x.numel() / channels;
    move_towards(running_mean, mean_, momentum, 1);
    move_towards(running_var, variance, momentum, double(n) / double(n - 1));
  }
  if (recording(x, weight, bias))
    record("NativeBatchNormBackward0", {&x, &weight, &bias}, {&y.tensor},
           {{"input", &x}, {"weight", &weight}, {"result1", &mean_}, {"result2", &rstd}},
           BatchNormBackward{eps, training});
  return {y.tensor, mean_, rstd};
}

Tensor batch_norm(X x, X weight, X bias, X running_mean, X running_var, bool training, double momentum, double eps,
                  bool) {
  return std::get<0>(native_batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps));
}

std::tuple<Tensor, Tensor, Tensor> native_batch_norm_op(X x, X weight, X bias, X running_mean, X running_var,
                                                        bool training, double momentum, double eps) {
  auto [y, mean_, rstd] = native_batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps);
  int64_t none = 0;
  Tensor nothing = empty(Ints(&none, 1), mean_.dtype(), mean_.device());
  return {y, training ? mean_ : nothing, training ? rstd : nothing};
}

// ---- group norm ----

struct GroupNormBackward {
  int64_t groups;
  double eps;
  void operator()(Back& b) const {
    const Tensor& g = b.grad();
    if (!g.defined()) return;
    Tensor x = b.saved(0), weight = b.saved(1), mean_ = b.saved(2), rstd = b.saved(3);
    if (mode.grad) return composite(b, g, x, weight);
    const bool over = b.may_overwrite(0);
    Laid in = laid(x), gy = laid_in(g, in.order);
    DType stat = stat_type(x.dtype());
    int64_t channels = x.sizes()[1];
    Tensor w = as_stat(weight, x.dtype()), gw, gb;
    Laid gx;
    NormCall call{.type = x.dtype(), .x = in.data(), .gy = gy.data()};
    if (b.needs(0)) gx = gradient_laid(in, gy, over), call.gx = gx.data();
    if (b.needs(1)) gw = zeros(Ints(&channels, 1), stat, x.device()), call.gweight = gw.data();
    if (b.needs(2)) gb = zeros(Ints(&channels, 1), stat, x.device()), call.gbias = gb.data();
    call.weight = address(w);
    call.mean = mean_.data();
    call.rstd = rstd.data();
    call.shape = channel_shape(x, in.order);
    call.groups = groups;
    run(norm_kernels(x).channels_backward, call, x.numel());
    DType parameter = weight.defined() ? weight.dtype() : stat;
    b.set(0, [&] { return gx.tensor; });
    b.set(1, [&] { return as_type(gw, parameter); });
    b.set(2, [&] { return as_type(gb, parameter); });
  }

  void composite(Back& b, X grad, X input, X weight) const {
    DType stat = stat_type(input.dtype());
    IntVec full = input->sizes, rows{full[0], groups, -1}, dims{2}, all = channel_dims(input);
    if (input.numel() == 0) rows[2] = 0;
    Tensor x = reshape(as_type(input, stat), rows), g = as_type(grad, stat), w = as_type(weight, stat);
    Normalized n = normalized(x, dims, eps, true);
    b.set(0, [&] {
      Tensor scaled = w.defined() ? g * per_channel(w, input.ndim()) : g;
      return as_type(reshape(through(n, reshape(scaled, rows), dims, true), full), input.dtype());
    });
    DType parameter = weight.defined() ? weight.dtype() : stat;
    b.set(1, [&] { return as_type(sum(g * reshape(n.value, full), all), parameter); });
    b.set(2, [&] { return as_type(sum(g, all), parameter); });
  }
};

std::tuple<Tensor, Tensor, Tensor> group_norm_parts(X x, int64_t groups, X weight, X bias, double eps) {
  CHECK(x.ndim() >= 2, "Expected at least 2 dimensions for input tensor but received ", x.ndim());
  int64_t channels = x.sizes()[1];
  CHECK(groups > 0, "Expected num groups to be greater than 0, got ", groups);
  CHECK(channels % groups == 0,
        "Expected number of channels in input to be divisible by num_groups, but got input of shape ", shown(x.sizes()),
        " and num_groups=", groups);
  auto check_vector = [&](const char* what, X p) {
    CHECK(!p.defined() || (p.ndim() == 1 && p.numel() == channels), "Expected ", what,
          " to be a vector of size equal to the number of channels in input, but got ", what, " of shape ",
          shown(p.defined() ? p.sizes() : Ints()), " and input of shape ", shown(x.sizes()));
    check_parameter("group_norm", what, x, p);
  };
  check_vector("weight", weight);
  check_vector("bias", bias);
  check_type("group_norm", x);
  Laid in = laid(x), y = empty_laid(x.sizes(), x.dtype(), x.device(), in.order, in.by_strides);
  int64_t sizes[2] = {x.sizes()[0], groups};
  Tensor w = as_stat(weight, x.dtype()), b = as_stat(bias, x.dtype()),
         mean_ = zeros(sizes, stat_type(x.dtype()), x.device()), rstd = zeros_like(mean_);
  NormCall call{.type = x.dtype(),
                .x = in.data(),
                .weight = address(w),
                .bias = address(b),
                .eps = eps,
                .y = y.data(),
                .mean = mean_.data(),
                .rstd = rstd.data()};
  call.shape = channel_shape(x, in.order);
  call.groups = groups;
  run(norm_kernels(x).channels, call, x.numel());
  if (recording(x, weight, bias))
    record("NativeGroupNormBackward0", {&x, &weight, &bias}, {&y.tensor},
           {{"input", &x}, {"weight", &weight}, {"result1", &mean_}, {"result2", &rstd}},
           GroupNormBackward{groups, eps});
  return {y.tensor, mean_, rstd};
}
Tensor group_norm(X x, int64_t groups, X weight, X bias, double eps, bool) {
  return std::get<0>(group_norm_parts(x, groups, weight, bias, eps));
}
std::tuple<Tensor, Tensor, Tensor> native_group_norm(X x, X weight, X bias, int64_t, int64_t, int64_t, int64_t groups,
                                                     double eps) {
  return group_norm_parts(x, groups, weight, bias, eps);
}

// Batch norm of every sample by itself: group norm with one channel in a group, or with the running statistics.
Tensor instance_norm(X x, X weight, X bias, X running_mean, X running_var, bool use_input_stats, double momentum,
                     double eps, bool) {
  CHECK(use_input_stats || (running_mean.defined() && running_var.defined()),
        "Expected running_mean and running_var to be defined when use_input_stats is false");
  CHECK(x.ndim() >= 2, "instance_norm: expected an input of at least 2 dimensions (batch and channels), got shape ",
        shown(x.sizes()));
  int64_t channels = x.sizes()[1];
  check_length("instance_norm", "running_mean", running_mean, channels);
  check_length("instance_norm", "running_var", running_var, channels);
  check_length("instance_norm", "weight", weight, channels);
  check_length("instance_norm", "bias", bias, channels);
  if (!use_input_stats) return batch_norm(x, weight, bias, running_mean, running_var, false, momentum, eps, false);
  auto [y, mean_, rstd] = group_norm_parts(x, channels, weight, bias, eps);
  if ((running_mean.defined() || running_var.defined()) && x.numel() > 0) {
    NoGrad guard;
    int64_t n = x.numel() / (x.sizes()[0] * channels);
    IntVec batch{0};
    move_towards(running_mean, mean(mean_, batch), momentum, 1);
    move_towards(running_var, mean(1 / (rstd * rstd) - eps, batch), momentum, double(n) / double(n - 1));
  }
  return shown_as(y, "ViewBackward0");
}

// ---- layer and RMS norm ----

struct RowNormBackward {
  int trailing;  // dimensions that are normalised
  double eps;
  bool centered;

  void operator()(Back& b) const {
    const Tensor& g = b.grad();
    if (!g.defined()) return;
    Tensor x = b.saved(0), weight = b.saved(1), mean_ = b.saved(2), rstd = b.saved(3);
    if (mode.grad) return composite(b, g, x, weight);
    const bool over = b.may_overwrite(0) && g.dtype() == x.dtype();
    Tensor in = contiguous(x), gy = contiguous(g), w = as_stat(weight, x.dtype()), gx, gw, gb;
    DType stat = stat_type(x.dtype());
    Ints shape = x.sizes().last(size_t(trailing));
    NormCall call{.type = x.dtype(),
                  .x = in.data(),
                  .gy = gy.data(),
                  .weight = address(w),
                  .mean = address(mean_),
                  .rstd = rstd.data()};
    call.n = product(shape);
    call.rows = call.n ? x.numel() / call.n : 0;
    if (b.needs(0)) gx = over ? gy : empty_like(x), call.gx = gx.data();
    if (b.needs(1)) gw = zeros(shape, stat, x.device()), call.gweight = gw.data();
    if (b.node.edge_count > 2 && b.needs(2)) gb = zeros(shape, stat, x.device()), call.gbias = gb.data();
    run(norm_kernels(x).rows_backward, call, x.numel());
    DType parameter = weight.defined() ? weight.dtype() : stat;
    b.set(0, [&] { return gx; });
    b.set(1, [&] { return as_type(gw, parameter); });
    if (b.node.edge_count > 2) b.set(2, [&] { return as_type(gb, parameter); });
  }

  void composite(Back& b, X grad, X input, X weight) const {
    DType stat = stat_type(input.dtype());
    Tensor x = as_type(input, stat), g = as_type(grad, stat), w = as_type(weight, stat);
    IntVec inner, outer;
    for (int d = 0; d < x.ndim(); d++) (d >= x.ndim() - trailing ? inner : outer).push_back(d);
    Normalized n = normalized(x, inner, eps, centered);
    b.set(0, [&] { return as_type(through(n, w.defined() ? g * w : g, inner, centered), input.dtype()); });
    DType parameter = weight.defined() ? weight.dtype() : stat;
    auto over_rows = [&](X t) { return as_type(outer.empty() ? t : sum(t, outer), parameter); };
    b.set(1, [&] { return over_rows(g * n.value); });
    if (b.node.edge_count > 2) b.set(2, [&] { return over_rows(g); });
  }
};

std::tuple<Tensor, Tensor, Tensor> row_norm(const char* name, X x, Ints shape, X weight, X bias, double eps,
                                            bool centered) {
  int n = x.ndim(), k = int(shape.size());
  CHECK(k >= 1,
        "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
        "normalized_shape = ",
        shown(shape));
  auto check_shape = [&](const char* what, X p) {
    CHECK(!p.defined() || same(p.sizes(), shape), "Expected ", what,
          " to be of same shape as normalized_shape, but got ", what, " of shape ",
          shown(p.defined() ? p.sizes() : Ints()), " and normalized_shape = ", shown(shape));
    check_parameter(name, what, x, p);
  };
  check_shape("weight", weight);
  check_shape("bias", bias);
  if (n < k || !same(x.sizes().last(size_t(k)), shape)) {
    std::ostringstream wanted;
    wanted << "[*";
    for (int64_t d : shape) wanted << ", " << d;
    fail("Given normalized_shape=", shown(shape), ", expected input with shape ", wanted.str(),
         "], but got input of size", shown(x.sizes()),
         "; normalized_shape=", n >= k ? text(shown(x.sizes().last(size_t(k)))) : text(shown(x.sizes())), " would fit");
  }
  check_type(name, x);
  Tensor in;
  {
    NoGrad guard;
    in = contiguous(x);
  }
  Tensor y = empty_like(x), w = as_stat(weight, x.dtype()), b = as_stat(bias, x.dtype()), mean_, rstd;
  IntVec sizes(x.sizes());
  for (int d = n - k; d < n; d++) sizes[d] = 1;
  if (centered) mean_ = empty(sizes, stat_type(x.dtype()), x.device());
  rstd = empty(sizes, stat_type(x.dtype()), x.device());
  NormCall call{.type = x.dtype(),
                .x = in.data(),
                .weight = address(w),
                .bias = address(b),
                .eps = eps,
                .y = y.data(),
                .mean = address(mean_),
                .rstd = rstd.data()};
  call.n = product(shape);
  call.rows = call.n ? x.numel() / call.n : 0;
  run(norm_kernels(x).rows, call, x.numel());
  if (recording(x, weight, bias)) {
    if (centered)
      record("NativeLayerNormBackward0", {&x, &weight, &bias}, {&y},
             {{"input", &x}, {"weight", &weight}, {"result1", &mean_}, {"result2", &rstd}},
             RowNormBackward{k, eps, centered});
    else
      record("MulBackward0", {&x, &weight}, {&y},
             {{"input", &x}, {"weight", &weight}, {"mean", &kNone}, {"result1", &rstd}},
             RowNormBackward{k, eps, centered});
  }
  return {y, mean_, rstd};
}

Tensor layer_norm(X x, Ints shape, X weight, X bias, double eps, bool) {
  return std::get<0>(row_norm("layer_norm", x, shape, weight, bias, eps, true));
}
std::tuple<Tensor, Tensor, Tensor> native_layer_norm(X x, Ints shape, X weight, X bias, double eps) {
  return row_norm("native_layer_norm", x, shape, weight, bias, eps, true);
}
double epsilon(DType d) {
  switch (d) {
    case DType::Float64:
      return 2.220446049250313e-16;
    case DType::Float16:
      return 0.0009765625;
    case DType::BFloat16:
      return 0.0078125;
    default:
      return 1.1920928955078125e-07;
  }
}
Tensor rms_norm(X x, Ints shape, X weight, std::optional<double> eps) {
  // 16-bit inputs are computed in float32, and that is whose epsilon counts.
  return std::get<0>(row_norm("rms_norm", x, shape, weight, kNone, eps.value_or(epsilon(stat_type(x.dtype()))), false));
}

}  // namespace

void register_normalization() {
  op<&batch_norm>(
      "batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "training, float momentum, float eps, "
      "bool cudnn_enabled) -> Tensor",
      Function, "(x - mean) / sqrt(var + eps) * weight + bias for every channel");
  op<&native_batch_norm_op>(
      "native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "training, float momentum, "
      "float eps) -> (Tensor, Tensor, Tensor)",
      Function, "batch_norm with the batch's mean and 1 / standard deviation");
  op<&layer_norm>(
      "layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool "
      "cudnn_enable=True) -> Tensor",
      Function, "(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions");
  op<&native_layer_norm>(
      "native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, "
      "Tensor, Tensor)",
      Function, "layer_norm with every row's mean and 1 / standard deviation");
  op<&group_norm>(
      "group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool "
      "cudnn_enabled=True) -> Tensor",
      Function, "every sample's channels normalised in groups");
  op<&native_group_norm>(
      "native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> "
      "(Tensor, Tensor, Tensor)",
      Function, "group_norm with every group's mean and 1 / standard deviation");
  op<&instance_norm>(
      "instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool "
      "use_input_stats, float momentum, "
      "float eps, bool cudnn_enabled) -> Tensor",
      Function, "batch_norm of every sample by itself");
  op<&rms_norm>("rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
                Function, "x / sqrt(mean(x^2) + eps) * weight over the last dimensions");
}

}  // namespace lampas
