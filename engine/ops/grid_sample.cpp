// Sampling an image or volume at given points, and the points of an affine map (M. Jaderberg et al., "Spatial
// Transformer Networks", 2015).
#include "core/threads.h"
#include "ops/kernels.h"
#include "ops/ops.h"
#include "ops/recompute.h"

namespace lampas {

namespace {

struct Sampling {
  SampleMode mode;
  SamplePadding padding;
  bool align_corners;
};

constexpr const char* kNode[] = {"GridSampler2DBackward0", "GridSampler3DBackward0"};

GridSampleCall make_call(const Sampling& s, const Tensor& x, const Tensor& grid) {
  GridSampleCall c{};
  c.type = x.dtype();
  c.mode = s.mode, c.padding = s.padding, c.align_corners = s.align_corners;
  c.rank = x.ndim() - 2;
  c.batch = x.sizes()[0], c.channels = x.sizes()[1];
  c.points = product(grid.sizes().subspan(1, size_t(c.rank)));
  for (int d = 0; d < c.rank; d++) c.size[d] = x.sizes()[size_t(d) + 2];
  c.input = x.data(), c.grid = grid.data();
  return c;
}

// ---- the same in differentiable ops, for gradients of gradients ----

// What one dimension contributes: indices (inside), and weights, which are 0 outside.
struct Term {
  Tensor index, weight;
};

// x folded into the range by reflection, then cut to it. What decides which piece of the fold applies has no gradient.
Tensor padded(const Sampling& s, Tensor x, int64_t size) {
  if (s.padding == SamplePadding::Zeros) return x;
  if (s.padding == SamplePadding::Reflection) {
    const double from = s.align_corners ? 0 : -0.5, span = double(s.align_corners ? size - 1 : size);
    if (span == 0) return x * 0;
    Tensor distance = abs(x - from), flips;
    {
      NoGrad guard;
      flips = floor(distance / span);
    }
    Tensor rest = distance - flips * span;
    x = where(eq(remainder(flips, 2), 0), rest, span - rest) + from;
  }
  return where(gt(x, 0), where(lt(x, double(size - 1)), x, double(size - 1)), 0.0);
}

Tensor cubic(const Tensor& d, bool near) {  // a = -0.75; `near`: for distances below 1
  constexpr double a = -0.75;
  if (near) return ((d * (a + 2) - (a + 3)) * d) * d + 1;
  return ((d * a - 5 * a) * d + 8 * a) * d - 4 * a;
}

std::vector<Term> terms_of(const Sampling& s, const Tensor& coordinate, int64_t size) {
  Tensor x = s.align_corners ? (coordinate + 1) * (double(size - 1) / 2) : (coordinate + 1) * (double(size) / 2) - 0.5;
  if (s.mode != SampleMode::Cubic) x = padded(s, x, size);
  std::vector<Term> terms;
  auto add = [&](Tensor at, const Tensor& weight) {
    Tensor inside, index;
    {
      NoGrad guard;
      if (s.mode == SampleMode::Cubic) at = padded(s, at, size);
      inside = logical_and(ge(at, 0), lt(at, double(size)));
      index = to(where(inside, at, 0.0), DType::Int64);
    }
    terms.push_back({index, where(inside, weight, 0.0)});
  };
  if (s.mode == SampleMode::Nearest) {
    NoGrad guard;
    Tensor at = unary_op(Ew::Round, x);
    add(at, ones_like(at));
    return terms;
  }
  Tensor first;
  {
    NoGrad guard;
    first = floor(x);
  }
  Tensor t = x - first;
  if (s.mode == SampleMode::Linear) {
    add(first, 1 - t);
    add(first + 1, t);
  } else {
    add(first - 1, cubic(t + 1, false));
    add(first, cubic(t, true));
    add(first + 1, cubic(1 - t, true));
    add(first + 2, cubic(2 - t, false));
  }
  return terms;
}

Tensor composite(const Sampling& s, const Tensor& x, const Tensor& grid) {
  const int rank = x.ndim() - 2;
  const int64_t batch = x.sizes()[0], channels = x.sizes()[1], points = product(grid.sizes().subspan(1, size_t(rank)));
  Tensor flat = reshape(x, IntVec{batch, channels, -1}), coordinates = reshape(grid, IntVec{batch, points, rank});
  std::vector<Term> products;
  for (int d = 0; d < rank; d++) {
    const int64_t size = x.sizes()[size_t(d) + 2];
    std::vector<Term> here = terms_of(s, select(coordinates, 2, rank - 1 - d), size), joined;
    if (d == 0) joined = here;
    for (const Term& a : products)
      for (const Term& b : here) joined.push_back({a.index * Operand(Scalar(size)) + b.index, a.weight * b.weight});
    products = joined;
  }
  Tensor y;
  for (const Term& t : products) {
    Tensor term =
        gather(flat, 2, expand(unsqueeze(t.index, 1), IntVec{batch, channels, points})) * unsqueeze(t.weight, 1);
    y = y.defined() ? y + term : term;
  }
  IntVec sizes = {batch, channels};
  for (int d = 0; d < rank; d++) sizes.push_back(grid.sizes()[size_t(d) + 1]);
  return reshape(y, sizes);
}

Tensor sample(const Sampling& s, const Tensor& x_given, const Tensor& grid_given) {
  Tensor x, grid;
  {
    NoGrad guard;
    x = contiguous(x_given), grid = contiguous(grid_given);
  }
  const int rank = x.ndim() - 2;
  IntVec sizes = {x.sizes()[0], x.sizes()[1]};
  for (int d = 0; d < rank; d++) sizes.push_back(grid.sizes()[size_t(d) + 1]);
  Tensor y = empty(sizes, x.dtype(), x.device());
  if (y.numel()) {
    GridSampleCall c = make_call(s, x, grid);
    c.out = y.data();
    Unlocked unlocked(y.numel() * 8);
    kernels(x.device()).network.grid_sample(c);
  }
  if (recording(x_given, grid_given))
    record(kNode[rank - 2], {&x_given, &grid_given}, {&y}, {{"input", &x_given}, {"grid", &grid_given}},
           [s, node = kNode[rank - 2]](Back& b) {
             if (!b.grad().defined()) return;
             Tensor x = b.saved(0), grid = b.saved(1);
             if (mode.grad) {
               auto again = [s](const std::vector<Tensor>& in) {
                 return std::vector<Tensor>{composite(s, in[0], in[1])};
               };
               std::vector<Tensor> grads = recorded_gradients(node, again, {x, grid}, {b.grad()});
               for (int i = 0; i < 2; i++)  // to the nearest pixel the grid has no influence
                 b.set(i, [&] { return grads[size_t(i)].defined() ? grads[size_t(i)] : zeros_like(i ? grid : x); });
               return;
             }
             x = contiguous(x), grid = contiguous(grid);
             Tensor g = contiguous(b.grad()), gx, ggrid;
             if (b.needs(0)) gx = zeros(x.sizes(), x.dtype(), x.device());
             if (b.needs(1)) ggrid = zeros(grid.sizes(), x.dtype(), x.device());
             if (g.numel()) {
               GridSampleCall c = make_call(s, x, grid);
               c.go = g.data();
               c.ginput = gx.defined() ? gx.data() : nullptr;
               c.ggrid = ggrid.defined() ? ggrid.data() : nullptr;
               Unlocked unlocked(g.numel() * 16);
               kernels(x.device()).network.grid_sample(c);
             }
             b.set(0, [&] { return gx; });
             b.set(1, [&] { return ggrid; });
           });
  return y;
}

template <int rank>
Tensor grid_sampler(const Tensor& x, const Tensor& grid, int64_t interpolation, int64_t padding, bool align_corners) {
  CHECK(rank == 0 || x.ndim() == rank + 2, "grid_sampler(): expected a ", rank + 2,
        "D input, but got input with sizes ", shown(x.sizes()));
  CHECK(x.device() == grid.device(), "grid_sampler(): expected input and grid to be on same device, but input is on ",
        name_of(x.device()), " and grid is on ", name_of(grid.device()));
  CHECK((x.ndim() == 4 || x.ndim() == 5) && x.ndim() == grid.ndim(),
        "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes ",
        shown(x.sizes()), " and grid with sizes ", shown(grid.sizes()));
  CHECK(x.sizes()[0] == grid.sizes()[0],
        "grid_sampler(): expected grid and input to have same batch size, but got input with sizes ", shown(x.sizes()),
        " and grid with sizes ", shown(grid.sizes()));
  CHECK(grid.size(-1) == x.ndim() - 2, "grid_sampler(): expected grid to have size ", x.ndim() - 2,
        " in last dimension, but got grid with sizes ", shown(grid.sizes()));
  for (int d = 2; d < x.ndim(); d++)
    CHECK(x.sizes()[size_t(d)] > 0,
          "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ", shown(x.sizes()),
          " with dimension ", d, " being empty");
  CHECK(interpolation >= 0 && interpolation <= 2 && padding >= 0 && padding <= 2,
        "grid_sampler(): expected interpolation and padding modes 0, 1 or 2, got ", interpolation, " and ", padding);
  const Sampling s{SampleMode(interpolation), SamplePadding(padding), align_corners};
  CHECK(s.mode != SampleMode::Cubic || x.ndim() == 4, "grid_sampler(): bicubic interpolation only supports 4D input");
  CHECK(x.dtype() == grid.dtype(), "grid_sampler(): expected input and grid to have same dtype, but input has ",
        name_of(x.dtype()), " and grid has ", name_of(grid.dtype()));
  CHECK_KIND(NotImplemented, is_floating(x.dtype()), "grid_sampler() is not implemented for torch.", name_of(x.dtype()),
             " tensors: convert them to a floating-point dtype");
  const DType compute = compute_type(x.dtype());
  return to(sample(s, to(x, compute), to(grid, compute)), x.dtype());
}

// ---- affine grids ----

// -1 to 1 in n steps: at the corners, or at the centres of n pixels.
Tensor positions(int64_t n, bool align_corners, DType type, Device device) {
  if (n == 1) return zeros(IntVec{1}, type, device);
  Tensor i = to(arange(n, DType::Int64, device), type);
  return align_corners ? i * (2.0 / double(n - 1)) - 1 : (i * 2 + 1) / double(n) - 1;
}

Tensor affine_grid(const Tensor& theta, Ints size, bool align_corners) {
  CHECK(size.size() == 4 || size.size() == 5,
        "AffineGridGenerator needs 4d (spatial) or 5d (volumetric) inputs, got a size of ", size.size(), " numbers");
  const int rank = int(size.size()) - 2;
  CHECK(theta.ndim() == 3 && theta.sizes()[0] == size[0] && theta.sizes()[1] == rank && theta.sizes()[2] == rank + 1,
        "Expected a batch of affine matrices of shape ", shown(IntVec{size[0], rank, rank + 1}), " for size ",
        shown(size), ". Got ", shown(theta.sizes()), ".");
  Tensor base;
  IntVec out = {size[0]};
  for (int d = 0; d < rank; d++) out.push_back(size[size_t(d) + 2]);
  out.push_back(rank);
  {
    NoGrad guard;
    const DType type = compute_type(theta.dtype());
    IntVec space(size.subspan(2));
    std::vector<Tensor> coordinates;
    for (int d = rank; d-- > 0;) {
      IntVec one(rank, 1);
      one[d] = space[d];
      coordinates.push_back(expand(reshape(positions(space[d], align_corners, type, theta.device()), one), space));
    }
    coordinates.push_back(ones(space, type, theta.device()));
    base = to(reshape(stack(coordinates, rank), IntVec{-1, rank + 1}), theta.dtype());
  }
  Tensor y;
  {
    NoGrad guard;
    y = alias(reshape(matmul(base, mT(theta)), out));
  }
  if (recording(theta))
    record("AffineGridGeneratorBackward0", {&theta}, {&y}, {}, [base, rank, batch = size[0]](Back& b) {
      if (b.grad().defined())
        b.set(0, [&] { return mT(matmul(mT(base), reshape(b.grad(), IntVec{batch, -1, rank}))); });
    });
  return y;
}

}  // namespace

void register_grid_sample() {
#define SAMPLER "(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor"
  const char* doc = "input sampled at the points of grid, whose coordinates run from -1 to 1";
  op<&grid_sampler<0>>("grid_sampler" SAMPLER, Function, doc);
  op<&grid_sampler<2>>("grid_sampler_2d" SAMPLER, Function, doc);
  op<&grid_sampler<3>>("grid_sampler_3d" SAMPLER, Function, doc);
  op<&affine_grid>("affine_grid_generator(Tensor theta, int[] size, bool align_corners) -> Tensor", Function,
                   "the points that affine maps take from a regular grid");
#undef SAMPLER
}

}  // namespace lampas
