// The loss of label sequences without alignment.
#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

struct Labels {
  Tensor targets;  // int64, contiguous
  std::vector<int64_t> starts, input_lengths, target_lengths;
};

void check_lengths(const char* name, Ints lengths, int64_t batch) {
  CHECK(int64_t(lengths.size()) == batch, name, " must be of size batch_size: expected ", batch, " lengths, got ",
        lengths.size());
}

Labels prepare(const Tensor& log_probs, const Tensor& targets, Ints input_lengths, Ints target_lengths, int64_t blank) {
  int64_t steps = log_probs.sizes()[0], batch = log_probs.sizes()[1], classes = log_probs.sizes()[2];
  CHECK_KIND(NotImplemented, log_probs.dtype() == DType::Float32 || log_probs.dtype() == DType::Float64,
             "\"ctc_loss\" not implemented for 'torch.", name_of(log_probs.dtype()), "': use float32 or float64");
  CHECK(targets.dtype() == DType::Int64 || targets.dtype() == DType::Int32,
        "ctc_loss: expected targets of dtype int64 or int32, got torch.", name_of(targets.dtype()));
  CHECK(targets.ndim() == 1 || targets.ndim() == 2, "ctc_loss: expected targets to be 1 or 2 dimensional, got shape ",
        shown(targets.sizes()));
  CHECK(blank >= 0 && blank < classes, "blank must be in label range: got ", blank, " for ", classes, " classes");
  check_lengths("input_lengths", input_lengths, batch);
  check_lengths("target_lengths", target_lengths, batch);
  Labels l;
  {
    NoGrad guard;
    l.targets = contiguous(to(targets, DType::Int64));
  }
  l.input_lengths.assign(input_lengths.begin(), input_lengths.end());
  l.target_lengths.assign(target_lengths.begin(), target_lengths.end());
  int64_t start = 0;
  for (int64_t n = 0; n < batch; n++) {
    int64_t in = input_lengths[n], out = target_lengths[n];
    CHECK(in >= 0 && in <= steps, "Expected input_lengths to have value at most ", steps, ", but got value ", in);
    CHECK(out >= 0, "Expected target_lengths to have value at least 0, but got value ", out);
    CHECK(targets.ndim() == 1 || out <= targets.sizes()[1], "Expected tensor to have size at least ", out,
          " at dimension 1, but got targets of shape ", shown(targets.sizes()));
    l.starts.push_back(targets.ndim() == 1 ? start : n * targets.sizes()[1]);
    start += out;
  }
  CHECK(targets.ndim() == 2 || start <= targets.numel(), "ctc_loss: target_lengths add up to ", start,
        ", but targets has ", targets.numel(), " labels");
  CHECK(targets.ndim() == 1 || targets.sizes()[0] == batch, "Expected targets to have ", batch,
        " rows, one for each sample, got shape ", shown(targets.sizes()));
  if (!targets.is_meta())
    for (int64_t n = 0; n < batch; n++)
      for (int64_t k = 0; k < target_lengths[n]; k++) {
        int64_t label = l.targets.data<int64_t>()[l.starts[size_t(n)] + k];
        CHECK(label >= 0 && label < classes, "ctc_loss: label ", label, " is out of range for ", classes, " classes");
      }
  return l;
}

Tensor losses_of(const Tensor& log_probs, const Tensor& targets, Ints input_lengths, Ints target_lengths, int64_t blank,
                 bool zero_infinity) {
  Labels l = prepare(log_probs, targets, input_lengths, target_lengths, blank);
  auto call_for = [blank, zero_infinity](const Tensor& x, const Labels& l) {
    CtcCall c{};
    c.type = x.dtype();
    c.steps = x.sizes()[0];
    c.batch = x.sizes()[1];
    c.classes = x.sizes()[2];
    c.log_probs = x.data();
    c.targets = l.targets.data<int64_t>();
    c.starts = l.starts.data();
    c.input_lengths = l.input_lengths.data();
    c.target_lengths = l.target_lengths.data();
    c.blank = blank;
    c.zero_infinity = zero_infinity;
    return c;
  };
  Tensor y;
  {
    NoGrad guard;
    Tensor x = contiguous(log_probs), losses = empty(Ints(&log_probs.sizes()[1], 1), DType::Float64, x.device());
    CtcCall c = call_for(x, l);
    c.losses = losses.data<double>();
    kernels(x.device()).loss.ctc(c);
    y = to(losses, x.dtype());
  }
  if (recording(log_probs))
    record("CtcLossBackward0", {&log_probs}, {&y}, {{"log_probs", &log_probs}}, [l = std::move(l), call_for](Back& b) {
      if (!b.grad().defined() || !b.needs(0)) return;
      CHECK(!mode.grad || !b.grad().requires_grad(),
            "the derivative of ctc_loss's backward is not implemented; call backward() without create_graph=True");
      NoGrad guard;
      Tensor x = contiguous(b.saved(0)), gx = zeros(x.sizes(), x.dtype(), x.device()),
             g = contiguous(to(b.grad(), DType::Float64));
      CtcCall c = call_for(x, l);
      c.grads = g.data<double>();
      c.gx = gx.data();
      kernels(x.device()).loss.ctc(c);
      b.results[0] = gx;
    });
  return y;
}

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, Ints input_lengths, Ints target_lengths, int64_t blank,
                int64_t reduction, bool zero_infinity) {
  CHECK(log_probs.ndim() == 2 || log_probs.ndim() == 3,
        "ctc_loss: expected log_probs of shape (T, N, C) or (T, C), got ", shown(log_probs.sizes()));
  bool batched = log_probs.ndim() == 3;
  Tensor y = losses_of(batched ? log_probs : unsqueeze(log_probs, 1),
                       batched || targets.ndim() != 1 ? targets : unsqueeze(targets, 0), input_lengths, target_lengths,
                       blank, zero_infinity);
  if (zero_infinity) y = masked_fill(y, eq(y, INFINITY), 0);
  if (reduction == 1) {
    int64_t n = int64_t(target_lengths.size());
    Tensor lengths = empty(Ints(&n, 1), y.dtype(), y.device());
    if (!lengths.is_meta())
      dispatch(y.dtype(), [&]<class T>(TypeTag<T>) {
        for (int64_t i = 0; i < n; i++)
          lengths.data<T>()[i] = convert<T>(std::max<int64_t>(1, target_lengths[size_t(i)]));
      });
    return shown_as(mean(y / lengths), "MeanBackward0");
  }
  if (reduction == 2) return shown_as(sum(y), "SumBackward0");
  return batched ? y : squeeze(y, Ints{IntVec{0}});
}

// Lengths as tensors.
IntVec numbers(const char* name, const Tensor& t) {
  CHECK(is_integral(t.dtype()) && t.ndim() <= 1, name, " must be integral and of one dimension, got torch.",
        name_of(t.dtype()), " of shape ", shown(t.sizes()));
  NoGrad guard;
  Tensor c = contiguous(to(t, DType::Int64));
  return Ints(c.data<int64_t>(), size_t(c.numel()));
}
Tensor ctc_loss_tensors(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                        const Tensor& target_lengths, int64_t blank, int64_t reduction, bool zero_infinity) {
  return ctc_loss(log_probs, targets, numbers("input_lengths", input_lengths),
                  numbers("target_lengths", target_lengths), blank, reduction, zero_infinity);
}

}  // namespace

void register_ctc() {
  op<&ctc_loss_tensors>(
      "ctc_loss(Tensor log_probs, Tensor targets, Tensor input_lengths, Tensor target_lengths, int blank=0, int "
      "reduction=1, bool zero_infinity=False) -> Tensor",
      Function, "the negative log-likelihood of label sequences (Graves et al. 2006)");
  op<&ctc_loss>(
      "ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, int "
      "reduction=1, bool zero_infinity=False) -> Tensor",
      Function);
}

}  // namespace lampas
