#include "autograd/engine.h"

#include <algorithm>
#include <unordered_map>

#include "ops/ops.h"

namespace lampas {

void (*report_anomaly)(Node&) = nullptr;

namespace {

// Both change only while the interpreter's lock is held. Passes are counted over all threads: a node keeps the number
// of the last one that marked it.
uint64_t passes = 0;
bool nodes_taken = false;

// A pass keeps its marks in the nodes themselves. One that starts while another runs (inside a hook or a custom
// function, or in another thread) may meet nodes that are in use, and keeps its marks in a table of its own.
struct Marks {
  std::vector<Tensor> pending;
  bool queued = false;
  uint8_t needed = 0;
};

// Nodes were numbered as they were made, and a node's inputs were made before it: taking the highest number first
// visits every node after all that feed it, with no count of dependencies. AccumulateGrad nodes carry the lowest number
// of all.
struct Queue {
  std::vector<Ref<Node>> heap;
  static bool later(const Ref<Node>& a, const Ref<Node>& b) { return a->sequence < b->sequence; }
  void push(Ref<Node> n) {
    heap.push_back(std::move(n));
    std::push_heap(heap.begin(), heap.end(), later);
  }
  Ref<Node> pop() {
    std::pop_heap(heap.begin(), heap.end(), later);
    Ref<Node> n = std::move(heap.back());
    heap.pop_back();
    return n;
  }
};

Tensor sum_of(const Tensor& a, const Tensor& b) {
  if (is_sparse(a) || is_sparse(b)) [[unlikely]]
    return sparse_gradients.add(a, b, false);
  return add(a, b);
}

// Whether nobody else sees this gradient or its memory, which may then be written over.
bool held_once(const Tensor& gradient) {
  return !mode.grad && !is_sparse(gradient) && gradient->count() == 1 && !gradient->base.defined() &&
         gradient->storage->count() == 1 && gradient.is_contiguous() && !gradient->storage->free_foreign;
}

// Gradients asked for by autograd.grad, taken as they pass.
struct Capture {
  Node* node;
  uint32_t input;
  Tensor gradient;
  bool found = false;
};

class Pass {
 public:
  explicit Pass(const BackwardArgs& args) : args_(args), id_(++passes), in_nodes_(!std::exchange(nodes_taken, true)) {}
  ~Pass() {
    if (in_nodes_) nodes_taken = false;
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  std::vector<Tensor> run() {
    if (!args_.inputs.empty()) prepare_inputs();
    Mode saved = mode;
    try {
      seed();
      mode.grad = args_.create_graph;
      while (!queue_.heap.empty()) step(queue_.pop());
    } catch (...) {
      mode = saved;
      abandon();
      throw;
    }
    mode = saved;
    return collect();
  }

 private:
  Marks& marks(Node* n) {
    Marks& m = marks_[n];
    if (m.pending.empty()) m.pending.resize(n->output_count);
    return m;
  }
  Tensor* pending(Node* n) { return in_nodes_ ? n->pending : marks(n).pending.data(); }
  bool& queued(Node* n) { return in_nodes_ ? n->queued : marks(n).queued; }
  bool entered(Node* n) const { return in_nodes_ ? n->pass == id_ : marks_.contains(n); }
  // Only of a node that was entered.
  uint8_t& needed(Node* n) { return in_nodes_ ? n->needed : marks(n).needed; }

  // Marks the nodes that lead to a wanted input, so that no others run.
  void prepare_inputs() {
    for (const Tensor& t : args_.inputs) {
      CHECK(t.requires_grad(), "One of the differentiated Tensors does not require grad");
      Edge e = gradient_edge(t);
      captures_.push_back({e.node.get(), e.input, {}, false});
      keep_.push_back(e.node);
    }
    // Depth first without recursion; a node is entered twice: going down, and coming back with its inputs decided.
    std::vector<std::pair<Node*, int>> stack;
    auto enter = [&](Node* n) {
      if (entered(n)) return;
      if (in_nodes_) n->pass = id_;
      uint8_t& mark = needed(n);
      mark = 0;
      for (const Capture& c : captures_)
        if (c.node == n) mark = 2;  // wanted here: nothing says that what lies behind is
      stack.emplace_back(n, 0);
    };
    for (const Tensor& root : args_.roots)
      if (Edge e = gradient_edge(root); e.node) {
        enter(e.node.get());
        while (!stack.empty()) {
          auto& [n, i] = stack.back();
          if (i > 0) {
            Node* below = n->edges[i - 1].node.get();
            if (below && needed(below)) needed(n) |= 1;
          }
          while (i < n->edge_count && !n->edges[i].node) i++;
          if (i < n->edge_count) {
            Node* below = n->edges[i++].node.get();
            if (entered(below)) {
              if (needed(below)) needed(n) |= 1;
            } else {
              enter(below);
            }
          } else {
            stack.pop_back();
          }
        }
      }
  }

  bool wanted(Node* n) { return args_.inputs.empty() || (entered(n) && needed(n)); }

  void deliver(const Edge& e, const Tensor& g, bool masked = false) {
    Node* n = e.node.get();
    if (!wanted(n)) return;
    Tensor& slot = pending(n)[e.input];
    if (n->relu && in_nodes_) n->masked = masked && !slot.defined();
    if (!slot.defined()) {
      slot = g;
    } else if (g.defined()) {
      if (held_once(slot) && !is_sparse(g) && same(slot.sizes(), g.sizes()) && slot.dtype() == g.dtype())
        add_in_place(slot, g);
      else
        slot = sum_of(slot, g);
    }
    if (bool& waits = queued(n); !waits) {
      waits = true;
      queue_.push(e.node);
    }
  }

  void seed() {
    for (size_t i = 0; i < args_.roots.size(); i++) {
      const Tensor& root = args_.roots[i];
      CHECK(root.requires_grad(), "element ", i,
            " of tensors does not require grad and does not have a grad_fn: "
            "no tensor it was computed from has requires_grad=True, or it was computed under no_grad()");
      Tensor g = i < args_.gradients.size() ? args_.gradients[i] : Tensor();
      if (!g.defined()) {
        CHECK(root.numel() == 1, "grad can be implicitly created only for scalar outputs, and this one has shape ",
              shown(root.sizes()), ": reduce it with sum() or mean(), or pass its gradient");
        CHECK(is_floating(root.dtype()), "grad can be implicitly created only for real scalar outputs but got torch.",
              name_of(root.dtype()));
        g = ones(root.sizes(), root.dtype(), root.device());
      } else {
        CHECK(same(g.sizes(), root.sizes()), "Mismatch in shape: grad_output[", i, "] has a shape of ",
              shown(g.sizes()), " and output[", i, "] has a shape of ", shown(root.sizes()), ".");
        CHECK(is_complex(g.dtype()) == is_complex(root.dtype()),
              "For complex Tensors, both grad_output and output are required to have "
              "the same dtype. Mismatch in dtype: grad_output[",
              i, "] is torch.", name_of(g.dtype()), ", output[", i, "] is torch.", name_of(root.dtype()));
        if (g.dtype() != root.dtype()) g = is_sparse(g) ? sparse_gradients.cast(g, root.dtype()) : to(g, root.dtype());
      }
      deliver(gradient_edge(root), g);
    }
  }

  void step(Ref<Node> node) {
    Node& n = *node;
    queued(&n) = false;
    constexpr int kInline = 8;
    Tensor inline_grads[kInline], inline_results[kInline];
    std::vector<Tensor> more_grads, more_results;
    Tensor* grads = inline_grads;
    Tensor* results = inline_results;
    if (n.output_count > kInline) {
      more_grads.resize(n.output_count);
      grads = more_grads.data();
    }
    if (n.edge_count > kInline) {
      more_results.resize(n.edge_count);
      results = more_results.data();
    }
    Tensor* arrived = pending(&n);
    for (int i = 0; i < n.output_count; i++) grads[i] = std::move(arrived[i]);
    if (!in_nodes_ && args_.inputs.empty()) marks_.erase(&n);
    if (n.hooks) call_before(n, grads);
    for (Capture& c : captures_)
      if (c.node == &n && !(args_.accumulate && n.edge_count == 0)) {
        // A leaf is visited once for each of its uses.
        if (c.gradient.defined() && grads[c.input].defined())
          c.gradient = sum_of(c.gradient, grads[c.input]);
        else if (grads[c.input].defined())
          c.gradient = grads[c.input];
        c.found = c.gradient.defined();
        if (args_.accumulate && c.found) keep_gradient(c);
      }
    if (!args_.inputs.empty() && !(needed(&n) & 1) && !(args_.accumulate && accumulated_leaf(n))) return;
    if (!n.type->takes_sparse)
      for (int i = 0; i < n.output_count; i++)
        if (grads[i].defined() && is_sparse(grads[i])) [[unlikely]]
          grads[i] = sparse_gradients.dense(grads[i]);
    const bool chosen = !args_.inputs.empty();
    Back back{n, grads, results, chosen && in_nodes_ ? id_ : 0, !chosen && in_nodes_};
    if (back.all) back.masked = std::exchange(n.masked, false);
    try {
      n.type->apply(n, back);
    } catch (...) {
      if (mode.anomaly && report_anomaly) report_anomaly(n);
      throw;
    }
    if (mode.anomaly && mode.check_nan) check_nan(n, results);
    if (n.hooks)
      for (size_t i = 0; i < n.hooks->after.size(); i++) {
        Ref<Hook> hook = n.hooks->after[i];
        hook->call(results, n.edge_count, grads, n.output_count);
      }
    if (!args_.retain_graph) release(n);
    for (int i = 0; i < n.edge_count; i++)
      if (n.edges[i].node) deliver(n.edges[i], results[i], back.masked && i == 0);
  }

  static void call_before(Node& n, Tensor* grads) {
    Hooks& h = *n.hooks;
    for (size_t i = 0; i < h.before.size(); i++) {
      auto [output, hook] = h.before[i];
      if (output >= 0) {
        if (grads[output].defined()) hook->call(&grads[output], 1, nullptr, 0);
      } else {
        hook->call(grads, n.output_count, nullptr, 0);
      }
    }
    for (size_t i = 0; i < h.retain.size(); i++) {
      auto [output, hook] = h.retain[i];
      if (grads[output].defined()) hook->call(&grads[output], 1, nullptr, 0);
    }
  }

  // backward(inputs=[...]) on a tensor that is not a leaf.
  void keep_gradient(const Capture& c) {
    for (const Tensor& t : args_.inputs) {
      Edge e = gradient_edge(t);
      if (e.node.get() != c.node || e.input != c.input) continue;
      Autograd& a = ensure_autograd(t);
      a.grad = a.grad.defined() ? sum_of(a.grad, c.gradient) : c.gradient;
    }
  }

  static void release(Node& n) {
    if (n.saved_count && !n.freed) {
      for (int i = 0; i < n.saved_count; i++) {
        n.freed |= n.saved[i].tensor.defined() || n.saved[i].packed;
        n.saved[i].tensor = Tensor();
        std::exchange(n.saved[i].packed, nullptr);
      }
    }
    if (n.type->release) n.type->release(&n);
  }

  static void check_nan(Node& n, const Tensor* results) {
    for (int i = 0; i < n.edge_count; i++) {
      if (!results[i].defined() || is_sparse(results[i]) || !is_inexact(results[i].dtype())) continue;
      NoGrad guard;
      if (has_nan(results[i])) {
        if (report_anomaly) report_anomaly(n);
        fail("Function '", n.name, "' returned nan values in its ", i, "th output.");
      }
    }
  }

  // After an error: forget what was collected, so that the graph can be run again.
  void abandon() {
    if (!in_nodes_) return;
    for (Ref<Node>& n : queue_.heap) {
      n->queued = n->masked = false;
      for (int i = 0; i < n->output_count; i++) n->pending[i] = Tensor();
    }
  }

  std::vector<Tensor> collect() {
    std::vector<Tensor> out;
    if (args_.accumulate) return out;
    for (size_t i = 0; i < captures_.size(); i++) {
      Capture& c = captures_[i];
      CHECK(c.found || args_.allow_unused, "One of the differentiated Tensors (input ", i,
            ") appears to not have been used in the graph. Set allow_unused=True if this is the desired behavior.");
      Tensor g = c.gradient;
      // A gradient some node still shares must not be changed through the caller's hands.
      if (g.defined() && !args_.create_graph && g->autograd && !is_sparse(g)) g = detach(g);
      out.push_back(g);
    }
    return out;
  }

  const BackwardArgs& args_;
  uint64_t id_;
  bool in_nodes_;
  std::unordered_map<Node*, Marks> marks_;
  Queue queue_;
  std::vector<Capture> captures_;
  std::vector<Ref<Node>> keep_;
};

}  // namespace

bool Back::may_overwrite(int i) const { return (!node.hooks || node.hooks->after.empty()) && held_once(grads[i]); }

bool Back::relu_follows() const {
  const Node* next = node.edges[0].node.get();
  return all && !mode.grad && next && next->relu && !next->hooks && (!node.hooks || node.hooks->after.empty());
}

std::vector<Tensor> run_backward(const BackwardArgs& args) { return Pass(args).run(); }

}  // namespace lampas
