// Padding by reflection, repetition of the edge, and wrapping around: each is a map from positions to positions.
#include "ops/ops.h"
#include "ops/registry.h"
#include "ops/terms.h"

namespace lampas {

namespace {

enum class PadMode : uint8_t { Reflect, Replicate, Circular };

std::shared_ptr<const Terms> positions(PadMode mode, int64_t n, int64_t before, int64_t after) {
  auto terms = std::make_shared<Terms>();
  terms->n = n;
  // Negative padding cuts off first; what is left is then extended.
  const int64_t cut = std::max<int64_t>(-before, 0), kept = n - cut - std::max<int64_t>(-after, 0),
                m = n + before + after;
  const int64_t shift = std::max<int64_t>(before, 0);
  for (int64_t j = 0; j < m; j++) {
    int64_t i;
    if (mode == PadMode::Circular) {
      i = ((j - shift) % kept + kept) % kept + cut;
    } else {  // the edges are those of the uncut input
      i = j - shift + cut;
      if (j < before)
        i = mode == PadMode::Reflect ? before - j + cut : cut;
      else if (j >= n + before)
        i = mode == PadMode::Reflect ? 2 * (n - 1) - (j - before) : n - 1;
    }
    terms->add_result(i);
  }
  return terms;
}

constexpr const char* kAxis[] = {"W", "H", "D"};

std::string pair_text(int64_t a, int64_t b) { return text("(", a, ", ", b, ")"); }

// Non-constant padding of the last pad.size() / 2 dimensions.
Tensor pad_by(PadMode mode, const char* node, const Tensor& x, Ints pad) {
  const int n = x.ndim(), count = int(pad.size() / 2);
  for (int64_t p : pad)
    CHECK_KIND(OutOfMemory, std::abs(p) < int64_t(1) << 48, "out of memory: a padding of ", p, " elements of input ",
               shown(x.sizes()));
  std::vector<Along> maps;
  for (int k = 0; k < count; k++) {
    const int dim = n - 1 - k;
    const int64_t size = x.sizes()[size_t(dim)], before = pad[size_t(2 * k)], after = pad[size_t(2 * k) + 1],
                  out = size + before + after;
    if (mode == PadMode::Reflect)
      CHECK(before < size && after < size,
            "Padding size should be less than the corresponding input dimension, but got: padding ",
            pair_text(before, after), " at dimension ", dim, " of input ", shown(x.sizes()));
    if (mode == PadMode::Circular) {
      CHECK(before <= size && after <= size, "Padding value causes wrapping around more than once: padding ",
            pair_text(before, after), " at dimension ", dim, " of input ", shown(x.sizes()));
      CHECK(out >= 0 && (out == 0 || size + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0) > 0),
            "Negative padding value is resulting in an empty dimension: padding ", pair_text(before, after),
            " at dimension ", dim, " of input ", shown(x.sizes()));
    } else {
      CHECK(out >= 1, "input (", kAxis[k], ": ", size, ") is too small. Calculated output ", kAxis[k], ": ", out);
    }
    // Of so many, make sure that there is room for the result before every position is written down.
    if (out > int64_t(1) << 24) (void)empty(Ints(&out, 1), x.dtype(), x.device());
    if (before || after) maps.push_back({dim, positions(mode, size, before, after)});
  }
  return resample(node, x, maps);
}

void check_padded(const Tensor& x, Ints pad, int spatial) {
  CHECK(int(pad.size()) == 2 * spatial, "padding size is expected to be ", 2 * spatial, ", but got: ", pad.size());
  bool fits = x.ndim() == spatial + 1 || x.ndim() == spatial + 2;
  for (int d = x.ndim() == spatial + 2 ? 1 : 0; fits && d < x.ndim(); d++) fits = x.sizes()[size_t(d)] != 0;
  CHECK(fits, "Expected ", spatial + 1, "D or ", spatial + 2,
        "D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: ",
        shown(x.sizes()));
}

constexpr const char* kNode[2][3] = {
    {"ReflectionPad1DBackward0", "ReflectionPad2DBackward0", "ReflectionPad3DBackward0"},
    {"ReplicationPad1DBackward0", "ReplicationPad2DBackward0", "ReplicationPad3DBackward0"}};

template <PadMode mode, int spatial>
Tensor pad_spatial(const Tensor& x, Ints pad) {
  check_padded(x, pad, spatial);
  return pad_by(mode, kNode[int(mode)][spatial - 1], x, pad);
}

Tensor pad_circular(const Tensor& x, Ints pad) {
  CHECK(pad.size() % 2 == 0 && x.ndim() >= int(pad.size() / 2),
        "Invalid padding size, expected an even number, at most twice the input's ", x.ndim(), " dimensions, but got ",
        pad.size());
  return pad_by(PadMode::Circular, "CopySlices", x, pad);
}

Tensor pad(const Tensor& x, Ints pad, std::string_view mode, std::optional<double> value) {
  CHECK(pad.size() % 2 == 0, "Padding length must be divisible by 2, got ", pad.size(),
        ": it holds (before, after) for each dimension, the last first");
  CHECK(int(pad.size() / 2) <= x.ndim(),
        "Padding length should be less than or equal to two times the input dimension but got padding length ",
        pad.size(), " and input of dimension ", x.ndim());
  if (mode == "constant") return pad_constant(x, pad, value.value_or(0));
  CHECK_KIND(NotImplemented, mode == "reflect" || mode == "replicate" || mode == "circular",
             "Unrecognised padding mode ", mode, ": it must be 'constant', 'reflect', 'replicate' or 'circular'");
  CHECK(!value || *value == 0, "Padding mode \"", mode, "\" doesn't take in value argument");
  const int spatial = int(pad.size() / 2);
  CHECK_KIND(NotImplemented, spatial >= 1 && spatial <= 3 && (x.ndim() == spatial + 1 || x.ndim() == spatial + 2),
             "Padding size ", pad.size(), " is not supported for ", x.ndim(),
             "D input tensor.\nSupported combinations for non-constant padding:\n",
             "  - 2D or 3D input: padding size = 2 (pads last dimension)\n",
             "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n",
             "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)");
  if (mode == "circular") return pad_circular(x, pad);
  const PadMode by = mode == "reflect" ? PadMode::Reflect : PadMode::Replicate;
  check_padded(x, pad, spatial);
  return pad_by(by, kNode[int(by)][spatial - 1], x, pad);
}

template <PadMode mode>
void register_mode(const char* const (&forms)[3], const char* doc) {
  op<&pad_spatial<mode, 1>>(forms[0], NN | OutForm, doc);
  op<&pad_spatial<mode, 2>>(forms[1], NN | OutForm, doc);
  op<&pad_spatial<mode, 3>>(forms[2], NN | OutForm, doc);
}

}  // namespace

void register_pad() {
#define PADS(name)                                                                                       \
  {name "1d(Tensor input, int[2] padding) -> Tensor", name "2d(Tensor input, int[4] padding) -> Tensor", \
   name "3d(Tensor input, int[6] padding) -> Tensor"}
  register_mode<PadMode::Reflect>(PADS("reflection_pad"), "padded with the mirrored input");
  register_mode<PadMode::Replicate>(PADS("replication_pad"), "padded with the input's edge");
#undef PADS
  op<&pad_circular>("_pad_circular(Tensor input, int[] pad) -> Tensor", NN, "padded with the input's other end");
  op<&pad>("pad(Tensor input, int[] pad, str mode='constant', float? value=None) -> Tensor", NN,
           "padded by (before, after) for each dimension, the last first");
}

}  // namespace lampas
