// The kernels of random numbers a device must have; cpu/random.h says what each draws.
#pragma once

#include <optional>

#include "core/dtype.h"
#include "core/generator.h"

namespace lampas {

struct RandomKernels {
  void (*uniform)(void* out, DType dtype, int64_t n, double from, double to, Generator& generator);
  void (*normal)(void* out, DType dtype, int64_t n, double mean, double std, Generator& generator, bool contiguous);
  void (*random_from_to)(void* out, DType dtype, int64_t n, int64_t from, std::optional<int64_t> to,
                         Generator& generator);
  void (*random_full)(void* out, DType dtype, int64_t n, Generator& generator);
  void (*randperm)(void* out, DType dtype, int64_t n, Generator& generator);
  void (*bernoulli)(void* out, DType dtype, int64_t n, double p, Generator& generator);
  void (*bernoulli_each)(void* out, DType dtype, int64_t n, const void* p, DType p_dtype, Generator& generator);
  void (*exponential)(void* out, DType dtype, int64_t n, double lambda, Generator& generator);
  void (*geometric)(void* out, DType dtype, int64_t n, double p, Generator& generator);
  void (*log_normal)(void* out, DType dtype, int64_t n, double mean, double std, Generator& generator);
  void (*cauchy)(void* out, DType dtype, int64_t n, double median, double sigma, Generator& generator);
  void (*poisson)(void* out, const void* rate, DType dtype, int64_t n, Generator& generator);
  void (*multinomial)(int64_t* out, const void* weights, DType dtype, int64_t rows, int64_t categories, int64_t samples,
                      bool replacement, Generator& generator, bool column_major);
  void (*standard_gamma)(void* out, const void* shape, DType dtype, int64_t n, Generator& generator);
  void (*dirichlet)(void* out, const void* concentration, DType dtype, int64_t rows, int64_t columns,
                    Generator& generator);
  void (*binomial)(void* out, const void* count, const void* p, DType dtype, int64_t n, Generator& generator);
  void (*standard_gamma_grad)(void* out, const void* shape, const void* x, DType dtype, int64_t n);
  void (*dirichlet_grad)(void* out, const void* x, const void* alpha, const void* total, DType dtype, int64_t n);
};

}  // namespace lampas
