// One step of an optimizer over all parameters of a group. Nothing is recorded; gradients are only read.
//
// States come in one list, kind after kind: all first states, then all second ones. Of rules that count steps the last
// kind are 0-d counters, which the call advances.
#include "cpu/optim.h"

#include <algorithm>

#include "ops/ops.h"

namespace lampas {
namespace {

using Tensors = std::vector<Tensor>;

class Step {
 public:
  Step(const char* rule, const Tensors& params, const Tensors& grads, const Tensors& states, int kinds, bool counted)
      : params_(params), states_(states) {
    size_t n = params.size();
    CHECK(grads.size() == n && states.size() == n * (kinds + counted), rule, ": got ", n, " parameters, ", grads.size(),
          " gradients and ", states.size(), " state tensors, expected ", n, ", ", n, " and ", n * (kinds + counted));
    // Everything is checked before anything is changed.
    for (size_t i = 0; i < n; ++i) {
      check_like(rule, "gradient", grads[i], params[i]);
      for (int k = 0; k < kinds; ++k) check_like(rule, "state", states[k * n + i], params[i]);
      if (counted) check_counter(rule, states[kinds * n + i]);
    }
    tensors_.reserve(n);
    for (size_t i = 0; i < n; ++i) {
      const Tensor& p = params[i];
      if (p.is_meta()) continue;
      bool dense = is_dense(p.sizes(), p.strides());
      // Complex numbers move as pairs of real ones.
      int64_t numel = p.numel() * (is_complex(p.dtype()) ? 2 : 1);
      cpu::OptimTensor t{writable(p, p, dense), readable(grads[i], p, dense).data(), {}, numel, 0};
      for (int k = 0; k < kinds; ++k) t.state[k] = writable(states[k * n + i], p, dense);
      if (counted) t.step = advance(states[kinds * n + i]);
      tensors_.push_back(t);
      dtypes_.push_back(to_real(p.dtype()));
    }
  }

  template <class Options>
  void run(void (*kernel)(DType, cpu::OptimTensors, const Options&), const Options& options) {
    // As a rule one type; parameters of several are moved type by type.
    for (DType d : {DType::Float32, DType::Float64, DType::BFloat16, DType::Float16}) {
      size_t count = std::count(dtypes_.begin(), dtypes_.end(), d);
      if (count == tensors_.size() && count > 0) {
        kernel(d, tensors_, options);
      } else if (count > 0) {
        std::vector<cpu::OptimTensor> same;
        for (size_t i = 0; i < tensors_.size(); ++i) {
          if (dtypes_[i] == d) same.push_back(tensors_[i]);
        }
        kernel(d, same, options);
      }
    }
    for (auto& [to, from] : write_back_) copy_data(to, from);
    for (const Tensor& t : params_) t.bump_version();
    for (const Tensor& t : states_) t.bump_version();
  }

 private:
  static void check_like(const char* rule, const char* what, const Tensor& t, const Tensor& p) {
    CHECK(is_inexact(p.dtype()), rule, ": parameters must be floating point or complex, but one is ",
          name_of(p.dtype()));
    CHECK(t.dtype() == p.dtype() && t.device() == p.device(), rule, ": a parameter is ", name_of(p.dtype()), " on ",
          name_of(p.device()), ", but its ", what, " is ", name_of(t.dtype()), " on ", name_of(t.device()),
          "; move the model before making the optimizer");
    CHECK(same(t.sizes(), p.sizes()), rule, ": a parameter has shape ", shown(p.sizes()), ", but its ", what, " has ",
          shown(t.sizes()));
  }
  static void check_counter(const char* rule, const Tensor& t) {
    CHECK((t.dtype() == DType::Float32 || t.dtype() == DType::Float64) && t.numel() == 1, rule,
          ": the step counter must be one float32 or float64 number, but is ", name_of(t.dtype()), " of shape ",
          shown(t.sizes()));
  }
  static double advance(const Tensor& t) {
    return t.dtype() == DType::Float32 ? double(++*t.data<float>()) : ++*t.data<double>();
  }

  // t with the elements in the order of the dense parameter p, or in plain order: itself, or a copy.
  const Tensor& readable(const Tensor& t, const Tensor& p, bool dense) {
    if (dense ? same(t.strides(), p.strides()) || (t.is_contiguous() && p.is_contiguous()) : t.is_contiguous())
      return t;
    Tensor copy = dense ? empty_strided(p.sizes(), p.strides(), t.dtype()) : empty(t.sizes(), t.dtype());
    copy_data(copy, t);
    return copies_.emplace_back(std::move(copy));
  }
  void* writable(const Tensor& t, const Tensor& p, bool dense) {
    const Tensor& r = readable(t, p, dense);
    void* data = r.data();
    if (!r.is(t)) write_back_.emplace_back(t, r);
    return data;
  }

  const Tensors &params_, &states_;
  std::vector<cpu::OptimTensor> tensors_;
  std::vector<DType> dtypes_;
  Tensors copies_;
  std::vector<std::pair<Tensor, Tensor>> write_back_;
};

void sgd_(const Tensors& params, const Tensors& grads, const Tensors& buffers, double lr, double momentum,
          double dampening, double weight_decay, bool nesterov, bool maximize, bool first_step) {
  Step step("SGD", params, grads, buffers, momentum != 0, false);
  step.run(cpu::sgd, cpu::SgdOptions{lr, momentum, dampening, weight_decay, nesterov, maximize, first_step});
}

void adam_(const Tensors& params, const Tensors& grads, const Tensors& states, double lr, double beta1, double beta2,
           double eps, double weight_decay, bool decoupled, bool amsgrad, bool maximize) {
  Step step("Adam", params, grads, states, amsgrad ? 3 : 2, true);
  step.run(cpu::adam, cpu::AdamOptions{lr, beta1, beta2, eps, weight_decay, decoupled, amsgrad, maximize});
}

void rmsprop_(const Tensors& params, const Tensors& grads, const Tensors& states, double lr, double alpha, double eps,
              double weight_decay, double momentum, bool centered, bool maximize) {
  Step step("RMSprop", params, grads, states, 1 + centered + (momentum > 0), true);
  step.run(cpu::rmsprop, cpu::RmspropOptions{lr, alpha, eps, weight_decay, momentum, centered, maximize});
}

void adagrad_(const Tensors& params, const Tensors& grads, const Tensors& states, double lr, double lr_decay,
              double eps, double weight_decay, bool maximize) {
  Step step("Adagrad", params, grads, states, 1, true);
  step.run(cpu::adagrad, cpu::AdagradOptions{lr, lr_decay, eps, weight_decay, maximize});
}

}  // namespace

void register_optim_ops() {
  op<sgd_>(
      "optim_sgd_(Tensor[] params, Tensor[] grads, Tensor[] buffers, float lr, float momentum, float dampening, "
      "float weight_decay, bool nesterov, bool maximize, bool first_step) -> ()",
      Private, "One step of lampas.optim.SGD.");
  op<adam_>(
      "optim_adam_(Tensor[] params, Tensor[] grads, Tensor[] states, float lr, float beta1, float beta2, "
      "float eps, float weight_decay, bool decoupled, bool amsgrad, bool maximize) -> ()",
      Private,
      "One step of lampas.optim.Adam and AdamW; states: exp_avg, exp_avg_sq, max_exp_avg_sq if amsgrad, step.");
  op<rmsprop_>(
      "optim_rmsprop_(Tensor[] params, Tensor[] grads, Tensor[] states, float lr, float alpha, float eps, "
      "float weight_decay, float momentum, bool centered, bool maximize) -> ()",
      Private,
      "One step of lampas.optim.RMSprop; states: square_avg, grad_avg if centered, momentum_buffer if "
      "momentum, step.");
  op<adagrad_>(
      "optim_adagrad_(Tensor[] params, Tensor[] grads, Tensor[] states, float lr, float lr_decay, float eps, "
      "float weight_decay, bool maximize) -> ()",
      Private, "One step of lampas.optim.Adagrad; states: sum, step.");
}

}  // namespace lampas
