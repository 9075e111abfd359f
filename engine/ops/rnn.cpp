// Recurrent networks: LSTM, GRU and plain RNN, in layers, both directions, over padded or packed sequences.
#include "ops/rnn.h"

#include <memory>

#include "core/threads.h"
#include "ops/kernels.h"
#include "ops/ops.h"
#include "ops/recompute.h"

namespace lampas {

namespace {

// The tensors a layer computes from, in this order; absent ones are undefined.
enum : int { X, H0, C0, WIh, WHh, BIh, BHh, WHr, kInputs };
using Inputs = std::vector<Tensor>;

constexpr const char* kCellName[] = {"lstm", "gru", "rnn_tanh", "rnn_relu"};
constexpr const char* kNodeName[] = {"LstmBackward0", "GruBackward0", "RnnTanhBackward0", "RnnReluBackward0"};

struct Spec {
  RnnCell cell;
  bool reverse;
  std::shared_ptr<const std::vector<int64_t>> batch_sizes;
};

// What the forward pass leaves for the backward one.
struct Trace {
  Tensor gates, cells, hiddens;
};

RnnCall make_call(const Spec& spec, const Inputs& in) {
  RnnCall q{};
  const RnnLayout layout = rnn_layout(spec.cell);
  q.cell = spec.cell;
  q.type = in[X].dtype();
  q.reverse = spec.reverse;
  q.steps = int64_t(spec.batch_sizes->size());
  q.batch_sizes = spec.batch_sizes->data();
  q.rows = in[X].sizes()[0];
  q.input = in[X].sizes()[1];
  q.hidden = in[WHh].sizes()[0] / layout.gates;
  q.state = in[H0].sizes()[1];
  // Rows a multiple of the page size apart would meet in one set of the first-level cache.
  q.gate_stride = layout.slots * q.hidden;
  if (q.gate_stride % 256 == 0) q.gate_stride += 16;
  return q;
}

void set_inputs(RnnCall& q, const Inputs& in) {
  auto data = [](const Tensor& t) -> const void* { return t.defined() ? t.data() : nullptr; };
  q.x = data(in[X]), q.h0 = data(in[H0]), q.c0 = data(in[C0]);
  q.w_ih = data(in[WIh]), q.w_hh = data(in[WHh]), q.b_ih = data(in[BIh]), q.b_hh = data(in[BHh]),
  q.w_hr = data(in[WHr]);
}

int64_t work_of(const RnnCall& q) { return q.rows * q.hidden * 4 * (q.input + q.state); }

// The same layer in differentiable ops, step by step.
std::vector<Tensor> composite(const Spec& spec, const Inputs& in) {
  const auto& sizes = *spec.batch_sizes;
  const int64_t steps = int64_t(sizes.size()), batch = sizes[0];
  std::vector<int64_t> start(size_t(steps) + 1);
  for (int64_t t = 0; t < steps; t++) start[size_t(t) + 1] = start[size_t(t)] + sizes[size_t(t)];
  const Tensor from_input = linear(in[X], in[WIh], in[BIh]);
  const int64_t hidden = in[WHh].sizes()[0] / rnn_layout(spec.cell).gates;
  Tensor h = in[H0], c = in[C0];
  std::vector<Tensor> ys(static_cast<size_t>(steps));
  for (int64_t s = 0; s < steps; s++) {
    const int64_t t = spec.reverse ? steps - 1 - s : s, n = sizes[size_t(t)];
    auto renewed = [&](const Tensor& now, const Tensor& state) {
      return n == batch ? now : cat({now, narrow(state, 0, n, batch - n)}, 0);
    };
    Tensor before = narrow(h, 0, 0, n), product = linear(before, in[WHh], in[BHh]),
           x = narrow(from_input, 0, start[size_t(t)], n);
    auto gate = [&](const Tensor& from, int k) { return narrow(from, 1, k * hidden, hidden); };
    Tensor now;
    if (spec.cell == RnnCell::Lstm) {
      Tensor sum = x + product;
      Tensor cell = sigmoid(gate(sum, 1)) * narrow(c, 0, 0, n) + sigmoid(gate(sum, 0)) * tanh(gate(sum, 2));
      now = sigmoid(gate(sum, 3)) * tanh(cell);
      c = renewed(cell, c);
      if (in[WHr].defined()) now = linear(now, in[WHr], {});
    } else if (spec.cell == RnnCell::Gru) {
      Tensor r = sigmoid(gate(x, 0) + gate(product, 0)), z = sigmoid(gate(x, 1) + gate(product, 1));
      Tensor candidate = tanh(gate(x, 2) + r * gate(product, 2));
      now = candidate + z * (before - candidate);
    } else {
      now = spec.cell == RnnCell::Tanh ? tanh(x + product) : relu(x + product);
    }
    ys[size_t(t)] = now;
    h = renewed(now, h);
  }
  return {cat(ys, 0), h, c};
}

std::vector<Tensor> layer_gradients(const Spec& spec, const Inputs& in, const Tensor& y, const Trace& trace,
                                    const std::vector<Tensor>& grads, const Back& b) {
  RnnCall q = make_call(spec, in);
  set_inputs(q, in);
  std::vector<Tensor> results(kInputs), given;
  for (const Tensor& g : grads) given.push_back(g.defined() ? contiguous(g) : g);
  auto data = [](const Tensor& t) { return t.defined() ? t.data() : nullptr; };
  auto result = [&](int i) -> void* {
    if (!b.needs(i)) return nullptr;
    const Tensor& t = in[size_t(i)];
    results[size_t(i)] = q.rows ? empty(t.sizes(), t.dtype(), t.device()) : zeros(t.sizes(), t.dtype(), t.device());
    return results[size_t(i)].data();
  };
  q.y = data(y), q.gates = data(trace.gates), q.cells = data(trace.cells), q.hiddens = data(trace.hiddens);
  q.gy = data(given[0]), q.ghn = data(given[1]), q.gcn = data(given[2]);
  q.gx = result(X), q.gh0 = result(H0), q.gc0 = result(C0), q.gw_ih = result(WIh), q.gw_hh = result(WHh);
  q.gb_ih = result(BIh), q.gb_hh = result(BHh), q.gw_hr = result(WHr);
  Unlocked unlocked(2 * work_of(q));
  kernels(in[X].device()).network.rnn_backward(q);
  return results;
}

// One layer in one direction: x [rows, input] -> y [rows, state], last h, last c (undefined without one).
std::vector<Tensor> layer(const Spec& spec, const Inputs& given) {
  Inputs in = given;
  {
    NoGrad guard;
    for (Tensor& t : in)
      if (t.defined()) t = contiguous(t);
  }
  RnnCall q = make_call(spec, in);
  q.keeps = recording(given);
  const DType type = q.type;
  const Device device = in[X].device();
  const bool lstm = spec.cell == RnnCell::Lstm;
  const int64_t batch = in[H0].sizes()[0];
  Trace trace;
  Tensor y = empty(IntVec{q.rows, q.state}, type, device), hn = empty(IntVec{batch, q.state}, type, device), cn;
  const DType compute = compute_type(type);
  trace.gates = empty(IntVec{q.rows, q.gate_stride}, compute, device);
  if (lstm) {
    trace.cells = empty(IntVec{q.rows, q.hidden}, compute, device);
    cn = empty(IntVec{batch, q.hidden}, compute, device);
    if (in[WHr].defined()) trace.hiddens = empty(IntVec{q.rows, q.hidden}, type, device);
  }
  set_inputs(q, in);
  auto data = [](const Tensor& t) { return t.defined() ? t.data() : nullptr; };
  q.y = y.data(), q.hn = hn.data(), q.cn = data(cn), q.gates = trace.gates.data();
  q.cells = data(trace.cells), q.hiddens = data(trace.hiddens);
  {
    Unlocked unlocked(work_of(q));
    kernels(device).network.rnn_forward(q);
  }
  if (q.keeps) {
    auto backward = [spec, trace](Back& b) {
      std::vector<Tensor> grads = {b.grad(0), b.grad(1), b.grad(2)}, results;
      if (!grads[0].defined() && !grads[1].defined() && !grads[2].defined()) return;
      Inputs saved;
      for (int i = 0; i < kInputs; i++) saved.push_back(b.saved(i));
      if (mode.grad) {
        auto again = [spec](const std::vector<Tensor>& in) { return composite(spec, in); };
        results = recorded_gradients(kNodeName[int(spec.cell)], again, saved, grads);
      } else {
        for (Tensor& t : saved)
          if (t.defined()) t = contiguous(t);
        results = layer_gradients(spec, saved, b.saved(kInputs), trace, grads, b);
      }
      for (int i = 0; i < kInputs; i++)
        if (b.needs(i)) b.results[i] = results[size_t(i)];
    };
    const Inputs& g = given;
    record(kNodeName[int(spec.cell)], given, std::vector<Tensor>{y, hn, cn},
           {{"input", &g[X]},
            {"hx", &g[H0]},
            {"cx", &g[C0]},
            {"w_ih", &g[WIh]},
            {"w_hh", &g[WHh]},
            {"b_ih", &g[BIh]},
            {"b_hh", &g[BHh]},
            {"w_hr", &g[WHr]},
            {"result", &y}},
           std::move(backward));
  }
  return {y, hn, cn};
}

// ---- stacks of layers ----

struct Network {
  RnnCell cell;
  bool biases;
  int64_t layers;
  double dropout;
  bool train, bidirectional;

  int directions() const { return bidirectional ? 2 : 1; }
  const char* name() const { return kCellName[int(cell)]; }
};

void check_shape(const Network& net, const char* what, const Tensor& t, Ints wanted) {
  CHECK(same(t.sizes(), wanted), net.name(), ": expected ", what, " of shape ", shown(wanted), ", got ",
        shown(t.sizes()));
}

// x [rows, features]; hx, cx [layers * directions, batch, features]. Gives y, hn, cn.
std::vector<Tensor> run(const Network& net, Tensor x, const std::shared_ptr<const std::vector<int64_t>>& batch_sizes,
                        const Tensor& hx, const Tensor& cx, const std::vector<Tensor>& params) {
  const int64_t count = net.layers * net.directions(), plain = net.biases ? 4 : 2;
  CHECK(net.layers > 0, net.name(), ": num_layers must be at least 1, got ", net.layers);
  const int64_t each = int64_t(params.size()) / count;
  const bool projects = net.cell == RnnCell::Lstm && each == plain + 1;
  CHECK(each * count == int64_t(params.size()) && (each == plain || projects), net.name(), ": expected ", plain,
        " parameters for each of ", count, " layers and directions",
        net.cell == RnnCell::Lstm ? " (one more with a projection)" : "", ", got ", params.size());
  CHECK(net.dropout >= 0 && net.dropout <= 1, "dropout probability has to be between 0 and 1, but got ", net.dropout);
  const int64_t batch = (*batch_sizes)[0];
  for (const Tensor* state : {&hx, &cx})
    if (state->defined())
      CHECK(state->ndim() == 3 && state->sizes()[0] == count && state->sizes()[1] == batch, net.name(), ": expected ",
            state == &hx ? "hx" : "cx", " of shape [", count, ", ", batch,
            ", features] (layers * directions, batch, features), got ", shown(state->sizes()));
  const DType type = x.dtype(), compute = compute_type(type);
  CHECK(is_floating(type), net.name(), ": expected a floating-point input, got torch.", name_of(type));
  auto checked = [&](const Tensor& t, const char* what) {
    CHECK(t.dtype() == type, net.name(), ": input has dtype torch.", name_of(type), ", but ", what, " has torch.",
          name_of(t.dtype()), "; convert one of them");
    CHECK(t.device() == x.device(), net.name(), ": input is on ", name_of(x.device()), ", but ", what, " is on ",
          name_of(t.device()));
    return t;
  };

  bool even = x.sizes()[1] % 2 == 0 && hx.sizes().back() % 2 == 0;
  for (const Tensor& p : params)
    if (p.ndim() == 2) even = even && p.sizes()[0] % 2 == 0 && p.sizes()[1] % 2 == 0;
  const DType operands = kernels(x.device()).network.operand_type(type, even);
  auto prepared = [&](const Tensor& t, const char* what) { return to(checked(t, what), operands); };
  auto widened = [&](const Tensor& t, const char* what) { return to(checked(t, what), compute); };

  std::vector<Tensor> hn, cn;
  const int gates = rnn_layout(net.cell).gates;
  Tensor h = prepared(hx, "hx"), c = cx.defined() ? widened(cx, "cx") : Tensor();
  x = to(x, operands);
  for (int64_t l = 0; l < net.layers; l++) {
    std::vector<Tensor> ys;
    for (int d = 0; d < net.directions(); d++) {
      const int64_t at = l * net.directions() + d, p = at * each;
      Inputs in(kInputs);
      in[X] = x;
      in[H0] = select(h, 0, at);
      if (c.defined()) in[C0] = select(c, 0, at);
      in[WIh] = prepared(params[size_t(p)], "a weight");
      in[WHh] = prepared(params[size_t(p) + 1], "a weight");
      if (net.biases) {
        in[BIh] = widened(params[size_t(p) + 2], "a bias");
        in[BHh] = widened(params[size_t(p) + 3], "a bias");
      }
      if (projects) in[WHr] = prepared(params[size_t(p + plain)], "a weight");
      CHECK(in[WHh].ndim() == 2 && in[WHh].sizes()[0] % gates == 0, net.name(), ": expected w_hh of shape [", gates,
            " * hidden, features], got ", shown(in[WHh].sizes()));
      const int64_t hidden = in[WHh].sizes()[0] / gates, state = projects ? in[WHr].sizes()[0] : hidden,
                    features = x.sizes()[1];
      check_shape(net, "w_ih", in[WIh], IntVec{gates * hidden, features});
      check_shape(net, "w_hh", in[WHh], IntVec{gates * hidden, state});
      if (projects) check_shape(net, "w_hr", in[WHr], IntVec{state, hidden});
      if (net.biases) {
        check_shape(net, "b_ih", in[BIh], IntVec{gates * hidden});
        check_shape(net, "b_hh", in[BHh], IntVec{gates * hidden});
      }
      check_shape(net, "a layer's hx", in[H0], IntVec{batch, state});
      if (c.defined()) check_shape(net, "a layer's cx", in[C0], IntVec{batch, hidden});
      std::vector<Tensor> out = layer({net.cell, d == 1, batch_sizes}, in);
      ys.push_back(out[0]);
      hn.push_back(out[1]);
      cn.push_back(out[2]);
    }
    x = ys.size() == 1 ? ys[0] : cat(ys, 1);
    if (net.train && l + 1 < net.layers) x = dropout(x, net.dropout, true);
  }
  auto joined = [&](const std::vector<Tensor>& last) {
    return to(last.size() == 1 ? shown_as(unsqueeze(last[0], 0), "StackBackward0") : stack(last, 0), type);
  };
  return {to(x, type), joined(hn), c.defined() ? joined(cn) : Tensor()};
}

std::vector<Tensor> padded(const Network& net, const Tensor& input, const Tensor& hx, const Tensor& cx,
                           const std::vector<Tensor>& params, bool batch_first) {
  CHECK(input.ndim() == 3, net.name(), ": expected an input of 3 dimensions (",
        batch_first ? "batch, steps" : "steps, batch", ", features), got the shape ", shown(input.sizes()));
  Tensor x = batch_first ? transpose(input, 0, 1) : input;
  const int64_t steps = x.sizes()[0], batch = x.sizes()[1];
  CHECK(steps > 0, "Expected sequence length to be larger than 0 in RNN");
  auto sizes = std::make_shared<const std::vector<int64_t>>(size_t(steps), batch);
  std::vector<Tensor> out = run(net, reshape(x, IntVec{steps * batch, x.sizes()[2]}), sizes, hx, cx, params);
  const bool projects = out[1].sizes()[2] != (out[2].defined() ? out[2] : out[1]).sizes()[2];
  const bool fused = net.cell == RnnCell::Lstm && !projects && input.dtype() == DType::Float32;
  out[0] = shown_as(view(out[0], IntVec{steps, batch, out[0].sizes()[1]}), net.bidirectional ? "CatBackward0"
                                                                           : fused           ? "MkldnnRnnLayerBackward0"
                                                                                             : "StackBackward0");
  if (batch_first) {
    out[0] = transpose(out[0], 0, 1);
    if (net.cell != RnnCell::Lstm) out[0] = shown_as(out[0], "TransposeBackward1");
  }
  return out;
}

std::vector<Tensor> packed(const Network& net, const Tensor& data, const Tensor& batch_sizes, const Tensor& hx,
                           const Tensor& cx, const std::vector<Tensor>& params) {
  CHECK(data.ndim() == 2, net.name(), ": expected packed data of 2 dimensions (rows, features), got the shape ",
        shown(data.sizes()));
  CHECK(batch_sizes.device().is_cpu() && batch_sizes.dtype() == DType::Int64 && batch_sizes.ndim() == 1, net.name(),
        ": batch_sizes should be a 1-D torch.int64 tensor on the CPU, got torch.", name_of(batch_sizes.dtype()),
        " of shape ", shown(batch_sizes.sizes()), " on ", name_of(batch_sizes.device()));
  CHECK(batch_sizes.numel() > 0, "Expected sequence length to be larger than 0 in RNN");
  Tensor plain = contiguous(batch_sizes);
  const int64_t* p = plain.data<int64_t>();
  auto sizes = std::make_shared<const std::vector<int64_t>>(p, p + plain.numel());
  int64_t rows = 0;
  for (size_t t = 0; t < sizes->size(); t++) {
    const int64_t n = (*sizes)[t];
    CHECK(n > 0 && (t == 0 || n <= (*sizes)[t - 1]), net.name(),
          ": batch_sizes must be positive and must not rise, got ", n, " at step ", t);
    rows += n;
  }
  CHECK(rows == data.sizes()[0], net.name(), ": batch_sizes add up to ", rows, " rows, but data has ", data.sizes()[0]);
  return run(net, data, sizes, hx, cx, params);
}

using List = const std::vector<Tensor>&;

void check_states(List hx) { CHECK(hx.size() == 2, "lstm expects two hidden states, got ", hx.size()); }

std::tuple<Tensor, Tensor, Tensor> lstm(const Tensor& input, List hx, List params, bool biases, int64_t layers,
                                        double dropout, bool train, bool bidirectional, bool batch_first) {
  check_states(hx);
  auto out =
      padded({RnnCell::Lstm, biases, layers, dropout, train, bidirectional}, input, hx[0], hx[1], params, batch_first);
  return {out[0], out[1], out[2]};
}
std::tuple<Tensor, Tensor, Tensor> lstm_packed(const Tensor& data, const Tensor& batch_sizes, List hx, List params,
                                               bool biases, int64_t layers, double dropout, bool train,
                                               bool bidirectional) {
  check_states(hx);
  auto out =
      packed({RnnCell::Lstm, biases, layers, dropout, train, bidirectional}, data, batch_sizes, hx[0], hx[1], params);
  return {out[0], out[1], out[2]};
}
template <RnnCell cell>
std::tuple<Tensor, Tensor> rnn(const Tensor& input, const Tensor& hx, List params, bool biases, int64_t layers,
                               double dropout, bool train, bool bidirectional, bool batch_first) {
  auto out = padded({cell, biases, layers, dropout, train, bidirectional}, input, hx, {}, params, batch_first);
  return {out[0], out[1]};
}
template <RnnCell cell>
std::tuple<Tensor, Tensor> rnn_packed(const Tensor& data, const Tensor& batch_sizes, const Tensor& hx, List params,
                                      bool biases, int64_t layers, double dropout, bool train, bool bidirectional) {
  auto out = packed({cell, biases, layers, dropout, train, bidirectional}, data, batch_sizes, hx, {}, params);
  return {out[0], out[1]};
}

// ---- single steps ----

std::vector<Tensor> single(RnnCell cell, const Tensor& input, const Tensor& hx, const Tensor& cx, const Tensor& w_ih,
                           const Tensor& w_hh, const Tensor& b_ih, const Tensor& b_hh) {
  const std::string name = std::string(kCellName[int(cell)]) + "_cell";
  CHECK(input.ndim() == 2 && hx.ndim() == 2, name,
        ": expected an input and a hidden state of 2 dimensions (batch, features), got ", shown(input.sizes()), " and ",
        shown(hx.sizes()));
  CHECK(w_ih.ndim() == 2 && w_hh.ndim() == 2, name, ": expected weights of 2 dimensions, got ", shown(w_ih.sizes()),
        " and ", shown(w_hh.sizes()));
  CHECK(input.sizes()[1] == w_ih.sizes()[1], "input has inconsistent input_size: got ", input.sizes()[1], " expected ",
        w_ih.sizes()[1]);
  CHECK(input.sizes()[0] == hx.sizes()[0], "Input batch size ", input.sizes()[0], " doesn't match hidden batch size ",
        hx.sizes()[0]);
  CHECK(hx.sizes()[1] == w_hh.sizes()[1], "hidden has inconsistent hidden_size: got ", hx.sizes()[1], ", expected ",
        w_hh.sizes()[1]);
  CHECK(b_ih.defined() == b_hh.defined(), name, ": expected both biases or none, got only ",
        b_ih.defined() ? "b_ih" : "b_hh");
  const Network net{cell, b_ih.defined(), 1, 0, false, false};
  std::vector<Tensor> params = {w_ih, w_hh};
  if (b_ih.defined()) params.insert(params.end(), {b_ih, b_hh});
  auto sizes = std::make_shared<const std::vector<int64_t>>(1, input.sizes()[0]);
  std::vector<Tensor> out = run(net, input, sizes, unsqueeze(hx, 0), cx.defined() ? unsqueeze(cx, 0) : cx, params);
  if (cx.defined()) out[2] = shown_as(squeeze(out[2], IntVec{0}), "AddBackward0");
  static constexpr const char* last_step[] = {"MulBackward0", "AddBackward0", "TanhBackward0", "ReluBackward0"};
  out[0] = shown_as(out[0], last_step[int(cell)]);
  return out;
}

std::tuple<Tensor, Tensor> lstm_cell(const Tensor& input, List hx, const Tensor& w_ih, const Tensor& w_hh,
                                     const Tensor& b_ih, const Tensor& b_hh) {
  check_states(hx);
  CHECK(same(hx[0].sizes(), hx[1].sizes()), "lstm_cell: the two hidden states differ in shape: ", shown(hx[0].sizes()),
        " and ", shown(hx[1].sizes()));
  auto out = single(RnnCell::Lstm, input, hx[0], hx[1], w_ih, w_hh, b_ih, b_hh);
  return {out[0], out[2]};
}
template <RnnCell cell>
Tensor cell_step(const Tensor& input, const Tensor& hx, const Tensor& w_ih, const Tensor& w_hh, const Tensor& b_ih,
                 const Tensor& b_hh) {
  return single(cell, input, hx, {}, w_ih, w_hh, b_ih, b_hh)[0];
}

#define NETWORK "Tensor[] params, bool has_biases, int num_layers, float dropout, bool train, bool bidirectional"
#define STATE " hx, " NETWORK
#define CELL "Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, Tensor? b_hh=None) -> "

template <RnnCell cell>
void register_cell(const char* padded_form, const char* packed_form, const char* cell_form, const char* doc) {
  op<&rnn_packed<cell>>(packed_form, Function, doc);
  op<&rnn<cell>>(padded_form, Function, doc);
  op<&cell_step<cell>>(cell_form, Function, "one step of the network");
}

}  // namespace

void register_rnn() {
  const char* doc = "long short-term memory, layer on layer: output, last h and last c";
  op<&lstm_packed>("lstm(Tensor data, Tensor batch_sizes, Tensor[]" STATE ") -> (Tensor, Tensor, Tensor)", Function,
                   doc);
  op<&lstm>("lstm(Tensor input, Tensor[]" STATE ", bool batch_first) -> (Tensor, Tensor, Tensor)", Function, doc);
  op<&lstm_cell>("lstm_cell(Tensor input, Tensor[] hx, " CELL "(Tensor, Tensor)", Function,
                 "one step of an LSTM: h and c");
#define FORMS(name)                                                                  \
  name "(Tensor input, Tensor" STATE ", bool batch_first) -> (Tensor, Tensor)",      \
      name "(Tensor data, Tensor batch_sizes, Tensor" STATE ") -> (Tensor, Tensor)", \
      name "_cell(Tensor input, Tensor hx, " CELL "Tensor"
  register_cell<RnnCell::Gru>(FORMS("gru"), "gated recurrent units, layer on layer: output and last h");
  register_cell<RnnCell::Tanh>(FORMS("rnn_tanh"), "a recurrent network with tanh, layer on layer: output and last h");
  register_cell<RnnCell::Relu>(FORMS("rnn_relu"), "a recurrent network with relu, layer on layer: output and last h");
#undef FORMS
}

}  // namespace lampas
