// The typed C++ face of the ops, for gradients and composites. Python's face is the registry.
#pragma once

#include "ops/elementwise.h"

namespace lampas {

// ---- creation ----
Tensor zeros(Ints sizes, DType dtype, Device device = {});
Tensor ones(Ints sizes, DType dtype, Device device = {});
Tensor full(Ints sizes, const Scalar& value, DType dtype, Device device = {});
Tensor zeros_like(const Tensor& t);
Tensor ones_like(const Tensor& t);
Tensor arange(int64_t n, DType dtype = DType::Int64, Device device = {});
Tensor scalar_tensor(const Scalar& value, DType dtype, Device device = {});

// ---- data movement; copy_data and fill are raw: nothing recorded, no version bump ----
void copy_data(const Tensor& to, const Tensor& from);
void fill_data(const Tensor& t, const Scalar& value);
void check_fits(const Scalar& value, DType d);  // an error where a tensor of this type cannot hold the number
Tensor clone(const Tensor& t, std::optional<MemoryFormat> format = std::nullopt);
Tensor contiguous(const Tensor& t, std::optional<MemoryFormat> format = std::nullopt);
Tensor to(const Tensor& t, DType dtype);
Tensor copy_(const Tensor& t, const Tensor& from, bool non_blocking = false);  // recorded
void add_in_place(const Tensor& t, const Tensor& g);                           // raw accumulation, bumps the version
bool has_nan(const Tensor& t);
Scalar item(const Tensor& t);

// ---- arithmetic ----
Tensor add(const Operand& a, const Operand& b, const Scalar& alpha = 1, const Out& out = {});
Tensor sub(const Operand& a, const Operand& b, const Scalar& alpha = 1, const Out& out = {});
Tensor mul(const Operand& a, const Operand& b, const Out& out = {});
Tensor div(const Operand& a, const Operand& b, std::optional<std::string_view> rounding_mode = std::nullopt,
           const Out& out = {});
Tensor pow(const Operand& a, const Operand& b, const Out& out = {});
Tensor remainder(const Operand& a, const Operand& b, const Out& out = {});
Tensor fmod(const Operand& a, const Operand& b, const Out& out = {});
Tensor floor_divide(const Operand& a, const Operand& b, const Out& out = {});
// Any op of the two-operand table by its kernel: eq, maximum, atan2, bitwise_and, ...
Tensor binary(Ew kernel, const Operand& a, const Operand& b, const Out& out = {});
Tensor unary_op(Ew kernel, const Tensor& x, const Out& out = {});
inline Tensor neg(const Tensor& x) { return unary_op(Ew::Neg, x); }
inline Tensor abs(const Tensor& x) { return unary_op(Ew::Abs, x); }
inline Tensor sign(const Tensor& x) { return unary_op(Ew::Sign, x); }
inline Tensor exp(const Tensor& x) { return unary_op(Ew::Exp, x); }
inline Tensor log(const Tensor& x) { return unary_op(Ew::Log, x); }
inline Tensor log1p(const Tensor& x) { return unary_op(Ew::Log1p, x); }
inline Tensor sqrt(const Tensor& x) { return unary_op(Ew::Sqrt, x); }
inline Tensor rsqrt(const Tensor& x) { return unary_op(Ew::Rsqrt, x); }
inline Tensor sin(const Tensor& x) { return unary_op(Ew::Sin, x); }
inline Tensor cos(const Tensor& x) { return unary_op(Ew::Cos, x); }
inline Tensor sinh(const Tensor& x) { return unary_op(Ew::Sinh, x); }
inline Tensor cosh(const Tensor& x) { return unary_op(Ew::Cosh, x); }
inline Tensor tanh(const Tensor& x) { return unary_op(Ew::Tanh, x); }
inline Tensor erf(const Tensor& x) { return unary_op(Ew::Erf, x); }
inline Tensor sigmoid(const Tensor& x) { return unary_op(Ew::Sigmoid, x); }
inline Tensor floor(const Tensor& x) { return unary_op(Ew::Floor, x); }
inline Tensor trunc(const Tensor& x) { return unary_op(Ew::Trunc, x); }
inline Tensor reciprocal(const Tensor& x) { return unary_op(Ew::Reciprocal, x); }
inline Tensor square(const Tensor& x) { return unary_op(Ew::Square, x); }
inline Tensor relu(const Tensor& x) { return unary_op(Ew::Relu, x); }
inline Tensor digamma(const Tensor& x) { return unary_op(Ew::Digamma, x); }
inline Tensor logical_not(const Tensor& x) { return unary_op(Ew::LogicalNot, x); }
// conj of a complex tensor; a real one is returned as it is.
inline Tensor conj(const Tensor& x) { return is_complex(x.dtype()) ? unary_op(Ew::Conj, x) : x; }
inline Tensor eq(const Operand& a, const Operand& b) { return binary(Ew::Eq, a, b); }
inline Tensor ne(const Operand& a, const Operand& b) { return binary(Ew::Ne, a, b); }
inline Tensor lt(const Operand& a, const Operand& b) { return binary(Ew::Lt, a, b); }
inline Tensor le(const Operand& a, const Operand& b) { return binary(Ew::Le, a, b); }
inline Tensor gt(const Operand& a, const Operand& b) { return binary(Ew::Gt, a, b); }
inline Tensor ge(const Operand& a, const Operand& b) { return binary(Ew::Ge, a, b); }
inline Tensor maximum(const Operand& a, const Operand& b) { return binary(Ew::Maximum, a, b); }
inline Tensor minimum(const Operand& a, const Operand& b) { return binary(Ew::Minimum, a, b); }
inline Tensor logical_and(const Operand& a, const Operand& b) { return binary(Ew::LogicalAnd, a, b); }
inline Tensor logical_or(const Operand& a, const Operand& b) { return binary(Ew::LogicalOr, a, b); }
Tensor where(const Tensor& condition, const Operand& a, const Operand& b, const Out& out = {});
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value);
Tensor real(const Tensor& x);
Tensor imag(const Tensor& x);
Tensor view_as_real(const Tensor& x);
Tensor view_as_complex(const Tensor& x);
Tensor complex(const Tensor& re, const Tensor& im, const Out& out = {});

inline Tensor operator+(const Tensor& a, const Operand& b) { return add(a, b); }
inline Tensor operator-(const Tensor& a, const Operand& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Operand& b) { return mul(a, b); }
inline Tensor operator/(const Tensor& a, const Operand& b) { return div(a, b); }
inline Tensor operator-(const Tensor& a) { return neg(a); }
inline Tensor operator+(double a, const Tensor& b) { return add(b, a); }
inline Tensor operator-(double a, const Tensor& b) { return sub(Operand(a), b); }
inline Tensor operator*(double a, const Tensor& b) { return mul(b, a); }
inline Tensor operator/(double a, const Tensor& b) { return div(Operand(a), b); }

// ---- shape ----
Tensor view(const Tensor& x, Ints sizes);
Tensor reshape(const Tensor& x, Ints sizes);
Tensor flatten(const Tensor& x, int64_t start = 0, int64_t end = -1);
Tensor permute(const Tensor& x, Ints dims);
Tensor transpose(const Tensor& x, int64_t a, int64_t b);
Tensor t(const Tensor& x);
inline Tensor mT(const Tensor& x) { return transpose(x, -2, -1); }
inline Tensor mH(const Tensor& x) { return conj(transpose(x, -2, -1)); }
Tensor squeeze(const Tensor& x, Ints dims);
Tensor squeeze_dim(const Tensor& x, int64_t dim);
Tensor squeeze_all(const Tensor& x);
Tensor unsqueeze(const Tensor& x, int64_t dim);
Tensor expand(const Tensor& x, Ints sizes, bool implicit = false);
Tensor select(const Tensor& x, int64_t dim, int64_t index);
Tensor slice(const Tensor& x, int64_t dim, std::optional<int64_t> start, std::optional<int64_t> end, int64_t step = 1);
Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length);
Tensor as_strided(const Tensor& x, Ints sizes, Ints strides, std::optional<int64_t> offset = std::nullopt);
Tensor as_strided_backward(const Tensor& g, Ints base_sizes, Ints base_strides, int64_t base_offset, Ints sizes,
                           Ints strides, int64_t offset);
Tensor as_strided_scatter(const Tensor& x, const Tensor& src, Ints sizes, Ints strides,
                          std::optional<int64_t> offset = std::nullopt);
Tensor select_scatter(const Tensor& x, const Tensor& src, int64_t dim, int64_t index);
Tensor slice_scatter(const Tensor& x, const Tensor& src, int64_t dim, std::optional<int64_t> start,
                     std::optional<int64_t> end, int64_t step);
Tensor cat(const std::vector<Tensor>& tensors, int64_t dim = 0, const Out& out = {});
Tensor stack(const std::vector<Tensor>& tensors, int64_t dim = 0, const Out& out = {});
std::vector<Tensor> split(const Tensor& x, Ints sizes, int64_t dim);
std::vector<Tensor> unbind(const Tensor& x, int64_t dim);
Tensor flip(const Tensor& x, Ints dims);
Tensor roll(const Tensor& x, Ints shifts, Ints dims);
Tensor repeat(const Tensor& x, Ints repeats);
Tensor tril(const Tensor& x, int64_t diagonal = 0, const Out& out = {});
Tensor triu(const Tensor& x, int64_t diagonal = 0, const Out& out = {});
Tensor diagonal(const Tensor& x, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
Tensor pad_constant(const Tensor& x, Ints pad, const Scalar& value);

// ---- reductions; no dims: over all ----
Tensor sum(const Tensor& x, Ints dims = {}, bool keepdim = false, std::optional<DType> dtype = std::nullopt);
Tensor mean(const Tensor& x, Ints dims = {}, bool keepdim = false, std::optional<DType> dtype = std::nullopt);
Tensor sum_to(const Tensor& x, Ints sizes);  // undoes a broadcast from `sizes`
Tensor amax(const Tensor& x, Ints dims = {}, bool keepdim = false);
Tensor logsumexp(const Tensor& x, Ints dims, bool keepdim = false);
Tensor prod(const Tensor& x, int64_t dim, bool keepdim = false);
Tensor cumsum(const Tensor& x, int64_t dim, std::optional<DType> dtype = std::nullopt);
Tensor cumprod(const Tensor& x, int64_t dim, std::optional<DType> dtype = std::nullopt);
Tensor argmax(const Tensor& x, std::optional<int64_t> dim, bool keepdim = false);
Tensor softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = std::nullopt);
Tensor log_softmax(const Tensor& x, int64_t dim, std::optional<DType> dtype = std::nullopt);
std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim = -1, bool descending = false, bool stable = false);
// Records an op that picks elements of x along `dim`: the gradient goes back to where `indices` says.
void record_selection(const char* node, const Tensor& x, int64_t dim, bool keepdim, const Tensor& values,
                      const Tensor& indices);

// ---- products ----
Tensor matmul(const Tensor& a, const Tensor& b, const Out& out = {});
Tensor mm(const Tensor& a, const Tensor& b);
Tensor bmm(const Tensor& a, const Tensor& b);
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);

// ---- random ----
Tensor dropout(const Tensor& x, double p, bool train);

// ---- indexing ----
Tensor index_select(const Tensor& x, int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, const Scalar& alpha = 1);
Tensor gather(const Tensor& x, int64_t dim, const Tensor& index, bool sparse_grad = false);
Tensor scatter(const Tensor& x, int64_t dim, const Tensor& index, const Operand& src);
Tensor scatter_add(const Tensor& x, int64_t dim, const Tensor& index, const Tensor& src);
Tensor index(const Tensor& x, const std::vector<Tensor>& indices);  // undefined entries: whole dimensions
Tensor index_put(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate = false);
Tensor index_put_(const Tensor& x, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate = false);
Tensor nonzero(const Tensor& x);

// Registers every family; called once by Registry::get().
void register_all_ops();

}  // namespace lampas
