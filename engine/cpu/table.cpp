// The CPU's table of kernels, and the meta device's, whose kernels do nothing.
#include "cpu/activation_kernels.h"
#include "cpu/attention.h"
#include "cpu/copy.h"
#include "cpu/embedding_bag.h"
#include "cpu/gemm.h"
#include "cpu/indexing.h"
#include "cpu/loops.h"
#include "cpu/losses.h"
#include "cpu/pair_panels.h"
#include "cpu/quantized.h"
#include "cpu/random.h"
#include "cpu/reduce.h"
#include "cpu/resample.h"
#include "cpu/rnn.h"
#include "cpu/shape.h"
#include "ops/kernels.h"

namespace lampas {

namespace {

void elementwise_loop(Ew op, DType compute, Loop& loop, const EwParams& params) {
  bool brief = compute == DType::Float32 && cpu::kernel(op, DType::BFloat16);
  for (int i = 0; i < loop.count; i++) brief &= loop.args[i].dtype == DType::BFloat16;
  if (brief) {
    compute = DType::BFloat16;
    std::fill_n(loop.types, loop.count, compute);
  }
  cpu::run(loop, cpu::kernel(op, compute), params);
}

void elementwise_contiguous(Ew op, DType compute, char* const* p, const bool* single, int64_t n,
                            const EwParams& params) {
  cpu::kernel(op, compute)(p, single, n, params);
}

bool supports(Ew op, DType compute) { return cpu::kernel(op, compute) != nullptr; }

const bool registered = [] {
  cpu::register_unary_kernels();
  cpu::register_special_kernels();
  cpu::register_activation_kernels();
  cpu::register_binary_kernels();
  cpu::register_ternary_kernels();
  return true;
}();

template <class T>
void gemm_as(const GemmCall& c) {
  cpu::Gemm<T> g{c.m,
                 c.n,
                 c.k,
                 static_cast<const T*>(c.a),
                 c.a_row,
                 c.a_col,
                 static_cast<const T*>(c.b),
                 c.b_row,
                 c.b_col,
                 static_cast<T*>(c.c),
                 c.ldc,
                 c.alpha.to<Compute<T>>(),
                 c.beta.to<Compute<T>>(),
                 static_cast<const T*>(c.bias)};
  if (c.rank == 0)
    cpu::gemm(g);
  else
    cpu::gemm_batched(g, {c.rank, c.sizes, c.a_strides, c.b_strides, c.c_strides});
}
void gemm(const GemmCall& c) {
  dispatch(c.type, [&]<class T>(TypeTag<T>) {
    if constexpr (std::is_same_v<T, bool>)
      fail("matrix products of bool tensors are not supported");
    else
      gemm_as<T>(c);
  });
}

DType operand_type(DType type, bool even) {
#if defined(__AVX512BF16__)
  if (type == DType::BFloat16 && even && cpu::PairPanels::pay()) return type;
#endif
  return compute_type(type);
}

// Stands for a kernel of any signature.
struct Nothing {
  template <class R, class... A>
  using Kernel = R (*)(A...);
  template <class R, class... A>
  operator Kernel<R, A...>() const {
    return [](A...) -> R { return R(); };
  }
};
constexpr Nothing nothing;

}  // namespace

const Kernels cpu_kernels = {
    .elementwise = &elementwise_loop,
    .contiguous = &elementwise_contiguous,
    .supports = &supports,
    .copy = &cpu::copy,
    .triangle = &cpu::triangle,
    .index_range = &cpu::index_range,
    .index_offsets = &cpu::index_offsets,
    .index = &cpu::index,
    .gather = &cpu::gather,
    .count_true = &cpu::count_true,
    .true_positions = &cpu::true_positions,
    .gemm = &gemm,
    .reduce = &cpu::reduce,
    .scan = &cpu::scan,
    .softmax = &cpu::softmax,
    .sort = &cpu::sort,
    .search = &cpu::search,
    .random = {&cpu::uniform, &cpu::normal, &cpu::random_from_to, &cpu::random_full, &cpu::randperm, &cpu::bernoulli,
               &cpu::bernoulli, &cpu::exponential, &cpu::geometric, &cpu::log_normal, &cpu::cauchy, &cpu::poisson,
               &cpu::multinomial, &cpu::standard_gamma, &cpu::dirichlet, &cpu::binomial, &cpu::standard_gamma_grad,
               &cpu::dirichlet_grad},
    .loss = {&cpu::cross_entropy, &cpu::cross_entropy_backward, &cpu::pair_sum, &cpu::ctc, &cpu::all_between},
    .activation = {{&cpu::conv_order, &cpu::conv_forward, &cpu::conv_backward_data, &cpu::conv_backward_weights},
                   {&cpu::max_pool, &cpu::max_pool_backward, &cpu::mean_pool, &cpu::mean_pool_backward},
                   {&cpu::channel_norm, &cpu::channel_norm_backward, &cpu::row_norm, &cpu::row_norm_backward},
                   &cpu::change_activation_order},
    .network = {&operand_type, &cpu::rnn_forward, &cpu::rnn_backward, &cpu::attention, &cpu::attention_backward,
                &cpu::resample, &cpu::grid_sample, &cpu::embedding_bag, &cpu::embedding_bag_backward},
    .quantized = {&cpu::quantize, &cpu::dequantize, &cpu::fake_quantize, &cpu::quantized_pair, &cpu::lookup_bytes,
                  &cpu::range_of, &cpu::quantized_linear, &cpu::quantized_convolution},
};

const Kernels meta_kernels = {
    .elementwise = nothing,
    .contiguous = nothing,
    .supports = &supports,
    .copy = nothing,
    .triangle = nothing,
    .index_range = nothing,
    .index_offsets = nothing,
    .index = nothing,
    .gather = nothing,
    .count_true = nothing,
    .true_positions = nothing,
    .gemm = nothing,
    .reduce = nothing,
    .scan = nothing,
    .softmax = nothing,
    .sort = nothing,
    .search = nothing,
    .random = {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing,
               nothing, nothing, nothing, nothing, nothing, nothing, nothing},
    .loss = {nothing, nothing, nothing, nothing, nothing},
    .activation = {{nothing, nothing, nothing, nothing},
                   {nothing, nothing, nothing, nothing},
                   {nothing, nothing, nothing, nothing},
                   nothing},
    .network = {[](DType type, bool) { return compute_type(type); }, nothing, nothing, nothing, nothing, nothing,
                nothing, nothing, nothing},
    .quantized = {nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing},
};

}  // namespace lampas
