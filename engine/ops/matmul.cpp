// Matrix products.
#include "core/threads.h"
#include "ops/kernels.h"
#include "ops/ops.h"

namespace lampas {

namespace {

void check_types(const char* op, const Tensor& a, const Tensor& b) {
  CHECK(a.dtype() == b.dtype(), op, ": expected both tensors to have the same dtype, but got torch.",
        name_of(a.dtype()), " and torch.", name_of(b.dtype()),
        ". Convert one of them, for example with .to(other.dtype)");
  CHECK(a.device().type == b.device().type, op, ": expected all tensors to be on the same device, but found ",
        name_of(a.device()), " and ", name_of(b.device()));
  CHECK_KIND(Runtime, a.dtype() != DType::Bool, '"', op, "\" not implemented for 'Bool'");
}

// What is multiplied by beta = 0: not read, so that its NaNs do not spread, but still a part of the graph.
Tensor scaled_by(const Tensor& input, const Scalar& beta) {
  if (beta.equals(1)) return input;
  if (beta.equals(0)) return masked_fill(input, full({}, Scalar(true), DType::Bool), 0);
  return mul(input, beta);
}

struct Matrix {
  const void* data;
  int64_t row, col;
};
Matrix matrix(const Tensor& t) {
  Ints s = t.strides();
  return {t.data(), s[s.size() - 2], s[s.size() - 1]};
}

GemmCall call_for(const Tensor& a, const Tensor& b, const Tensor& c, int64_t m, int64_t n, int64_t k) {
  Matrix x = matrix(a), y = matrix(b);
  GemmCall g;
  g.type = c.dtype();
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = x.data;
  g.a_row = x.row;
  g.a_col = x.col;
  g.b = y.data;
  g.b_row = y.row;
  g.b_col = y.col;
  g.c = c.data();
  g.ldc = n;
  return g;
}

void run(const GemmCall& g, Device device) {
  if (g.m == 0 || g.n == 0) return;
  int64_t batch = 1;
  for (int i = 0; i < g.rank; i++) batch *= g.sizes[i];
  if (batch == 0) return;
  Unlocked unlocked(batch * g.m * g.n * std::max<int64_t>(g.k, 1) / 16);
  kernels(device).gemm(g);
}

Tensor mm_data(const Tensor& a, const Tensor& b) {
  int64_t m = a.sizes()[0], k = a.sizes()[1], n = b.sizes()[1], sizes[2] = {m, n};
  Tensor c = empty(sizes, a.dtype(), a.device());
  run(call_for(a, b, c, m, n, k), a.device());
  return c;
}

bool column_major(const Tensor& t) {
  Ints s = t.strides(), d = t.sizes();
  size_t n = s.size();
  return s[n - 2] == 1 && s[n - 1] >= std::max<int64_t>(1, d[n - 2]) && d[n - 1] > 1;
}

// Gradients of c = a b, in the memory order of the operand they belong to (so that a transposed weight gets its
// gradient without a copy).
Tensor left_gradient(const Tensor& g, const Tensor& b, bool a_column_major) {
  if (a_column_major) return mT(matmul(conj(b), mT(g)));
  return matmul(g, mH(b));
}
Tensor right_gradient(const Tensor& g, const Tensor& a, bool b_column_major) {
  if (b_column_major) return mT(matmul(mT(g), conj(a)));
  return matmul(mH(a), g);
}

void check_mm(const Tensor& a, const Tensor& b) {
  CHECK(a.ndim() == 2 && b.ndim() == 2, "mm: ", a.ndim() != 2 ? "self" : "mat2", " must be a matrix, got shapes ",
        shown(a.sizes()), " and ", shown(b.sizes()));
  CHECK(a.sizes()[1] == b.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (", a.sizes()[0], "x", a.sizes()[1],
        " and ", b.sizes()[0], "x", b.sizes()[1], "): the columns of the first, ", a.sizes()[1],
        ", must be as many as the rows of the second, ", b.sizes()[0]);
  check_types("mm", a, b);
}

Tensor bmm_data(const Tensor& a, const Tensor& b) {
  int64_t batch = a.sizes()[0], m = a.sizes()[1], k = a.sizes()[2], n = b.sizes()[2], sizes[3] = {batch, m, n};
  Tensor c = empty(sizes, a.dtype(), a.device());
  GemmCall g = call_for(a, b, c, m, n, k);
  int64_t sa = a.strides()[0], sb = b.strides()[0], sc = m * n;
  g.rank = 1;
  g.sizes = &batch;
  g.a_strides = &sa;
  g.b_strides = &sb;
  g.c_strides = &sc;
  run(g, a.device());
  return c;
}

Tensor dot(const Tensor& a, const Tensor& b) {
  CHECK(a.ndim() == 1 && b.ndim() == 1, "1D tensors expected, but got ", a.ndim(), "D and ", b.ndim(), "D tensors");
  CHECK(a.numel() == b.numel(), "inconsistent tensor size, expected tensor ", shown(a.sizes()), " and src ",
        shown(b.sizes()), " to have the same number of elements");
  check_types("dot", a, b);
  Tensor y;
  {
    NoGrad guard;
    int64_t n = a.numel(), one[2] = {1, n}, other[2] = {n, 1}, sa[2] = {0, a.strides()[0]}, sb[2] = {b.strides()[0], 0};
    y = mm_data(alias(a, one, sa, a.offset()), alias(b, other, sb, b.offset()));
    y = alias(y, {}, {}, y.offset());
  }
  if (recording(a, b))
    record("DotBackward0", {&a, &b}, {&y},
           {{"self", b.requires_grad() ? &a : nullptr}, {"tensor", a.requires_grad() ? &b : nullptr}}, [](Back& back) {
             const Tensor& g = back.grad();
             Tensor a = back.saved(0), b = back.saved(1);
             back.set(0, [&] { return g * conj(b); });
             back.set(1, [&] { return g * conj(a); });
           });
  return y;
}
Tensor vdot(const Tensor& a, const Tensor& b) { return dot(conj(a), b); }

Tensor mv(const Tensor& a, const Tensor& x) {
  CHECK(a.ndim() == 2 && x.ndim() == 1, "vector + matrix @ vector expected, got ", a.ndim(), "-D and ", x.ndim(),
        "-D tensors");
  CHECK(a.sizes()[1] == x.sizes()[0], "size mismatch, got input (", a.sizes()[0], "), mat (", a.sizes()[0], "x",
        a.sizes()[1], "), vec (", x.sizes()[0], ")");
  check_types("mv", a, x);
  int64_t n = x.numel(), m = a.sizes()[0], sizes[2] = {n, 1}, strides[2] = {x.strides()[0], 1}, one = 1;
  Tensor y = mm_data(a, alias(x, sizes, strides, x.offset()));
  y = alias(y, Ints(&m, 1), Ints(&one, 1), y.offset());
  if (recording(a, x))
    record("MvBackward0", {&a, &x}, {&y},
           {{"self", x.requires_grad() ? &a : nullptr}, {"vec", a.requires_grad() ? &x : nullptr}}, [](Back& b) {
             const Tensor& g = b.grad();
             Tensor a = b.saved(0), x = b.saved(1);
             b.set(0, [&] { return unsqueeze(g, 1) * unsqueeze(conj(x), 0); });
             b.set(1, [&] { return matmul(mH(a), g); });
           });
  return y;
}

// Several leading dimensions as one; without a copy where the strides allow.
Tensor fold(const Tensor& x) {
  int64_t last = x.sizes().back(), rest = 1;
  for (int d = 0; d + 1 < x.ndim(); d++) rest *= x.sizes()[d];
  int64_t sizes[2] = {rest, last};
  return reshape(x, sizes);
}

Tensor unsafe_view(const Tensor& x, Ints sizes) {
  Tensor y = alias(x, sizes, contiguous_strides(sizes), x.offset());
  if (recording(x)) {
    IntVec from = x->sizes;
    record("UnsafeViewBackward0", {&x}, {&y}, {},
           [from](Back& b) { b.set(0, [&] { return reshape(b.grad(), from); }); });
  }
  return y;
}

Tensor matmul_batched(const Tensor& a, const Tensor& b) {
  Ints sa = a.sizes(), sb = b.sizes();
  IntVec batch = broadcast(sa.first(sa.size() - 2), sb.first(sb.size() - 2));
  int64_t m = sa[sa.size() - 2], k = sa.back(), n = sb.back(), count = product(batch);
  CHECK(k == sb[sb.size() - 2], "mat1 and mat2 shapes cannot be multiplied (", m, "x", k, " and ", sb[sb.size() - 2],
        "x", n, "): in batches of shapes ", shown(sa), " and ", shown(sb));
  auto as_batch = [&](const Tensor& t, int64_t rows, int64_t columns) {
    IntVec full = batch;
    full.push_back(rows);
    full.push_back(columns);
    int64_t sizes[3] = {count, rows, columns};
    return reshape(expand(t, full), sizes);
  };
  Tensor c = bmm(as_batch(a, m, k), as_batch(b, k, n));
  IntVec sizes = batch;
  sizes.push_back(m);
  sizes.push_back(n);
  return unsafe_view(c, sizes);
}

Tensor addmm_data(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  int64_t m = a.sizes()[0], k = a.sizes()[1], n = b.sizes()[1], sizes[2] = {m, n};
  CHECK(can_broadcast(input.sizes(), sizes), "The expanded size of the tensor ", shown(sizes),
        " must match the existing size ", shown(input.sizes()), " of the tensor that is added to the product");
  Tensor c = empty(sizes, a.dtype(), a.device());
  GemmCall g = call_for(a, b, c, m, n, k);
  g.alpha = alpha;
  bool row = input.ndim() <= 2 && input.ndim() >= 1 && input.sizes().back() == n &&
             (input.ndim() == 1 || input.sizes()[0] == 1) && input.strides().back() == 1 && beta.equals(1);
  if (row) {
    g.bias = input.data();
  } else if (!beta.equals(0)) {
    copy_data(c, input);
    g.beta = beta;
  }
  run(g, a.device());
  return c;
}

struct AddmmBackward {
  Scalar beta, alpha;
  IntVec input_sizes;
  bool a_column_major, b_column_major;
  void operator()(Back& back) const {
    const Tensor& g = back.grad();
    if (!g.defined()) return;
    Tensor a = back.saved(0), b = back.saved(1);
    auto scaled = [&](Tensor t) { return alpha.equals(1) ? t : mul(t, alpha); };
    back.set(0, [&] {
      Tensor s = sum_to(g, input_sizes);
      return beta.equals(1) ? s : mul(s, beta);
    });
    back.set(1, [&] { return scaled(left_gradient(g, b, a_column_major)); });
    back.set(2, [&] { return scaled(right_gradient(g, a, b_column_major)); });
  }
};

Tensor addmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  CHECK(a.ndim() == 2 && b.ndim() == 2, "mat1 and mat2 must be matrices, got ", a.ndim(), "-D and ", b.ndim(),
        "-D tensors");
  check_mm(a, b);
  CHECK(input.dtype() == a.dtype(), "self and mat1 must have the same dtype, but got torch.", name_of(input.dtype()),
        " and torch.", name_of(a.dtype()));
  Tensor y = addmm_data(input, a, b, beta, alpha);
  if (recording(input, a, b))
    record("AddmmBackward0", {&input, &a, &b}, {&y},
           {{"mat1", b.requires_grad() ? &a : nullptr}, {"mat2", a.requires_grad() ? &b : nullptr}},
           AddmmBackward{beta, alpha, input->sizes, column_major(a), column_major(b)});
  return y;
}

Tensor baddbmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  Tensor p = bmm(a, b);
  if (!alpha.equals(1)) p = mul(p, alpha);
  CHECK(can_broadcast(input.sizes(), p.sizes()), "The expanded size of the tensor ", shown(p.sizes()),
        " must match the existing size ", shown(input.sizes()));
  if (beta.equals(0) && !input.requires_grad()) return p;
  return add(p, scaled_by(input, beta));
}
Tensor addbmm(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  Tensor p = sum(bmm(a, b), Ints{IntVec{0}});
  return add(mul(p, alpha), scaled_by(input, beta));
}
Tensor addmv(const Tensor& input, const Tensor& a, const Tensor& x, const Scalar& beta, const Scalar& alpha) {
  Tensor p = mv(a, x);
  if (!alpha.equals(1)) p = mul(p, alpha);
  return beta.equals(0) && !input.requires_grad() ? p : add(p, scaled_by(input, beta));
}
Tensor outer(const Tensor& a, const Tensor& b) {
  CHECK(a.ndim() == 1 && b.ndim() == 1, "outer: Expected 1-D arguments, got ", a.ndim(), "-D and ", b.ndim(), "-D");
  return unsqueeze(a, 1) * b;
}
Tensor addr(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  Tensor p = outer(a, b);
  if (!alpha.equals(1)) p = mul(p, alpha);
  return beta.equals(0) && !input.requires_grad() ? p : add(scaled_by(input, beta), p);
}
Tensor inner(const Tensor& a, const Tensor& b) {
  if (a.ndim() == 0 || b.ndim() == 0) return a * b;
  CHECK(a.sizes().back() == b.sizes().back(),
        "inner() the last dimension must match on both input tensors but got shapes ", shown(a.sizes()), " and ",
        shown(b.sizes()));
  IntVec sizes;
  for (int d = 0; d + 1 < a.ndim(); d++) sizes.push_back(a.sizes()[d]);
  for (int d = 0; d + 1 < b.ndim(); d++) sizes.push_back(b.sizes()[d]);
  return reshape(mm(fold(a), t(fold(b))), sizes);
}
Tensor matrix_power(const Tensor& x, int64_t n) {
  CHECK(x.ndim() >= 2 && x.sizes()[x.sizes().size() - 1] == x.sizes()[x.sizes().size() - 2],
        "matrix_power: expected square matrices, got shape ", shown(x.sizes()));
  CHECK(n >= 0, "matrix_power: a negative power needs the inverse; use lampas.linalg.inv first (got ", n, ")");
  Tensor result, square_of = x;
  if (n == 0) {
    Tensor eye = zeros_like(x);
    fill_data(diagonal(eye, 0, -2, -1), 1);
    return eye;
  }
  for (; n; n >>= 1) {
    if (n & 1) result = result.defined() ? matmul(result, square_of) : square_of;
    if (n > 1) square_of = matmul(square_of, square_of);
  }
  return result;
}

Tensor linear_op(const Tensor& x, const Tensor& w, const Tensor& bias) { return linear(x, w, bias); }

Tensor matmul_op(const Tensor& a, const Tensor& b, const Out& out) { return matmul(a, b, out); }

Tensor bilinear(const Tensor& x1, const Tensor& x2, const Tensor& w, const Tensor& bias) {
  CHECK(x1.ndim() == x2.ndim(), "bilinear(): input dimensions do not match: got ", x1.ndim(), " and ", x2.ndim());
  CHECK(w.ndim() == 3 && x1.sizes().back() == w.sizes()[1] && x2.sizes().back() == w.sizes()[2],
        "bilinear(): inputs of shapes ", shown(x1.sizes()), " and ", shown(x2.sizes()), " do not fit the weight ",
        shown(w.sizes()));
  IntVec sizes(x1.sizes());
  sizes[sizes.size() - 1] = w.sizes()[0];
  Tensor a = fold(x1), b = fold(x2);
  // y[n, o] = sum_ij a[n, i] w[o, i, j] b[n, j]
  Tensor aw = matmul(unsqueeze(a, 0), w);                    // [o, n, j]
  Tensor y = t(sum(aw * unsqueeze(b, 0), Ints{IntVec{2}}));  // [n, o]
  if (bias.defined()) y = y + bias;
  y = reshape(y, sizes);
  return bias.defined() ? shown_as(y, "AddBackward0") : y;
}

}  // namespace

Tensor mm(const Tensor& a, const Tensor& b) {
  check_mm(a, b);
  Tensor c = mm_data(a, b);
  if (recording(a, b))
    record("MmBackward0", {&a, &b}, {&c},
           {{"self", b.requires_grad() ? &a : nullptr}, {"mat2", a.requires_grad() ? &b : nullptr}},
           [ca = column_major(a), cb = column_major(b)](Back& back) {
             const Tensor& g = back.grad();
             if (!g.defined()) return;
             Tensor a = back.saved(0), b = back.saved(1);
             back.set(0, [&] { return left_gradient(g, b, ca); });
             back.set(1, [&] { return right_gradient(g, a, cb); });
           });
  return c;
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  CHECK(a.ndim() == 3 && b.ndim() == 3, "batch1 and batch2 must be 3D tensors, got ", a.ndim(), "D and ", b.ndim(),
        "D");
  CHECK(a.sizes()[0] == b.sizes()[0] && a.sizes()[2] == b.sizes()[1],
        "Expected size for first two dimensions of batch2 tensor to be: [", a.sizes()[0], ", ", a.sizes()[2],
        "] but got: [", b.sizes()[0], ", ", b.sizes()[1], "].");
  check_types("bmm", a, b);
  Tensor c = bmm_data(a, b);
  if (recording(a, b))
    record("BmmBackward0", {&a, &b}, {&c},
           {{"self", b.requires_grad() ? &a : nullptr}, {"mat2", a.requires_grad() ? &b : nullptr}}, [](Back& back) {
             const Tensor& g = back.grad();
             if (!g.defined()) return;
             Tensor a = back.saved(0), b = back.saved(1);
             back.set(0, [&] { return bmm(g, mH(b)); });
             back.set(1, [&] { return bmm(mH(a), g); });
           });
  return c;
}

Tensor matmul(const Tensor& a, const Tensor& b, const Out& out) {
  if (out.given()) {
    Tensor y = matmul(a, b);
    check_out("matmul", out, y.requires_grad());
    CHECK(out.tensor->dtype() == y.dtype(), "Expected out tensor to have dtype torch.", name_of(y.dtype()),
          ", but got torch.", name_of(out.tensor->dtype()), " instead");
    deliver(out, y);
    out.tensor->bump_version();
    return *out.tensor;
  }
  int da = a.ndim(), db = b.ndim();
  if (da == 2 && db == 2) return mm(a, b);
  CHECK(da > 0 && db > 0, "both arguments to matmul need to be at least 1D, but they are ", da, "D and ", db, "D");
  if (da == 1 && db == 1) return dot(a, b);
  if (da == 2 && db == 1) return mv(a, b);
  if (da == 1 && db == 2) return squeeze(mm(unsqueeze(a, 0), b), Ints{IntVec{0}});
  check_types("matmul", a, b);
  if (da >= 3 && db <= 2) {
    IntVec sizes(a.sizes());
    if (db == 1) {
      sizes.erase(sizes.size() - 1);
      CHECK(a.sizes().back() == b.sizes()[0], "size mismatch, got ", shown(a.sizes()), " and vector of size ",
            b.sizes()[0]);
      return unsafe_view(mv(fold(a), b), sizes);
    }
    sizes[sizes.size() - 1] = b.sizes()[1];
    CHECK(a.sizes().back() == b.sizes()[0], "mat1 and mat2 shapes cannot be multiplied (",
          a.numel() / std::max<int64_t>(1, a.sizes().back()), "x", a.sizes().back(), " and ", b.sizes()[0], "x",
          b.sizes()[1], "): the last dimension of ", shown(a.sizes()), " must be ", b.sizes()[0]);
    return unsafe_view(mm(fold(a), b), sizes);
  }
  if (da == 1) return squeeze(matmul_batched(unsqueeze(a, 0), b), Ints{IntVec{-2}});
  if (db == 1) return squeeze(matmul_batched(a, unsqueeze(b, 1)), Ints{IntVec{-1}});
  return matmul_batched(a, b);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  CHECK(weight.ndim() == 2 || weight.ndim() == 1, "linear: the weight must have 1 or 2 dimensions, got shape ",
        shown(weight.sizes()));
  if (weight.ndim() == 2 && x.ndim() > 0 && x.sizes().back() != weight.sizes()[1]) {
    int64_t rows = x.numel() / std::max<int64_t>(1, x.sizes().back());
    fail("mat1 and mat2 shapes cannot be multiplied (", rows, "x", x.sizes().back(), " and ", weight.sizes()[1], "x",
         weight.sizes()[0], "): linear got an input of shape ", shown(x.sizes()), ", and its weight ",
         shown(weight.sizes()), " takes a last dimension of ", weight.sizes()[1], "; in_features=", x.sizes().back(),
         " would fit");
  }
  if (!bias.defined()) return matmul(x, t(weight));
  if (x.ndim() == 2) return addmm(bias, x, t(weight), 1, 1);
  if (x.ndim() >= 3 && x.is_contiguous()) {
    IntVec sizes(x.sizes());
    sizes[sizes.size() - 1] = weight.sizes()[0];
    return view(addmm(bias, fold(x), t(weight), 1, 1), sizes);
  }
  return add(matmul(x, t(weight)), bias);
}

void register_matmul() {
  uint32_t usual = kUsual | OutForm;
  op<&matmul_op>("matmul(Tensor input, Tensor other) -> Tensor", usual,
                 "the matrix product; leading dimensions are batches and broadcast");
  op<&mm>("mm(Tensor input, Tensor mat2) -> Tensor", usual, "the product of two matrices");
  op<&bmm>("bmm(Tensor input, Tensor mat2) -> Tensor", usual, "the products of two batches of matrices");
  op<&mv>("mv(Tensor input, Tensor vec) -> Tensor", usual, "a matrix times a vector");
  op<&dot>("dot(Tensor input, Tensor tensor) -> Tensor", usual, "the sum of the products of two vectors");
  op<&vdot>("vdot(Tensor input, Tensor other) -> Tensor", usual, "as dot, the first vector conjugated");
  op<&addmm>("addmm(Tensor input, Tensor mat1, Tensor mat2, *, Number beta=1, Number alpha=1) -> Tensor", kAll,
             "beta * input + alpha * (mat1 @ mat2)");
  op<&baddbmm>("baddbmm(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor", kAll,
               "beta * input + alpha * (batch1 @ batch2)");
  op<&addbmm>("addbmm(Tensor input, Tensor batch1, Tensor batch2, *, Number beta=1, Number alpha=1) -> Tensor", kAll,
              "beta * input + alpha * the sum of batch1 @ batch2");
  op<&addmv>("addmv(Tensor input, Tensor mat, Tensor vec, *, Number beta=1, Number alpha=1) -> Tensor",
             kAll | InplaceFunction, "beta * input + alpha * (mat @ vec)");
  op<&addr>("addr(Tensor input, Tensor vec1, Tensor vec2, *, Number beta=1, Number alpha=1) -> Tensor", kAll,
            "beta * input + alpha * outer(vec1, vec2)");
  op<&outer>("outer(Tensor input, Tensor vec2) -> Tensor", usual, "every product of two vectors' elements");
  op<&outer>("ger(Tensor input, Tensor vec2) -> Tensor", usual, "outer under its old name");
  op<&inner>("inner(Tensor input, Tensor other) -> Tensor", usual, "sums of products over the last dimension of both");
  op<&matrix_power>("matrix_power(Tensor input, int n) -> Tensor", usual, "the product of n copies of a square matrix");
  op<&linear_op>("linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", NN, "input @ weight.T + bias");
  op<&bilinear>("bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", Function,
                "input1 @ weight[k] @ input2 for every k");
}

}  // namespace lampas
