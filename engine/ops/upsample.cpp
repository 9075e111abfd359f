// Resizing of images and volumes: nearest, linear, cubic, and both with antialiasing. Each is one map per dimension.
#include <cmath>

#include "ops/ops.h"
#include "ops/registry.h"
#include "ops/terms.h"

namespace lampas {

void register_fold();
void register_grid_sample();

namespace {

enum class Resize : uint8_t { Nearest, NearestExact, Linear, Cubic, LinearSmooth, CubicSmooth };

constexpr const char* kNodes[][3] = {
    {"UpsampleNearest1DBackward0", "UpsampleNearest2DBackward0", "UpsampleNearest3DBackward0"},
    {"UpsampleNearestExact1DBackward0", "UpsampleNearestExact2DBackward0", "UpsampleNearestExact3DBackward0"},
    {"UpsampleLinear1DBackward0", "UpsampleBilinear2DBackward0", "UpsampleTrilinear3DBackward0"},
    {nullptr, "UpsampleBicubic2DBackward0", nullptr},
    {nullptr, "UpsampleBilinear2DAaBackward0", nullptr},
    {nullptr, "UpsampleBicubic2DAaBackward0", nullptr},
};

// Cubic convolution (R. Keys, 1981): the weight of a point at distance x.
template <class T>
T cubic(T x, T a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : T(0);
}

// T is the type PyTorch computes positions in, whose rounding decides between neighbours.
template <class T>
std::shared_ptr<const Terms> weights(Resize how, int64_t n, int64_t m, bool align, std::optional<double> factor) {
  auto terms = std::make_shared<Terms>();
  terms->n = n;
  T scale = factor && *factor > 0 ? T(1 / *factor) : T(n) / T(m);
  if (align) scale = m > 1 ? T(n - 1) / T(m - 1) : T(0);
  auto clamped = [n](int64_t i) { return std::clamp<int64_t>(i, 0, n - 1); };
  for (int64_t j = 0; j < m; j++) {
    const T at = align ? scale * T(j) : scale * (T(j) + T(0.5)) - T(0.5);
    switch (how) {
      case Resize::Nearest:
        terms->add_result(clamped(int64_t(std::floor(float(scale * T(j))))));
        break;
      case Resize::NearestExact:
        terms->add_result(clamped(int64_t(std::floor(float((T(j) + T(0.5)) * scale)))));
        break;
      case Resize::Linear: {
        const T x = std::max(at, T(0));
        const int64_t low = n == m ? j : clamped(int64_t(x)), index[2] = {low, clamped(low + 1)};
        const T rest = n == m ? T(0) : std::clamp(x - T(low), T(0), T(1)), w[2] = {1 - rest, rest};
        terms->add_result(index, w, rest == 0 ? 1 : 2);
        break;
      }
      case Resize::Cubic: {
        const T floor = std::floor(at), rest = std::clamp(at - floor, T(0), T(1)), a = T(-0.75);
        int64_t index[4];
        for (int k = 0; k < 4; k++) index[k] = clamped(int64_t(floor) - 1 + k);
        const T w[4] = {cubic(rest + 1, a), cubic(rest, a), cubic(1 - rest, a), cubic(2 - rest, a)};
        terms->add_result(index, w, 4);
        break;
      }
      default: {  // the filter, widened to the size of a result's pixel
        const T reach = how == Resize::LinearSmooth ? 1 : 2, support = scale >= 1 ? reach * scale : reach;
        const T shrink = scale >= 1 ? 1 / scale : T(1), center = scale * (T(j) + T(0.5));
        const int64_t first = std::max<int64_t>(int64_t(center - support + T(0.5)), 0),
                      last = std::min<int64_t>(int64_t(center + support + T(0.5)), n);
        std::vector<int64_t> index;
        std::vector<T> w;
        T total = 0;
        for (int64_t i = first; i < last; i++) {
          const T x = (T(i) - center + T(0.5)) * shrink;
          const T weight = how == Resize::LinearSmooth ? std::max(1 - std::abs(x), T(0)) : cubic(x, T(-0.5));
          index.push_back(i);
          w.push_back(weight);
          total += weight;
        }
        if (total != 0)
          for (T& v : w) v /= total;
        terms->add_result(index.data(), w.data(), int(w.size()));
      }
    }
  }
  return terms;
}

using Factors = std::vector<std::optional<double>>;

std::string spoken(Ints sizes) {
  static const char* const names[] = {"D", "H", "W"};
  std::string s;
  for (size_t d = 0; d < sizes.size(); d++) s += text(d ? ", " : "", names[3 - sizes.size() + d], ": ", sizes[d]);
  return "(" + s + ")";
}

Tensor resized(Resize how, const Tensor& x, Ints size, bool align, const Factors& factors) {
  const int rank = int(factors.size());
  CHECK(int(size.size()) == rank, "It is expected output_size equals to ", rank, ", but got size ", size.size());
  CHECK(x.ndim() == rank + 2, "It is expected input_size equals to ", rank + 2, ", but got size ", x.ndim());
  Ints have = x.sizes().last(size_t(rank));
  bool positive = true;
  for (int d = 0; d < rank; d++) positive &= have[size_t(d)] > 0 && size[size_t(d)] > 0;
  CHECK(positive, "Input and output sizes should be greater than 0, but got input ", spoken(have), " output ",
        spoken(size));
  CHECK(x.sizes()[1] > 0, "Non-empty ", rank + 2, "D data tensor expected but got a tensor with sizes ",
        shown(x.sizes()));
  const bool plain = how <= Resize::NearestExact;
  CHECK_KIND(NotImplemented, is_floating(x.dtype()) || x.dtype() == DType::UInt8,
             "upsampling is not implemented for torch.", name_of(x.dtype()),
             " tensors: convert the input to a floating-point dtype");
  const bool bytes = x.dtype() == DType::UInt8 && !plain && rank == 2;
  std::vector<Along> maps;
  for (int d = 0; d < rank; d++) {
    const auto make = x.dtype() == DType::Float64 || bytes ? &weights<double> : &weights<float>;
    if (!bytes || have[size_t(d)] != size[size_t(d)])
      maps.push_back({d + 2, make(how, have[size_t(d)], size[size_t(d)], align, factors[size_t(d)])});
  }
  if (bytes) {  // the innermost dimension first, as in PyTorch, where each step rounds
    std::reverse(maps.begin(), maps.end());
    return resample_bytes(x, maps);
  }
  const char* node = kNodes[int(how)][rank - 1];
  if (plain || x.dtype() != DType::UInt8) return resample(node, x, maps);
  Tensor y = unary_op(Ew::Round, resample(node, to(x, DType::Float32), maps));
  return to(minimum(maximum(y, 0), 255), DType::UInt8);
}

// The size asked for, or the one the factors give.
IntVec wanted(const Tensor& x, std::optional<Ints> size, std::span<const double> factors, int rank) {
  CHECK(bool(size) != !factors.empty(), "Must specify exactly one of output_size and scale_factors");
  if (size) return *size;
  CHECK(int(factors.size()) == rank && x.ndim() == rank + 2, "It is expected scale_factors of ", rank,
        " numbers for an input of ", rank + 2, " dimensions, got ", factors.size(), " and ", x.ndim());
  IntVec out;
  for (int d = 0; d < rank; d++) out.push_back(int64_t(double(x.sizes()[size_t(d) + 2]) * factors[size_t(d)]));
  return out;
}

Factors optional_factors(std::span<const double> factors, int rank) {
  Factors out(static_cast<size_t>(rank));
  for (size_t d = 0; d < factors.size() && d < out.size(); d++) out[d] = factors[d];
  return out;
}

using Factor = std::optional<double>;
using Size = std::optional<Ints>;
using Numbers = std::span<const double>;

template <Resize how, class... F>
Tensor plain_each(const Tensor& x, Ints size, F... factors) {
  return resized(how, x, size, false, {factors...});
}
template <Resize how, int rank>
Tensor plain_list(const Tensor& x, Size size, Numbers factors) {
  return resized(how, x, wanted(x, size, factors, rank), false, optional_factors(factors, rank));
}
template <Resize how, class... F>
Tensor aligned_each(const Tensor& x, Ints size, bool align, F... factors) {
  return resized(how, x, size, align, {factors...});
}
template <Resize how, int rank>
Tensor aligned_list(const Tensor& x, Size size, bool align, Numbers factors) {
  return resized(how, x, wanted(x, size, factors, rank), align, optional_factors(factors, rank));
}

}  // namespace

void register_upsample() {
#define LIST(name, align) name "(Tensor input, int[]? output_size, " align "float[]? scale_factors) -> Tensor"
#define SCALES1 "float? scales=None) -> Tensor"
#define SCALES2 "float? scales_h=None, float? scales_w=None) -> Tensor"
#define SCALES3 "float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor"
#define EACH(name, align, rank) name "(Tensor input, int[" #rank "] output_size, " align SCALES##rank
#define ALIGN "bool align_corners, "
#define PLAIN(how, prefix)                                                                                       \
  op<&plain_each<how, Factor>>(EACH(prefix "1d", "", 1), NN | OutForm, "resized to the nearest pixels");         \
  op<&plain_each<how, Factor, Factor>>(EACH(prefix "2d", "", 2), NN | OutForm, "resized to the nearest pixels"); \
  op<&plain_each<how, Factor, Factor, Factor>>(EACH(prefix "3d", "", 3), NN | OutForm,                           \
                                               "resized to the nearest pixels");                                 \
  op<&plain_list<how, 1>>(LIST(prefix "1d", ""), NN);                                                            \
  op<&plain_list<how, 2>>(LIST(prefix "2d", ""), NN);                                                            \
  op<&plain_list<how, 3>>(LIST(prefix "3d", ""), NN);
  PLAIN(Resize::Nearest, "upsample_nearest")
  PLAIN(Resize::NearestExact, "_upsample_nearest_exact")
#undef PLAIN
#define ALIGNED2(how, name, doc)                                                   \
  op<&aligned_each<how, Factor, Factor>>(EACH(name, ALIGN, 2), NN | OutForm, doc); \
  op<&aligned_list<how, 2>>(LIST(name, ALIGN), NN);
  ALIGNED2(Resize::Linear, "upsample_bilinear2d", "resized by linear interpolation")
  ALIGNED2(Resize::Cubic, "upsample_bicubic2d", "resized by cubic interpolation")
  ALIGNED2(Resize::LinearSmooth, "_upsample_bilinear2d_aa",
           "resized by linear interpolation, averaging where it shrinks")
  ALIGNED2(Resize::CubicSmooth, "_upsample_bicubic2d_aa", "resized by cubic interpolation, averaging where it shrinks")
#undef ALIGNED2
  op<&aligned_each<Resize::Linear, Factor>>(EACH("upsample_linear1d", ALIGN, 1), NN | OutForm,
                                            "resized by linear interpolation");
  op<&aligned_list<Resize::Linear, 1>>(LIST("upsample_linear1d", ALIGN), NN);
  op<&aligned_each<Resize::Linear, Factor, Factor, Factor>>(EACH("upsample_trilinear3d", ALIGN, 3), NN | OutForm,
                                                            "resized by linear interpolation");
  op<&aligned_list<Resize::Linear, 3>>(LIST("upsample_trilinear3d", ALIGN), NN);
#undef LIST
#undef EACH
  register_grid_sample();
  register_fold();
}

}  // namespace lampas
