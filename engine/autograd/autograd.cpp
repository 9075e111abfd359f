#include "autograd/autograd.h"

#include <cstring>
#include <thread>

#include "core/threads.h"
#include "ops/ops.h"

namespace lampas {

thread_local Mode mode;
thread_local int saved_hook_depth = 0;
void* (*pack_saved)(const Tensor&) = nullptr;
Tensor (*unpack_saved)(void*) = nullptr;
void (*drop_object)(void*) = nullptr;
void* (*capture_stack)() = nullptr;
SparseGradients sparse_gradients{};

void TensorImpl::destroy(TensorImpl* t) {
  if (t->autograd) {
    Autograd* a = t->autograd;
    t->autograd = nullptr;
    delete a->hooks;
    a->~Autograd();
    deallocate(a, sizeof(Autograd));
  }
  t->~TensorImpl();
  deallocate(t, sizeof(TensorImpl));
}

Autograd& ensure_autograd(const Tensor& t) {
  if (!t->autograd) t->autograd = new (allocate(sizeof(Autograd))) Autograd;
  return *t->autograd;
}

bool requires_grad(const TensorImpl& t) {
  if (t.autograd && (t.autograd->requires_grad || t.autograd->grad_fn)) return true;
  return t.base.defined() && t.base.requires_grad();
}

void set_requires_grad(const Tensor& t, bool on) {
  if (on) {
    CHECK(is_inexact(t.dtype()), "only Tensors of floating point and complex dtype can require gradients, this one is ",
          name_of(t.dtype()));
    CHECK(!t->inference || mode.inference,
          "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed: clone it first");
  }
  if (!on && !t->autograd) return;
  CHECK(on || is_leaf(t),
        "you can only change requires_grad flags of leaf variables. Use var_no_grad = var.detach() to get "
        "a tensor that takes no part in the graph");
  ensure_autograd(t).requires_grad = on;
}

// ---- nodes ----

size_t node_bytes(size_t head, int edges, int outputs, int saved) {
  return head + edges * sizeof(Edge) + outputs * sizeof(Tensor) + saved * sizeof(Saved);
}

namespace {
// One count for all threads: a graph may be built by several.
uint64_t next_sequence = 1;

// Freeing a node may free the node behind it, and so on for a whole graph: done in a loop, not by recursion.
thread_local bool freeing = false;
thread_local std::vector<Node*> doomed;

void destroy_now(Node* n) {
  const NodeType* type = n->type;
  size_t bytes = n->bytes;
  for (int i = 0; i < n->edge_count; i++) n->edges[i].~Edge();
  for (int i = 0; i < n->output_count; i++) n->pending[i].~Tensor();
  for (int i = 0; i < n->saved_count; i++) n->saved[i].~Saved();
  if (n->metadata) drop_object(n->metadata);
  delete n->hooks;
  type->destroy(n);
  n->~Node();
  deallocate(n, bytes);
}
}  // namespace

namespace detail {
Node* finish_node(Node* n, const NodeType* type, const char* name, size_t head, size_t bytes, int edges, int outputs,
                  int saved) {
  char* tail = reinterpret_cast<char*>(n) + head;
  n->type = type;
  n->name = name;
  n->bytes = uint32_t(bytes);
  n->edge_count = uint16_t(edges);
  n->output_count = uint16_t(outputs);
  n->saved_count = uint16_t(saved);
  n->edges = reinterpret_cast<Edge*>(tail);
  n->pending = reinterpret_cast<Tensor*>(tail + edges * sizeof(Edge));
  n->saved = reinterpret_cast<Saved*>(tail + edges * sizeof(Edge) + outputs * sizeof(Tensor));
  for (int i = 0; i < edges; i++) new (&n->edges[i]) Edge;
  for (int i = 0; i < outputs; i++) new (&n->pending[i]) Tensor;
  for (int i = 0; i < saved; i++) new (&n->saved[i]) Saved;
  if (mode.anomaly && capture_stack) n->metadata = capture_stack();
  return n;
}
}  // namespace detail

void Node::destroy(Node* n) {
  if (freeing) {
    doomed.push_back(n);
    return;
  }
  freeing = true;
  destroy_now(n);
  while (!doomed.empty()) {
    Node* next = doomed.back();
    doomed.pop_back();
    destroy_now(next);
  }
  freeing = false;
}

// The version of a slot that was given no tensor: there is nothing to free, so the node can run again.
constexpr uint32_t kAbsent = ~uint32_t(0);

void save_tensor(Node& node, int slot, const char* name, const Tensor& t, bool is_output, uint32_t output_nr) {
  Saved& s = node.saved[slot];
  s.name = name;
  if (!t.defined()) {
    s.version = kAbsent;
    return;
  }
  CHECK(!t->inference || t->autograd || !mode.grad || mode.inference,
        "an inference tensor cannot be saved for backward: clone() it first, which gives a normal tensor");
  s.version = t.version();
  s.is_output = is_output;
  s.output_nr = output_nr;
  if (saved_hook_depth > 0 && pack_saved) {
    Edge history = is_output ? Edge() : gradient_edge(t);
    NoGrad guard;
    s.packed = std::make_unique<Packed>(pack_saved(is_output ? alias(t) : t), std::move(history));
    return;
  }
  s.tensor = is_output ? alias(t) : t;
}

Packed::~Packed() { drop_object(object); }

namespace {
// What hooks gave back: their values with the history of the tensor that was saved.
Tensor unpack(Node& node, const Saved& s) {
  Tensor found = unpack_saved(s.packed->object);
  Edge edge = s.is_output ? Edge{Ref<Node>(&node), s.output_nr} : s.packed->history;
  if (is_sparse(found) || !(edge.node || found.requires_grad())) return found;
  Tensor t = alias(found);
  if (!edge.node || !is_inexact(t.dtype())) return t;
  Autograd& a = ensure_autograd(t);
  if (accumulated_leaf(*edge.node)) {
    a.requires_grad = true;
    a.accumulator = edge.node.get();
    a.lent = std::move(edge.node);
  } else {
    a.output_nr = edge.input;
    a.grad_fn = std::move(edge.node);
  }
  return t;
}
}  // namespace

Tensor Back::saved(int i) const {
  if (node.saved[i].version == kAbsent) return {};
  CHECK(!node.freed, "Trying to backward through the graph a second time: ", node.name,
        " has freed the values it saved. Pass retain_graph=True to the first backward() or grad() if the graph is "
        "needed again");
  Saved& s = node.saved[i];
  if (s.packed) return unpack(node, s);
  if (!s.tensor.defined()) return {};
  uint32_t now = s.tensor.version();
  if (now != s.version) [[unlikely]] {
    static const char* const kTorchNames[kDTypes] = {"Bool",  "Byte",   "Char",         "Short",
                                                     "Int",   "Long",   "Half",         "BFloat16",
                                                     "Float", "Double", "ComplexFloat", "ComplexDouble"};
    fail("one of the variables needed for gradient computation has been modified by an inplace operation: [torch.",
         kTorchNames[int(s.tensor.dtype())], "Tensor ", shown(s.tensor.sizes()), "], saved as '", s.name, "' by ",
         node.name, ", is at version ", now, "; expected version ", s.version,
         " instead. Use the out-of-place form of the op that changed it, or clone() before; "
         "torch.autograd.set_detect_anomaly(True) shows where the value was saved");
  }
  if (!s.is_output) return s.tensor;
  Tensor t = alias(s.tensor);
  Autograd& a = ensure_autograd(t);
  a.grad_fn = Ref<Node>(&node);
  a.output_nr = s.output_nr;
  return t;
}

Tensor Back::saved_unchanged(int i) const {
  const Saved& s = node.saved[i];
  return s.packed || !s.tensor.defined() || s.tensor.version() != s.version ? Tensor() : s.tensor;
}

// ---- history ----

namespace {

// Keeps passes in other threads from adding to a leaf's gradient while a kernel that does so has given the
// interpreter's lock away. (Small kernels keep it, so there is nothing to guard.)
class Exclusive {
 public:
  explicit Exclusive(const Tensor& leaf) : leaf_(leaf.numel() > kGrain && release_interpreter ? leaf.impl() : nullptr) {
    if (!leaf_) return;
    auto taken = [&] {
      for (auto [busy, thread] : busy_)
        if (busy == leaf_ && thread != std::this_thread::get_id()) return true;
      return false;
    };
    while (taken()) {
      void* state = release_interpreter();
      std::this_thread::yield();
      acquire_interpreter(state);
    }
    busy_.emplace_back(leaf_, std::this_thread::get_id());
  }
  ~Exclusive() {
    if (leaf_) std::erase(busy_, std::pair(leaf_, std::this_thread::get_id()));
  }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

 private:
  inline static std::vector<std::pair<TensorImpl*, std::thread::id>> busy_;
  TensorImpl* leaf_;
};

// Adds what reaches it to the leaf's .grad.
struct Accumulate {
  static constexpr bool takes_sparse = true;
  Tensor leaf;
  ~Accumulate() {
    if (leaf.defined() && leaf->autograd) leaf->autograd->accumulator = nullptr;
  }
  explicit Accumulate(const Tensor& t) : leaf(t) {}
  Accumulate(Accumulate&& o) noexcept : leaf(std::move(o.leaf)) {}
  void operator()(Back& b) {
    Tensor g = b.grads[0];
    if (!g.defined()) return;
    Autograd& a = *leaf->autograd;
    if (a.hooks) {
      auto hooks = a.hooks->before;  // a hook may remove itself or others
      for (auto& [_, hook] : hooks)
        if (g.defined()) hook->call(&g, 1, nullptr, 0);
    }
    if (!g.defined()) return;
    {
      Exclusive alone(leaf);
      accumulate_grad(leaf, std::move(g), &const_cast<Tensor&>(b.grads[0]));
    }
    if (a.post_accumulate.empty()) return;
    for (auto hooks = a.post_accumulate; const Ref<Hook>& hook : hooks) {
      Tensor t = leaf;
      hook->call(&t, 1, nullptr, 0);
    }
  }
  // A view may own the memory of a base that nobody else has, as a transposed gradient does.
  static bool memory_is_its_own(const Tensor& g) {
    const Tensor& base = g->base;
    const bool alone = base.defined() ? base->count() == 1 && g->storage->count() == 2 && base.numel() == g.numel()
                                      : g->storage->count() == 1;
    return alone && !g->storage->free_foreign;
  }
  static void accumulate_grad(const Tensor& leaf, Tensor g, Tensor* slot) {
    Autograd& a = *leaf->autograd;
    if (is_sparse(g) || (a.grad.defined() && is_sparse(a.grad))) [[unlikely]] {
      // The first one is copied: it has a Python object, so that nothing tells here who else holds it.
      bool copies = g.dtype() != leaf.dtype() || !a.grad.defined();
      if (copies) g = is_sparse(g) ? sparse_gradients.cast(g, leaf.dtype()) : to(g, leaf.dtype());
      a.grad = a.grad.defined() ? sparse_gradients.add(a.grad, g, !mode.grad) : std::move(g);
      return;
    }
    if (g.dtype() != leaf.dtype()) g = to(g, leaf.dtype());
    if (!a.grad.defined()) {
      // Nobody else holds it and it has the leaf's layout: keep it, do not copy.
      bool same_object = slot->is(g);
      if (!mode.grad && g->count() == (same_object ? 2 : 1) && memory_is_its_own(g) &&
          g.strides().size() == leaf.strides().size() && same(g.strides(), leaf.strides())) {
        if (g->autograd || g->base.defined()) g = alias(g);
        a.grad = std::move(g);
        if (same_object) *slot = Tensor();
      } else if (mode.grad) {
        a.grad = clone(g);
      } else {
        Tensor fresh = is_dense(leaf.sizes(), leaf.strides())
                           ? empty_strided(leaf.sizes(), leaf.strides(), g.dtype(), g.device())
                           : empty(leaf.sizes(), g.dtype(), g.device());
        copy_data(fresh, g);
        a.grad = fresh;
      }
    } else if (mode.grad) {
      a.grad = add(a.grad, g);
    } else {
      NoGrad guard;
      add_in_place(a.grad, g);
    }
  }
};

void set_history(const Tensor& t, const Ref<Node>& node, uint32_t output_nr) {
  Autograd& a = ensure_autograd(t);
  a.grad_fn = node;
  a.output_nr = output_nr;
}

}  // namespace

namespace {
// The base of a view as numbers of the view's own type: the parts of a complex base for a real view of it.
Tensor base_in_units_of(const Tensor& view) {
  const Tensor& base = view->base;
  if (is_complex(base.dtype()) == is_complex(view.dtype())) return base;
  return is_complex(base.dtype()) ? view_as_real(base) : view_as_complex(base);
}
}  // namespace

Ref<Node> grad_fn(const Tensor& t) {
  TensorImpl* i = t.impl();
  if (i->base.defined() && i->view_version != t.version() && i->base.requires_grad() &&
      i->creation == Creation::Default) [[unlikely]] {
    // The base was changed in place since: the view's history is a view of the base's present one.
    Tensor base = base_in_units_of(t);
    IntVec sizes = i->sizes, strides = i->strides, base_sizes = base->sizes, base_strides = base->strides;
    int64_t offset = i->offset, base_offset = base->offset;
    Ref<Node> n = make_node(
        "AsStridedBackward0",
        [=](Back& b) {
          b.set(0, [&] {
            return as_strided_backward(b.grad(), base_sizes, base_strides, base_offset, sizes, strides, offset);
          });
        },
        1, 1, 0);
    n->edges[0] = gradient_edge(base);
    n->sequence = next_sequence++;
    set_history(t, n, 0);
    i->view_version = t.version();
  }
  return i->autograd ? i->autograd->grad_fn : Ref<Node>();
}

Edge gradient_edge(const Tensor& t) {
  if (!t.defined() || !t.requires_grad()) return {};
  if (Ref<Node> fn = grad_fn(t)) return {std::move(fn), t->autograd->output_nr};
  Autograd& a = ensure_autograd(t);
  if (a.accumulator) return {Ref<Node>(a.accumulator), 0};
  Ref<Node> n = make_node("torch::autograd::AccumulateGrad", Accumulate(t), 0, 1, 0);
  // Leaves come last, when everything that flows to them has arrived.
  n->sequence = 0;
  a.accumulator = n.get();
  return {std::move(n), 0};
}

void connect(const Ref<Node>& node, const TensorList& inputs, const TensorList& outputs,
             std::initializer_list<Save> saves) {
  for (int i = 0; i < inputs.count; i++)
    if (inputs[i].defined()) node->edges[i] = gradient_edge(inputs[i]);
  node->sequence = next_sequence++;
  for (int i = 0; i < outputs.count; i++) {
    const Tensor& t = outputs[i];
    if (t.defined() && is_inexact(t.dtype())) set_history(t, node, uint32_t(i));
  }
  int slot = 0;
  for (const Save& s : saves) {
    bool is_output = false;
    uint32_t output_nr = 0;
    if (s.tensor)
      for (int i = 0; i < outputs.count; i++)
        if (s.tensor->defined() && outputs[i].is(*s.tensor)) {
          is_output = true;
          output_nr = uint32_t(i);
        }
    save_tensor(*node, slot++, s.name, s.tensor ? *s.tensor : Tensor(), is_output, output_nr);
  }
}

const Tensor* accumulated_leaf(const Node& n) {
  using N = detail::FunctionNode<Accumulate>;
  return n.type == &N::type ? &static_cast<const N&>(n).function.leaf : nullptr;
}

Tensor make_view(const Tensor& t, Ints sizes, Ints strides, int64_t offset) {
  Tensor v = alias(t, sizes, strides, offset);
  if (t->inference) return v;
  v->base = t->base.defined() ? t->base : t;
  v->view_version = t.version();
  // A view of a view made without recording stays unrecorded.
  v->creation = mode.inference ? Creation::Inference : !mode.grad ? Creation::NoGrad : t->creation;
  return v;
}

Tensor detach(const Tensor& t) { return alias(t); }

// ---- in-place ----

void check_inplace(const Tensor& x, bool records) {
  CHECK(
      !x->inference || mode.inference,
      "Inplace update to inference tensor outside InferenceMode is not allowed. Clone it first to get a normal tensor");
  if (!mode.grad) return;
  bool is_view = x->base.defined();
  if (is_view && (records || x.requires_grad())) {
    switch (x->creation) {
      case Creation::Default:
        break;
      case Creation::NoGrad:
        fail(
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled, so it is unclear "
            "whether the change should be recorded: do both inside the no_grad block, or both outside");
      case Creation::Inference:
        fail("A view was created in inference mode and is being modified inplace in normal mode: clone it first");
      case Creation::MultiOutput:
        fail("Output ", x->autograd ? int(x->autograd->output_nr) : 0, " of ",
             x->autograd && x->autograd->grad_fn ? x->autograd->grad_fn->name : "an op",
             " is a view and is being modified inplace. The op returned several views of one tensor, and such views "
             "do not allow it. Replace the inplace operation by an out-of-place one");
      case Creation::Custom:
        fail(
            "A view made inside a custom Function is being modified inplace, which would bypass the Function's "
            "backward: clone it first");
    }
    const Tensor& base = x->base;
    if (base.requires_grad())
      CHECK(!is_leaf(base),
            "a view of a leaf Variable that requires grad is being used in an in-place operation. "
            "Wrap the change in torch.no_grad(), or change a clone");
  }
  CHECK(!(x->autograd && x->autograd->requires_grad && !x->autograd->grad_fn),
        "a leaf Variable that requires grad is being used in an in-place operation. "
        "Wrap the change in torch.no_grad(), or change a clone");
}

namespace {

// The history of a base after a view of it was written: the gradient outside the view passes, inside it goes through
// `inner`.
struct CopySlices {
  Ref<Node> inner;
  uint32_t output_nr;
  IntVec sizes, strides, view_sizes, view_strides;
  int64_t offset, view_offset;
  bool by_parts;  // a real view of a complex base: gradients are taken apart into real numbers

  void operator()(Back& b) {
    if (!b.grad().defined()) return;
    Tensor g = by_parts ? view_as_real(contiguous(b.grad())) : b.grad();
    auto [inner_strides, inner_offset] = place_in_contiguous();
    Tensor whole = clone(contiguous(g));
    Tensor slice = clone(as_strided(whole, view_sizes, inner_strides, inner_offset));
    std::vector<Tensor> grads(inner->output_count), results(inner->edge_count);
    grads[output_nr] = slice;
    Back back{*inner, grads.data(), results.data(), 0};
    // The inner node's own edge 0 was moved to the base: what it says it needs is read from this node.
    std::vector<Edge> kept(inner->edge_count);
    for (int i = 0; i < inner->edge_count; i++) {
      kept[i] = inner->edges[i];
      inner->edges[i] = b.node.edges[i];
    }
    try {
      inner->type->apply(*inner, back);
    } catch (...) {
      for (int i = 0; i < inner->edge_count; i++) inner->edges[i] = kept[i];
      throw;
    }
    for (int i = 0; i < inner->edge_count; i++) inner->edges[i] = kept[i];
    for (int i = 1; i < inner->edge_count; i++) b.results[i] = results[i];
    if (b.needs(0)) {
      Tensor inside = results[0].defined() ? results[0] : zeros(view_sizes, g.dtype(), g.device());
      Tensor all = as_strided_scatter(whole, inside, view_sizes, inner_strides, inner_offset);
      b.results[0] = by_parts ? view_as_complex(all) : all;
    }
  }
  // The view's strides and offset inside a contiguous gradient, while the base may lie in another order.
  std::pair<IntVec, int64_t> place_in_contiguous() const {
    // Strides of the base in descending order turn an offset into coordinates, which the contiguous order re-encodes.
    IntVec plain = contiguous_strides(sizes);
    auto translate = [&](int64_t distance) {
      std::vector<int> order;
      for (int i = 0; i < sizes.size(); i++)
        if (sizes[i] > 1) order.push_back(i);
      std::sort(order.begin(), order.end(), [&](int a, int c) { return strides[a] > strides[c]; });
      int64_t out = 0;
      for (int i : order)
        if (strides[i] > 0) {
          out += distance / strides[i] * plain[i];
          distance %= strides[i];
        }
      return out;
    };
    IntVec s = view_strides;
    for (int i = 0; i < s.size(); i++) s[i] = translate(s[i]);
    return {s, translate(view_offset - offset)};
  }
};

}  // namespace

void written_inplace(const Tensor& x, const Ref<Node>& node, uint32_t output_nr) {
  x.bump_version();
  if (!node) return;
  // A saved result is x itself now, not the tensor it was computed in.
  for (int i = 0; i < node->saved_count; i++)
    if (Saved& s = node->saved[i]; s.is_output && s.tensor.defined() && same(s.tensor.sizes(), x.sizes())) {
      s.tensor = alias(x);
      s.version = x.version();
    }
  if (!x->base.defined()) {
    set_history(x, node, output_nr);
    return;
  }
  Tensor base = x->base;
  bool by_parts = is_complex(base.dtype()) && !is_complex(x.dtype());
  IntVec sizes = base->sizes, strides = base->strides;
  int64_t offset = base->offset;
  if (by_parts) {
    for (int64_t& s : strides) s *= 2;
    sizes.push_back(2);
    strides.push_back(1);
    offset *= 2;
  }
  Ref<Node> n =
      make_node("torch::autograd::CopySlices",
                CopySlices{node, output_nr, sizes, strides, x->sizes, x->strides, offset, x->offset, by_parts},
                node->edge_count, 1, 0);
  n->edges[0] = gradient_edge(base);
  for (int i = 1; i < node->edge_count; i++) n->edges[i] = node->edges[i];
  n->sequence = next_sequence++;
  set_history(base, n, 0);
  // The view's own history is made anew from the base's when asked for.
  if (x->autograd) x->autograd->grad_fn.reset();
  x->view_version = x.version() - 1;
  grad_fn(x);
}

Tensor with_history_of(const Tensor& x, const Tensor& copy) {
  if (!x.requires_grad()) return copy;
  Ref<Node> fn = grad_fn(x);
  Tensor t = alias(copy);
  if (fn) set_history(t, fn, x->autograd->output_nr);
  return t;
}

}  // namespace lampas
