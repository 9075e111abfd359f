// One step of the recorded graph: what to do with the gradients of an op's outputs to get those of its inputs.
#pragma once

#include <initializer_list>
#include <memory>
#include <new>
#include <vector>

#include "core/tensor.h"

namespace lampas {

struct Node;

struct Edge {
  Ref<Node> node;
  uint32_t input = 0;  // which of the node's gradients flows along this edge
};

// A tensor kept for the backward pass. An output of the node itself is kept without its history, which would be a
// cycle.
struct Packed {
  void* object;  // what a pack hook made of a tensor (a Python object)
  Edge history;  // where gradients of that tensor go; empty if it is the node's own output, or wants none
  Packed(void* o, Edge h) : object(o), history(std::move(h)) {}
  Packed(const Packed&) = delete;
  ~Packed();
};
struct Saved {
  Tensor tensor;
  const char* name = "";
  uint32_t version = 0;
  uint32_t output_nr = 0;
  bool is_output = false;
  std::unique_ptr<Packed> packed;  // by a hook; `tensor` is then undefined
};

// Hooks are rare and belong to Python: the bindings implement them.
struct Hook : Counted {
  virtual ~Hook() = default;
  // Before a node: may replace the gradients of its outputs (`grads`). After it: those of its inputs, given both.
  virtual void call(Tensor* grads, int count, const Tensor* others, int other_count) = 0;
  static void destroy(Hook* h) { delete h; }
};
struct Hooks {
  // Tensor hooks concern one output; -1 is a hook on the whole node.
  std::vector<std::pair<int, Ref<Hook>>> before;
  std::vector<std::pair<int, Ref<Hook>>> retain;  // retain_grad: after every tensor hook
  std::vector<Ref<Hook>> after;
};

struct Back;

struct NodeType {
  void (*apply)(Node&, Back&);
  void (*destroy)(Node*);  // runs the closure's destructor
  void (*release)(Node*);  // drops what the closure holds besides saved tensors; may be null
  bool takes_sparse;       // others are given sparse gradients as dense ones
};

struct Node : Counted {
  const NodeType* type;
  const char* name;
  uint64_t sequence = 0;
  uint32_t bytes;
  uint16_t edge_count, output_count, saved_count;
  bool freed = false;   // saved tensors are gone
  bool queued = false;  // waits in the running backward pass
  uint8_t needed = 1;   // scratch of the running pass
  bool relu = false;    // a ReLU's: the gradient passes where the result is positive, and is 0 elsewhere
  bool masked = false;  // a ReLU's, in the running pass: the gradient that waits is already 0 there
  uint64_t pass = 0;    // which pass `needed` speaks of
  Hooks* hooks = nullptr;
  Edge* edges;
  Tensor* pending;  // gradients of the outputs, collected during a pass
  Saved* saved;
  void* metadata = nullptr;  // a Python object: anomaly mode's record of where the node was made

  static void destroy(Node* n);
  Hooks& ensure_hooks() {
    if (!hooks) hooks = new Hooks;
    return *hooks;
  }
};

// What a gradient function sees.
struct Back {
  Node& node;
  const Tensor* grads;  // of the outputs; undefined where nothing came
  Tensor* results;      // of the inputs
  uint64_t pass;        // of a pass for chosen inputs only; 0: everything that has an edge is wanted
  bool all = false;     // whether the pass is for everything, and keeps its marks in the nodes
  bool masked = false;  // a ReLU's gradient came in masked; else, whether results[0] is masked ahead of a ReLU

  const Tensor& grad(int i = 0) const { return grads[i]; }
  bool needs(int i) const {
    const Node* n = node.edges[i].node.get();
    return n && (pass == 0 || (n->pass == pass && n->needed));
  }
  // Whether nobody else sees this gradient: then its memory may take the result.
  bool may_overwrite(int i) const;
  // Whether the first input's gradient goes to a ReLU and is seen by nobody before. An op whose gradient only moves
  // values may then apply the ReLU's mask itself, where there are fewer of them, and set `masked`.
  bool relu_follows() const;
  Tensor saved(int i) const;
  // Of a tensor that is not needed but helps: undefined if it was changed since, or is packed.
  Tensor saved_unchanged(int i) const;
  // Stores make() as input i's gradient, if anyone wants it.
  template <class F>
  void set(int i, F&& make) {
    if (needs(i)) results[i] = make();
  }
};

namespace detail {
template <class F>
struct FunctionNode : Node {
  F function;
  explicit FunctionNode(F&& f) : function(std::move(f)) {}
  static void apply(Node& n, Back& b) { static_cast<FunctionNode&>(n).function(b); }
  static void destroy(Node* n) { static_cast<FunctionNode*>(n)->function.~F(); }
  static constexpr bool sparse = requires { F::takes_sparse; };
  static constexpr NodeType type{&apply, &destroy, nullptr, sparse};
};
Node* finish_node(Node* n, const NodeType* type, const char* name, size_t head, size_t bytes, int edges, int outputs,
                  int saved);
}  // namespace detail

size_t node_bytes(size_t head, int edges, int outputs, int saved);

template <class F>
Ref<Node> make_node(const char* name, F&& f, int edges, int outputs, int saved) {
  using N = detail::FunctionNode<std::decay_t<F>>;
  size_t head = (sizeof(N) + 15) / 16 * 16, bytes = node_bytes(head, edges, outputs, saved);
  Node* n = new (allocate(bytes)) N(std::forward<F>(f));
  return Ref<Node>(detail::finish_node(n, &N::type, name, head, bytes, edges, outputs, saved));
}

}  // namespace lampas
