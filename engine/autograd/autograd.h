// Recording: how an op tells autograd what it did. The engine that runs the graph is in engine.h.
#pragma once

#include "autograd/node.h"

namespace lampas {

// What autograd keeps of one tensor.
struct Autograd {
  Tensor grad;
  Ref<Node> grad_fn;
  uint32_t output_nr = 0;
  bool requires_grad = false;  // set by the user on a leaf
  bool retains_grad = false;
  Node* accumulator = nullptr;  // the leaf's AccumulateGrad node while some graph holds it
  Hooks* hooks = nullptr;       // of a leaf: before its gradient is added
  std::vector<Ref<Hook>> post_accumulate;
  Ref<Node> lent;  // of a saved leaf that hooks gave back: the accumulator of the leaf itself
};

Autograd& ensure_autograd(const Tensor& t);
inline Autograd* autograd_of(const Tensor& t) { return t->autograd; }

// The grad_fn, made anew for a view whose base was changed in place. Null for a leaf.
Ref<Node> grad_fn(const Tensor& t);
// Where a gradient for t goes; an empty edge when t wants none.
Edge gradient_edge(const Tensor& t);
inline bool is_leaf(const Tensor& t) { return !t.requires_grad() || !grad_fn(t); }
void set_requires_grad(const Tensor& t, bool on);

struct Mode {
  bool grad = true;
  bool inference = false;
  bool anomaly = false;
  bool check_nan = true;
  bool multithreading = true;
};
extern thread_local Mode mode;

class NoGrad {
 public:
  NoGrad() : before_(mode.grad) { mode.grad = false; }
  ~NoGrad() { mode.grad = before_; }

 private:
  bool before_;
};

template <class... T>
inline bool recording(const T&... tensors) {
  return mode.grad && ((tensors.defined() && tensors.requires_grad()) || ...);
}
inline bool recording(const std::vector<Tensor>& tensors) {
  if (mode.grad)
    for (const Tensor& t : tensors)
      if (t.defined() && t.requires_grad()) return true;
  return false;
}

// A tensor to keep for the backward pass; an undefined one is kept as such.
struct Save {
  const char* name;
  const Tensor* tensor;
};
struct TensorList {
  const Tensor* few[8];
  const Tensor* array = nullptr;
  int count;
  TensorList(std::initializer_list<const Tensor*> l) : count(int(l.size())) { std::copy(l.begin(), l.end(), few); }
  TensorList(const std::vector<Tensor>& v) : array(v.data()), count(int(v.size())) {}
  const Tensor& operator[](int i) const { return array ? array[i] : *few[i]; }
};

// Connects a new node with its inputs' edges and makes it the history of `outputs`. Undefined inputs have empty edges,
// undefined and non-floating outputs no history.
void connect(const Ref<Node>& node, const TensorList& inputs, const TensorList& outputs,
             std::initializer_list<Save> saves);

// Records an op: `backward(Back&)` sets the gradient of each input from those of the outputs.
// Call it only if recording(inputs...). Keep tensors by `saves`, everything else by the closure.
template <class F>
Ref<Node> record(const char* name, const TensorList& inputs, const TensorList& outputs,
                 std::initializer_list<Save> saves, F&& backward) {
  Ref<Node> n = make_node(name, std::forward<F>(backward), inputs.count, outputs.count, int(saves.size()));
  connect(n, inputs, outputs, saves);
  return n;
}

// A differentiable view: shares t's storage, remembers its base, and is recorded when t wants a gradient.
Tensor make_view(const Tensor& t, Ints sizes, Ints strides, int64_t offset);
template <class F>
Tensor view_op(const char* name, const Tensor& t, Ints sizes, Ints strides, int64_t offset, F&& backward) {
  Tensor v = make_view(t, sizes, strides, offset);
  if (recording(t)) {
    record(name, {&t}, {&v}, {}, std::forward<F>(backward));
    v->view_version = v.version();
  }
  return v;
}

// In-place ops: first check_inplace(x), then write, then written_inplace(x, node) with the node that computed the new
// value (null when nothing is recorded). `records`: whether the op will be recorded.
void check_inplace(const Tensor& x, bool records);
void written_inplace(const Tensor& x, const Ref<Node>& node, uint32_t output_nr = 0);
// x's history under another storage: what an in-place op reads when it must keep the value it overwrites.
Tensor with_history_of(const Tensor& x, const Tensor& copy);

Tensor detach(const Tensor& t);

// A fresh result of several recorded steps, its node named as that of the one op which PyTorch records.
inline Tensor shown_as(Tensor t, const char* name) {
  if (t.defined() && t->autograd && t->autograd->grad_fn) t->autograd->grad_fn->name = name;
  return t;
}

// The leaf an AccumulateGrad node serves; null for any other node.
const Tensor* accumulated_leaf(const Node& n);

// Sparse gradients are Python's: its functions for what the engine does with gradients. `add` may write into `sum` when
// `inplace`; `cast` gives a copy of this dtype.
struct SparseGradients {
  Tensor (*add)(const Tensor& sum, const Tensor& g, bool inplace);
  Tensor (*dense)(const Tensor& g);
  Tensor (*cast)(const Tensor& g, DType dtype);
};
extern SparseGradients sparse_gradients;
inline bool is_sparse(const Tensor& t) { return t.order() == Order::Absent; }

// For Python: hooks that replace saved tensors by something packed (null: none), and anomaly mode's stack recorder.
extern void* (*pack_saved)(const Tensor& t);
extern Tensor (*unpack_saved)(void* packed);
extern void (*drop_object)(void* object);
extern void* (*capture_stack)();
extern thread_local int saved_hook_depth;

void save_tensor(Node& node, int slot, const char* name, const Tensor& t, bool is_output, uint32_t output_nr);

}  // namespace lampas
