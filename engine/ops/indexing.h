// What the files of indexing ops share.
#pragma once

#include "ops/shape.h"

namespace lampas {

inline bool is_index_type(DType d) { return d == DType::Int64 || d == DType::Int32; }

// Indices as the kernels take them: contiguous int64.
Tensor plain_index(const Tensor& index);
// IndexError or RuntimeError naming index, dimension and size.
void check_index(ErrorKind kind, const Tensor& plain, int dim, int64_t size, bool negative_allowed);
// A written tensor must not show one element twice.
void check_writable(const Tensor& x);
// What is read while x is written: a copy if the two share memory.
Tensor apart_from(const Tensor& source, const Tensor& x);

// An op that writes into a copy of x, or into x itself, by `write(target)`. Its gradient needs the saved tensor
// `index`, but not the value it overwrites. `source`: the other tensor with a gradient, or none.
template <class W, class B>
Tensor write_into(const char* name, const char* grad_name, const Tensor& x, const Tensor& source, const Tensor& index,
                  const Out& out, W&& write, B&& backward) {
  bool records = recording(x, source);
  auto make = [&] { return make_node(grad_name, std::forward<B>(backward), 2, 1, 1); };
  if (out.inplace()) {
    check_inplace(x, records);
    check_writable(x);
    write(x);
    Ref<Node> n;
    if (records) {
      n = make();
      connect(n, {&x, &source}, {}, {{"index", &index}});
    }
    written_inplace(x, n);
    return x;
  }
  if (out.given()) {
    check_out(name, out, records);
    check_out_type(name, out, x.dtype());
  }
  Tensor y = clone_data(x);
  write(y);
  if (out.given()) {
    deliver(out, y);
    out.tensor->bump_version();
    return *out.tensor;
  }
  if (records) connect(make(), {&x, &source}, {&y}, {{"index", &index}});
  return y;
}

// Zeros with g written or added into them by f(zeros, in-place form): the gradient of reading.
template <class F>
Tensor into_zeros(Ints sizes, const Tensor& g, F&& f) {
  Tensor z = zeros(sizes, g.dtype(), g.device());
  f(z, Out{Out::Inplace, &z});
  return z;
}
Tensor rows_added(Ints sizes, int64_t dim, const Tensor& index, const Tensor& g);  // index_add into zeros

Tensor index_fill(const Tensor& x, int64_t dim, const Tensor& index, const Operand& value, const Out& out = {});
Tensor scatter_reduce(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce,
                      bool include_self = true, const Out& out = {}, const char* grad_name = "ScatterReduceBackward0");

void check_embedding_indices(const char* op, const Tensor& indices);
// The gradient of an embedding's table: rows of g added up by index, but none into the padding row.
Tensor embedding_dense_backward(const Tensor& g, const Tensor& indices, int64_t rows, int64_t padding,
                                bool by_frequency);

void register_gather();
void register_embedding();
void register_embedding_bag();

}  // namespace lampas
