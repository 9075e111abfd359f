// Losses: of pairs of elements, of classes, and those made of other ops.
#include <cmath>

#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

void register_ctc();
void register_distance();

namespace {

// As PyTorch numbers them.
enum Reduction : int64_t { None, Mean, Sum };

Tensor reduce(const Tensor& loss, int64_t reduction) {
  return reduction == Mean  ? shown_as(mean(loss), "MeanBackward0")
         : reduction == Sum ? shown_as(sum(loss), "SumBackward0")
                            : loss;
}

// ---- losses of pairs of elements: one kernel for the value, one for the derivative by the input ----

struct PairLoss {
  const char *name, *node;
  Ew value, derivative;  // the derivative is multiplied with v[3]
  // The same derivatives made of ops, for gradients of gradients, and for the target.
  Tensor (*by_input)(const Tensor& x, const Tensor& t, double parameter);
  Tensor (*by_target)(const Tensor& x, const Tensor& t, double parameter);
};
using X = const Tensor&;

Tensor mse_by_input(X x, X t, double) { return (x - t) * 2; }
Tensor smooth_l1_by_input(X x, X t, double beta) {
  Tensor d = x - t;
  return where(lt(abs(d), beta), d / beta, sign(d));
}
Tensor huber_by_input(X x, X t, double delta) {
  Tensor d = x - t;
  return where(le(abs(d), delta), d, sign(d) * delta);
}
template <auto by_input>
Tensor negated(X x, X t, double p) {
  return -by_input(x, t, p);
}

const PairLoss kMse{"mse", "MseLossBackward0", Ew::SquaredDifference, Ew::MseGrad, mse_by_input, negated<mse_by_input>};
const PairLoss kSmoothL1{"smooth_l1",      "SmoothL1LossBackward0", Ew::SmoothL1,
                         Ew::SmoothL1Grad, smooth_l1_by_input,      negated<smooth_l1_by_input>};
const PairLoss kHuber{"huber", "HuberLossBackward0", Ew::Huber, Ew::HuberGrad, huber_by_input, negated<huber_by_input>};
const PairLoss kBce{"binary_cross_entropy",
                    "BinaryCrossEntropyBackward0",
                    Ew::Bce,
                    Ew::BceGrad,
                    [](X x, X t, double) { return (x - t) / maximum((1 - x) * x, 1e-12); },
                    [](X x, X, double) { return log1p(-x) - log(x); }};
const PairLoss kBceLogits{"binary_cross_entropy_with_logits",
                          "BinaryCrossEntropyWithLogitsBackward0",
                          Ew::BceLogits,
                          Ew::BceLogitsGrad,
                          [](X x, X t, double) { return sigmoid(x) - t; },
                          [](X x, X, double) { return -x; }};

Tensor pair_value(const PairLoss& loss, X x, X t, X weight, int64_t reduction, DType type, const EwParams& p) {
  NoGrad guard;
  bool one_pass = reduction != None && !weight.defined() && x.dtype() == type && t.dtype() == type &&
                  x.is_contiguous() && t.is_contiguous() && same(x.sizes(), t.sizes()) &&
                  (type == DType::Float32 || type == DType::Float64);
  if (one_pass) {
    int64_t n = x.numel();
    double total = kernels(x.device()).loss.pair_sum(loss.value, type, x.data(), t.data(), n, p);
    return full({}, reduction == Mean ? total / double(n) : total, type, x.device());
  }
  Tensor y = elementwise(loss.value, {x, t}, type, type, {}, p);
  return reduce(weight.defined() ? mul(y, weight) : y, reduction);
}

Tensor pair_loss(const PairLoss& loss, X x, X t, X weight, int64_t reduction, double parameter = 0) {
  DType type = result_type({x, t});
  CHECK_KIND(NotImplemented, is_floating(type), '"', loss.name, "\" not implemented for 'torch.", name_of(type),
             "': convert the input to a floating dtype");
  EwParams p;
  p.v[0] = parameter;
  Tensor y = pair_value(loss, x, t, weight, reduction, type, p);
  if (!recording(x, t)) return y;
  int64_t count = product(broadcast(x.sizes(), t.sizes()));
  if (weight.defined()) count = product(broadcast(broadcast(x.sizes(), t.sizes()), weight.sizes()));
  double norm = reduction == Mean ? 1 / double(count) : 1;
  record(loss.node, {&x, &t}, {&y}, {{"self", &x}, {"target", &t}, {"weight", &weight}},
         [l = &loss, p, parameter, reduction, type, norm](Back& b) {
           const Tensor& g = b.grad();
           if (!g.defined()) return;
           Tensor x = b.saved(0), t = b.saved(1), weight = b.saved(2);
           bool fused = !mode.grad && !weight.defined();
           auto times = [&](const Tensor& d) {
             Tensor r = d * g;
             if (weight.defined()) r = r * weight;
             return norm == 1 ? r : r * norm;
           };
           auto by_input = [&] {
             if (!fused) return times(l->by_input(x, t, parameter));
             EwParams q = p;
             bool read = reduction != None && g.device().is_cpu();
             q.v[3] = read ? norm * item(g).to_double() : norm;
             Tensor d = elementwise(l->derivative, {x, t}, type, type, {}, q);
             return read ? d : d * g;
           };
           b.set(0, [&] { return reduce_gradient(by_input(), x.sizes(), x.dtype()); });
           b.set(1, [&] { return reduce_gradient(times(l->by_target(x, t, parameter)), t.sizes(), t.dtype()); });
         });
  return y;
}

const Tensor kNone;

Tensor mse_loss(X x, X t, int64_t reduction) { return pair_loss(kMse, x, t, kNone, reduction); }
Tensor l1_loss(X x, X t, int64_t reduction) { return reduce(abs(x - t), reduction); }
Tensor smooth_l1_loss(X x, X t, int64_t reduction, double beta) {
  CHECK(beta >= 0, "smooth_l1_loss does not support negative values for beta, got ", beta);
  return pair_loss(kSmoothL1, x, t, kNone, reduction, beta);
}
Tensor huber_loss(X x, X t, int64_t reduction, double delta) {
  CHECK(delta > 0, "huber_loss does not support non-positive values for delta, got ", delta);
  return pair_loss(kHuber, x, t, kNone, reduction, delta);
}
Tensor binary_cross_entropy(X x, X t, X weight, int64_t reduction) {
  CHECK(x.dtype() == t.dtype(), "Found dtype torch.", name_of(t.dtype()), " but expected torch.", name_of(x.dtype()),
        ": binary_cross_entropy takes input and target of one dtype");
  if (is_floating(x.dtype())) {
    Tensor plain;
    {
      NoGrad guard;
      plain = contiguous(x);
    }
    CHECK(x.is_meta() || kernels(x.device()).loss.all_between(plain.data(), x.dtype(), x.numel(), 0, 1),
          "all elements of input should be between 0 and 1: binary_cross_entropy takes probabilities; use "
          "binary_cross_entropy_with_logits for scores");
  }
  return pair_loss(kBce, x, t, weight, reduction);
}

Tensor log_sigmoid(const Tensor& x) { return unary_op(Ew::LogSigmoid, x); }

Tensor binary_cross_entropy_with_logits(X x, X t, X weight, X pos_weight, int64_t reduction) {
  CHECK_KIND(NotImplemented, is_floating(x.dtype()), "\"binary_cross_entropy_with_logits\" not implemented for 'torch.",
             name_of(x.dtype()), "'");
  if (!pos_weight.defined()) return pair_loss(kBceLogits, x, t, weight, reduction);
  Tensor y;
  {
    NoGrad guard;
    Tensor terms = (1 - t) * x - ((pos_weight - 1) * t + 1) * log_sigmoid(x);
    y = reduce(weight.defined() ? terms * weight : terms, reduction);
  }
  if (recording(x, t))
    record(kBceLogits.node, {&x, &t}, {&y},
           {{"self", &x}, {"target", &t}, {"weight", &weight}, {"pos_weight", &pos_weight}}, [reduction](Back& b) {
             if (!b.grad().defined()) return;
             Tensor x = b.saved(0), t = b.saved(1), weight = b.saved(2), less = b.saved(3) - 1, g = b.grad();
             if (weight.defined()) g = g * weight;
             if (reduction == Mean) {
               IntVec shape = broadcast(broadcast(x.sizes(), t.sizes()), less.sizes());
               if (weight.defined()) shape = broadcast(shape, weight.sizes());
               g = g / double(product(shape));
             }
             b.set(0,
                   [&] { return reduce_gradient(g * ((1 - t) - (less * t + 1) * sigmoid(-x)), x.sizes(), x.dtype()); });
             b.set(1, [&] { return reduce_gradient(g * (-x - less * log_sigmoid(x)), t.sizes(), t.dtype()); });
           });
  return y;
}

// ---- losses of classes ----

int class_dim(const Tensor& x) { return x.ndim() == 1 ? 0 : 1; }

// x as [n, classes, space] for the kernels, and what they read.
struct Classes {
  Tensor x, target, weight;
  CrossEntropyCall call{};

  Classes(const Tensor& input, const Tensor& t, const Tensor& w, int64_t ignore, bool normalized) {
    NoGrad guard;
    x = usable(input) ? input : contiguous(input, MemoryFormat::Contiguous);
    target = contiguous(t);
    if (w.defined()) weight = contiguous(to(w, DType::Float64));
    call.type = x.dtype();
    call.n = x.ndim() > 1 ? x.sizes()[0] : 1;
    call.classes = x.sizes()[class_dim(x)];
    call.space = x.ndim() > 2 ? product(x.sizes().subspan(2)) : 1;
    call.strides[0] = x.ndim() > 1 ? x.strides()[0] : 0;
    call.strides[1] = x.strides()[class_dim(x)];
    call.strides[2] = x.ndim() > 2 ? x.strides()[x.ndim() - 1] : 1;
    call.x = x.data();
    call.target = target.data();
    call.byte_target = target.dtype() == DType::UInt8;
    call.weight = weight.defined() ? weight.data<double>() : nullptr;
    call.ignore = ignore;
    call.normalized = normalized;
  }
  // Dense, its space one run of equal steps, and the steps over classes or over space 1.
  static bool usable(const Tensor& x) {
    if (x.is_contiguous()) return true;
    if (!is_dense(x.sizes(), x.strides()) || x.numel() == 0) return false;
    for (int d = 2; d + 1 < x.ndim(); d++)
      if (x.strides()[d] != x.strides()[d + 1] * x.sizes()[d + 1]) return false;
    return x.strides()[class_dim(x)] == 1 || (x.ndim() > 2 && x.strides()[x.ndim() - 1] == 1);
  }
};

void check_classes(const char* name, const Tensor& x, const Tensor& target, const Tensor& weight) {
  CHECK_KIND(Value, x.ndim() >= 1, "Expected 1 or more dimensions (got ", x.ndim(), "): ", name,
             " takes scores of shape (C), (N, C) or (N, C, d1, ...)");
  CHECK_KIND(Value, x.ndim() == 1 || (target.ndim() > 0 && x.sizes()[0] == target.sizes()[0]),
             "Expected input batch_size (", x.sizes()[0], ") to match target batch_size (",
             target.ndim() ? target.sizes()[0] : 0, "): ", name, " got input of shape ", shown(x.sizes()),
             " and target of shape ", shown(target.sizes()));
  CHECK_KIND(NotImplemented, is_floating(x.dtype()), '"', name, "\" not implemented for 'torch.", name_of(x.dtype()),
             "': convert the input to a floating dtype");
  CHECK(target.dtype() == DType::Int64 || target.dtype() == DType::UInt8,
        "expected target dtype to be Long or Byte, but got torch.", name_of(target.dtype()),
        ": class numbers are int64, as target.long() makes them");
  CHECK(x.ndim() > 2 || target.ndim() <= 1,
        "0D or 1D target tensor expected, multi-target not supported: got target of shape ", shown(target.sizes()),
        " for input of shape ", shown(x.sizes()));
  IntVec expected;
  for (int d = 0; d < x.ndim(); d++)
    if (d != class_dim(x)) expected.push_back(x.sizes()[d]);
  CHECK(same(expected, target.sizes()), "size mismatch (got input: ", shown(x.sizes()),
        ", target: ", shown(target.sizes()), "): expected target size ", shown(expected));
  if (!weight.defined()) return;
  int64_t classes = x.sizes()[class_dim(x)];
  CHECK(weight.ndim() == 1 && weight.numel() == classes, "weight tensor should be defined either for all ", classes,
        " classes or no classes but got weight tensor of shape: ", shown(weight.sizes()));
  CHECK(weight.dtype() == x.dtype(), "expected scalar type ", name_of(x.dtype()), " but found ",
        name_of(weight.dtype()), ": weight must have the input's dtype");
}

// The factor of each position's gradient, made of ops: g * weight of its class * scale, 0 where the target is ignored.
Tensor class_factors(const Tensor& g, const Tensor& target, const Tensor& weight, const Tensor& ignored, double scale) {
  Tensor f = g * scale;
  if (weight.defined()) f = f * reshape(index_select(weight, 0, reshape(target, Ints{IntVec{-1}})), target.sizes());
  return where(ignored, 0.0, f);
}

// -x[target] of log-probabilities (normalized), or of log_softmax(x) without making it.
Tensor class_loss(const char* name, X x, X target, X weight, int64_t reduction, int64_t ignore, bool normalized) {
  check_classes(name, x, target, weight);
  CHECK(!(mode.grad && weight.defined() && weight.requires_grad()), name,
        " is not differentiable with respect to argument 'weight'. This input cannot have requires_grad True");
  Classes c(x, target, weight, ignore, normalized);
  CrossEntropyCall& call = c.call;
  int64_t positions = call.n * call.space;
  double total = 0, weights = 0;
  Tensor log_sums, y;
  if (!normalized) log_sums = empty(Ints(&positions, 1), DType::Float64, x.device());
  if (reduction == None) y = empty(target.sizes(), x.dtype(), x.device());
  call.log_sums = normalized ? nullptr : log_sums.data<double>();
  call.losses = y.defined() ? y.data() : nullptr;
  call.sum = &total;
  call.weight_sum = &weights;
  kernels(x.device()).loss.cross_entropy(call);
  if (reduction != None) y = full({}, reduction == Mean ? total / weights : total, x.dtype(), x.device());
  if (!recording(x)) return y;
  double scale = reduction == Mean ? 1 / weights : 1;
  record(x.ndim() > 2 ? "NllLoss2DBackward0" : "NllLossBackward0", {&x}, {&y},
         {{"self", &x}, {"target", &target}, {"weight", &weight}, {"log_sums", &log_sums}}, [=](Back& b) {
           const Tensor& g = b.grad();
           if (!g.defined() || !b.needs(0)) return;
           Tensor x = b.saved(0), target = b.saved(1), weight = b.saved(2), log_sums = b.saved(3);
           if (mode.grad) {
             Tensor ignored = eq(target, Scalar(ignore)), safe = masked_fill(to(target, DType::Int64), ignored, 0);
             int d = class_dim(x);
             Tensor factors = unsqueeze(class_factors(g, safe, weight, ignored, scale), d);
             Tensor chosen = scatter(zeros(x.sizes(), x.dtype(), x.device()), d, unsqueeze(safe, d), -factors);
             b.results[0] = normalized ? chosen : softmax(x, d) * factors + chosen;
             return;
           }
           Classes c(x, target, weight, ignore, normalized);
           Tensor gx = empty_preserving(c.x, x.dtype()), grad = contiguous(g);
           if (normalized) fill_data(gx, 0);
           c.call.log_sums = normalized ? nullptr : log_sums.data<double>();
           c.call.grad = grad.data();
           c.call.one_grad = reduction != None;
           c.call.scale = scale;
           c.call.gx = gx.data();
           kernels(x.device()).loss.cross_entropy_backward(c.call);
           b.results[0] = gx;
         });
  return y;
}

// Unreduced losses of shapes other than (N, C) and (N, C, H, W) are a view in PyTorch's graph.
Tensor as_viewed(const Tensor& y, X x, int64_t reduction) {
  return reduction == None && x.ndim() != 4 && x.ndim() > 2 ? view(y, y.sizes()) : y;
}

Tensor nll_loss(X x, X target, X weight, int64_t reduction, int64_t ignore) {
  return as_viewed(class_loss("nll_loss", x, target, weight, reduction, ignore, true), x, reduction);
}

// A factor for each class, shaped to stand beside x.
Tensor per_class(const Tensor& weight, const Tensor& x) {
  IntVec sizes(x.ndim(), 1);
  sizes[class_dim(x)] = weight.numel();
  return view(contiguous(weight), sizes);
}

Tensor of_probabilities(X x, Tensor target, X weight, int64_t reduction, double smoothing) {
  CHECK(is_floating(target.dtype()), "Expected floating point type for target with class probabilities, got torch.",
        name_of(target.dtype()));
  int d = class_dim(x);
  int64_t classes = x.ndim() ? x.sizes()[d] : 1;
  CHECK(!weight.defined() || (weight.ndim() == 1 && weight.numel() == classes),
        "cross_entropy: weight tensor should be defined either for all ", classes,
        " classes or no classes but got weight tensor of shape: ", shown(weight.sizes()));
  Tensor logs = log_softmax(x, x.ndim() ? d : 0);
  if (smoothing > 0) target = target * (1 - smoothing) + smoothing / double(classes);
  Tensor terms = logs * target;
  if (weight.defined()) terms = terms * per_class(weight, x);
  if (reduction == None) return -(x.ndim() ? sum(terms, Ints{IntVec{d}}) : terms);
  if (reduction == Sum) return -sum(terms);
  return shown_as(-(sum(terms) / (double(x.numel()) / double(classes))), "DivBackward1");
}

// The number of targets that count, or the sum of their weights.
Tensor sum_of_weights(const Tensor& target, const Tensor& weight, const Tensor& ignored) {
  NoGrad guard;
  if (!weight.defined()) return sum(logical_not(ignored));
  Tensor safe = masked_fill(to(target, DType::Int64), ignored, 0);
  return sum(where(ignored, 0.0, reshape(index_select(weight, 0, reshape(safe, Ints{IntVec{-1}})), target.sizes())));
}

Tensor smoothed(X x, X target, X weight, int64_t reduction, int64_t ignore, double smoothing) {
  check_classes("cross_entropy", x, target, weight);
  int d = class_dim(x);
  Tensor logs = log_softmax(x, d);
  Tensor certain = class_loss("cross_entropy", logs, target, weight, reduction, ignore, true);
  Tensor spread = -sum(weight.defined() ? logs * per_class(weight, x) : logs, Ints{IntVec{d}});
  Tensor ignored = eq(target, Scalar(ignore));
  spread = masked_fill(spread, ignored, 0);
  if (reduction == Sum) spread = sum(spread);
  if (reduction == Mean) spread = sum(spread) / sum_of_weights(target, weight, ignored);
  return certain * (1 - smoothing) + spread * (smoothing / double(x.sizes()[d]));
}

Tensor cross_entropy_loss(X x, X target, X weight, int64_t reduction, int64_t ignore, double smoothing) {
  CHECK(smoothing >= 0 && smoothing <= 1, "label_smoothing must be between 0.0 and 1.0. Got: ", smoothing);
  if (same(x.sizes(), target.sizes())) {
    CHECK(ignore < 0, "ignore_index is not supported for floating point target, got ", ignore);
    return of_probabilities(x, target, weight, reduction, smoothing);
  }
  if (smoothing > 0) return smoothed(x, target, weight, reduction, ignore, smoothing);
  return as_viewed(class_loss("cross_entropy", x, target, weight, reduction, ignore, false), x, reduction);
}

// ---- losses made of other ops ----

Tensor positive_part(const Tensor& x) { return where(lt(x, 0), 0.0, x); }

Tensor kl_div(X x, X target, int64_t reduction, bool log_target) {
  return reduce(log_target ? exp(target) * (target - x) : binary(Ew::Xlogy, target, target) - target * x, reduction);
}
Tensor soft_margin_loss(X x, X target, int64_t reduction) { return reduce(log1p(exp(-target * x)), reduction); }
Tensor margin_ranking_loss(X a, X b, X target, double margin, int64_t reduction) {
  CHECK(a.ndim() == b.ndim() && a.ndim() == target.ndim(),
        "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: ", shown(a.sizes()),
        ", input2: ", shown(b.sizes()), ", target: ", shown(target.sizes()));
  return reduce(positive_part(-target * (a - b) + margin), reduction);
}
Tensor hinge_embedding_loss(X x, X target, double margin, int64_t reduction) {
  return reduce(where(eq(target, 1), 0.0, positive_part(margin - x)) + where(eq(target, -1), 0.0, x), reduction);
}
Tensor poisson_nll_loss(X x, X target, bool log_input, bool full, double eps, int64_t reduction) {
  Tensor loss = log_input ? exp(x) - target * x : x - target * log(x + eps);
  if (full) {
    Tensor stirling = target * log(target) - target + log(target * (2 * M_PI)) * 0.5;
    loss = loss + masked_fill(stirling, le(target, 1), 0);
  }
  return reduce(loss, reduction);
}
Tensor cosine_embedding_loss(X a, X b, X target, double margin, int64_t reduction) {
  int d = target.ndim();
  CHECK(d <= 1 && a.ndim() == d + 1 && same(a.sizes(), b.sizes()), d, "D target tensor expects ", d + 1,
        "D input tensors of one shape, but found inputs with sizes ", shown(a.sizes()), " and ", shown(b.sizes()));
  auto along = [&](const Tensor& x) { return sum(x, Ints{IntVec{d}}); };
  Tensor cosine = along(a * b) / sqrt((along(a * a) + 1e-12) * (along(b * b) + 1e-12));
  return reduce(where(eq(target, 1), 1 - cosine, 0.0) + where(eq(target, -1), positive_part(cosine - margin), 0.0),
                reduction);
}

}  // namespace

void register_losses() {
  constexpr uint32_t nn = NN | OutForm;
#define PAIR "(Tensor input, Tensor target, int reduction=1"
  op<&mse_loss>("mse_loss" PAIR ") -> Tensor", nn, "(x - y)^2, its mean (reduction 1) or sum (2)");
  op<&l1_loss>("l1_loss" PAIR ") -> Tensor", NN, "|x - y|");
  op<&smooth_l1_loss>("smooth_l1_loss" PAIR ", float beta=1.0) -> Tensor", nn,
                      "(x - y)^2 / (2 beta) where |x - y| < beta, |x - y| - beta / 2 elsewhere (Girshick 2015)");
  op<&huber_loss>("huber_loss" PAIR ", float delta=1.0) -> Tensor", nn,
                  "(x - y)^2 / 2 where |x - y| <= delta, delta (|x - y| - delta / 2) elsewhere (Huber 1964)");
  op<&soft_margin_loss>("soft_margin_loss" PAIR ") -> Tensor", nn, "log(1 + exp(-y x))");
  op<&kl_div>("kl_div" PAIR ", *, bool log_target=False) -> Tensor", Function, "y (log y - x) for log-probabilities x");
#undef PAIR
  op<&binary_cross_entropy>(
      "binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor", nn,
      "-(y log x + (1 - y) log(1 - x)) for probabilities x, logarithms cut at -100");
  op<&binary_cross_entropy_with_logits>(
      "binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int "
      "reduction=1) -> Tensor",
      Function, "binary cross entropy of sigmoid(x), without overflow");
#define CLASS "(Tensor input, Tensor target, Tensor? weight=None, int reduction=1, int ignore_index=-100"
  for (const char* s :
       {"nll_loss" CLASS ") -> Tensor", "nll_loss2d" CLASS ") -> Tensor", "nll_loss_nd" CLASS ") -> Tensor"})
    op<&nll_loss>(s, nn, "-x[y] of log-probabilities (N, C, ...) and class numbers (N, ...)");
  op<&cross_entropy_loss>("cross_entropy_loss" CLASS ", float label_smoothing=0.0) -> Tensor", NN,
                          "-log_softmax(x)[y] of scores (N, C, ...) and class numbers or probabilities");
#undef CLASS
  op<&margin_ranking_loss>(
      "margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=1) -> Tensor",
      Function, "max(0, -y (x1 - x2) + margin)");
  op<&hinge_embedding_loss>(
      "hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, int reduction=1) -> Tensor", Function,
      "x where y is 1, max(0, margin - x) where it is -1");
  op<&cosine_embedding_loss>(
      "cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0.0, int reduction=1) -> Tensor",
      Function, "1 - cos(x1, x2) where y is 1, max(0, cos - margin) where it is -1");
  op<&poisson_nll_loss>(
      "poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor",
      Function, "exp(x) - y x, or x - y log(x + eps)");
  register_ctc();
  register_distance();
}

}  // namespace lampas
