// Fills n contiguous elements with random numbers: for one seed the numbers PyTorch's CPU generator gives, and the
// same position in the stream afterwards.
//
// Elements are drawn in memory order. For an output that is not contiguous, draw into a contiguous buffer with
// `contiguous = false` and copy it over the elements in the order of their addresses (dimensions sorted by falling
// stride), which is how PyTorch walks such a tensor. Arguments outside a distribution's range raise RuntimeError, a
// dtype it does not have NotImplementedError or RuntimeError, as in PyTorch.
#pragma once

#include <cstdint>
#include <optional>

#include "core/dtype.h"
#include "core/generator.h"

namespace lampas::cpu {

// Uniform in [from, to); floating dtypes. One word per number, two for float64.
void uniform(void* out, DType dtype, int64_t n, double from, double to, Generator& generator);

// Normal; floating dtypes. 16 or more contiguous numbers are made in blocks of 16 (box_muller.h), fewer one by one
// from float64 pairs of which the generator keeps the second for the next call.
void normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& generator, bool contiguous = true);

// Integers, uniform in [from, to): randint(from, to), random_(from, to). Without `to`: up to the largest integer the
// dtype holds exactly, and with the smallest int64 as `from` as well, any 64 bits.
void random_from_to(void* out, DType dtype, int64_t n, int64_t from, std::optional<int64_t> to, Generator& generator);
// random_(): integers in [0, largest integer the dtype holds exactly].
void random_full(void* out, DType dtype, int64_t n, Generator& generator);

// The integers 0 .. n-1 in random order (R. Durstenfeld, "Algorithm 235: random permutation", CACM 7(7), 1964).
void randperm(void* out, DType dtype, int64_t n, Generator& generator);

// One with probability p, else zero; every dtype but complex.
void bernoulli(void* out, DType dtype, int64_t n, double p, Generator& generator);
// The same with a probability for each element; p has n elements of a floating dtype.
void bernoulli(void* out, DType dtype, int64_t n, const void* p, DType p_dtype, Generator& generator);

// Density lambda * exp(-lambda x), by inversion: -log(1 - u) / lambda.
void exponential(void* out, DType dtype, int64_t n, double lambda, Generator& generator);
// Trials until the first success, at least 1, by inversion: ceil(log u / log(1 - p)); every dtype but bool and complex.
void geometric(void* out, DType dtype, int64_t n, double p, Generator& generator);
// exp of a normal number.
void log_normal(void* out, DType dtype, int64_t n, double mean, double std, Generator& generator);
// By inversion: median + sigma * tan(pi * (u - 1/2)).
void cauchy(void* out, DType dtype, int64_t n, double median, double sigma, Generator& generator);
// Counts of the Poisson distribution whose rates are `rate`, n numbers of the same floating dtype.
void poisson(void* out, const void* rate, DType dtype, int64_t n, Generator& generator);
// Gamma distributions of rate 1; rows that sum to 1 of Dirichlet distributions; successes among `count` trials. The
// parameters have the dtype of the result, float32 or float64.
void standard_gamma(void* out, const void* shape, DType dtype, int64_t n, Generator& generator);
void dirichlet(void* out, const void* concentration, DType dtype, int64_t rows, int64_t columns, Generator& generator);
void binomial(void* out, const void* count, const void* p, DType dtype, int64_t n, Generator& generator);
// d x / d shape of samples x of gamma distributions.
void standard_gamma_grad(void* out, const void* shape, const void* x, DType dtype, int64_t n);
// d x / d alpha / (1 - x) of samples x of beta distributions with parameters alpha and total - alpha.
void dirichlet_grad(void* out, const void* x, const void* alpha, const void* total, DType dtype, int64_t n);

// For each of `rows` rows of `categories` weights (not negative, with a positive sum), `samples` indices drawn with
// probability proportional to weight. With replacement by search in the cumulative sums; without, and for a single
// sample, the largest weight / exponential (P. S. Efraimidis, P. G. Spirakis, "Weighted random sampling with a
// reservoir", Inf. Process. Lett. 97(5), 2006); column_major draws those exponentials column by column, as PyTorch does
// when the weights were a transposed matrix. `weights` itself is always contiguous, row by row.
void multinomial(int64_t* out, const void* weights, DType dtype, int64_t rows, int64_t categories, int64_t samples,
                 bool replacement, Generator& generator, bool column_major = false);

}  // namespace lampas::cpu
