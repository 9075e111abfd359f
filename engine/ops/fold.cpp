// Elements moved between space and channels: sliding blocks as columns, and pixel and channel shuffles.
#include "ops/ops.h"
#include "ops/registry.h"

namespace lampas {

namespace {

// ---- sliding blocks ----

struct Blocks {
  int64_t kernel[2], dilation[2], padding[2], stride[2];
};

void take_pair(int64_t (&to)[2], Ints from, const char* what, int64_t least) {
  CHECK(from.size() == 1 || from.size() == 2, "It is expected ", what, " equals to 2, but got size ", from.size());
  to[0] = from[0];
  to[1] = from.back();
  CHECK(to[0] >= least && to[1] >= least, what, " should be ", least ? "greater than zero" : "non-negative",
        ", but got ", what, "_height: ", to[0], " ", what, "_width: ", to[1]);
}

Blocks blocks_of(Ints kernel, Ints dilation, Ints padding, Ints stride) {
  Blocks b;
  take_pair(b.kernel, kernel, "kernel_size", 1);
  take_pair(b.dilation, dilation, "dilation", 1);
  take_pair(b.padding, padding, "padding", 0);
  take_pair(b.stride, stride, "stride", 1);
  return b;
}

std::string two(const int64_t* v) { return text("(", v[0], ", ", v[1], ")"); }

// How many blocks fit in each direction.
void count_blocks(const Blocks& b, const int64_t* size, int64_t* count) {
  for (int d = 0; d < 2; d++) {
    const int64_t free = size[d] + 2 * b.padding[d] - b.dilation[d] * (b.kernel[d] - 1) - 1;
    count[d] = free < 0 ? 0 : free / b.stride[d] + 1;
  }
}

Tensor fold_image(const Tensor& x, const int64_t* size, const Blocks& b);

// x [N, C, H, W] -> [N, C * kernel elements, blocks]
Tensor unfold_image(const Tensor& x, const Blocks& b) {
  const int64_t N = x.sizes()[0], C = x.sizes()[1];
  int64_t size[2] = {x.sizes()[2], x.sizes()[3]}, count[2];
  count_blocks(b, size, count);
  CHECK(count[0] > 0 && count[1] > 0, "Given input with spatial size ", two(size), ", kernel_size=", two(b.kernel),
        ", dilation=", two(b.dilation), ", padding=", two(b.padding),
        ", calculated shape of the array of sliding blocks as ", two(count),
        ", but its components must be at least one.");
  Tensor y = empty(IntVec{N, C * b.kernel[0] * b.kernel[1], count[0] * count[1]}, x.dtype(), x.device());
  {
    NoGrad guard;
    Tensor p = contiguous(b.padding[0] || b.padding[1]
                              ? pad_constant(x, IntVec{b.padding[1], b.padding[1], b.padding[0], b.padding[0]}, 0)
                              : x);
    const int64_t row = p.sizes()[3], plane = p.sizes()[2] * row;
    const IntVec sizes = {N, C, b.kernel[0], b.kernel[1], count[0], count[1]};
    const IntVec strides = {C * plane, plane, b.dilation[0] * row, b.dilation[1], b.stride[0] * row, b.stride[1]};
    copy_data(alias(y, sizes, contiguous_strides(sizes), y.offset()), alias(p, sizes, strides, p.offset()));
  }
  if (recording(x))
    record("Im2ColBackward0", {&x}, {&y}, {}, [b, h = size[0], w = size[1]](Back& back) {
      if (!back.grad().defined()) return;
      const int64_t size[2] = {h, w};
      back.set(0, [&] { return fold_image(back.grad(), size, b); });
    });
  return y;
}

// The adjoint: blocks added up at their places.
Tensor fold_image(const Tensor& x, const int64_t* size, const Blocks& b) {
  const int64_t N = x.sizes()[0], elements = b.kernel[0] * b.kernel[1], C = x.sizes()[1] / elements;
  int64_t count[2];
  count_blocks(b, size, count);
  const int64_t H = size[0] + 2 * b.padding[0], W = size[1] + 2 * b.padding[1];
  Tensor y;
  {
    NoGrad guard;
    Tensor columns = contiguous(x), p = zeros(IntVec{N, C, H, W}, x.dtype(), x.device());
    const IntVec sizes = {N, C, count[0], count[1]}, to = {C * H * W, H * W, b.stride[0] * W, b.stride[1]};
    const int64_t per_block = count[0] * count[1];
    const IntVec from = {C * elements * per_block, elements * per_block, count[1], 1};
    for (int64_t i = 0; i < b.kernel[0]; i++)
      for (int64_t j = 0; j < b.kernel[1]; j++)
        add_in_place(alias(p, sizes, to, p.offset() + i * b.dilation[0] * W + j * b.dilation[1]),
                     alias(columns, sizes, from, columns.offset() + (i * b.kernel[1] + j) * per_block));
    y = p;
    if (b.padding[0] || b.padding[1])
      y = contiguous(narrow(narrow(p, 2, b.padding[0], size[0]), 3, b.padding[1], size[1]));
    y = alias(y);
  }
  if (recording(x))
    record("Col2ImBackward0", {&x}, {&y}, {}, [b](Back& back) {
      if (back.grad().defined()) back.set(0, [&] { return unfold_image(back.grad(), b); });
    });
  return y;
}

Tensor im2col(const Tensor& x, Ints kernel, Ints dilation, Ints padding, Ints stride) {
  const Blocks b = blocks_of(kernel, dilation, padding, stride);
  const bool batched = x.ndim() == 4;
  bool full = x.ndim() == 3 || batched;
  for (int d = batched ? 1 : 0; full && d < x.ndim(); d++) full = x.sizes()[size_t(d)] != 0;
  CHECK(full,
        "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but "
        "got: ",
        shown(x.sizes()));
  return batched ? unfold_image(x, b) : squeeze(unfold_image(unsqueeze(x, 0), b), IntVec{0});
}

Tensor col2im(const Tensor& x, Ints output_size, Ints kernel, Ints dilation, Ints padding, Ints stride) {
  const Blocks b = blocks_of(kernel, dilation, padding, stride);
  int64_t size[2], count[2];
  take_pair(size, output_size, "output_size", 1);
  const bool batched = x.ndim() == 3;
  bool full = x.ndim() == 2 || batched;
  for (int d = batched ? 1 : 0; full && d < x.ndim(); d++) full = x.sizes()[size_t(d)] != 0;
  CHECK(full,
        "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, "
        "but got: ",
        shown(x.sizes()));
  const int d = batched ? 1 : 0;
  const int64_t channels = x.sizes()[size_t(d)], blocks = x.sizes()[size_t(d) + 1];
  CHECK(channels % (b.kernel[0] * b.kernel[1]) == 0, "Expected size of input's dimension ", d,
        " to be divisible by the product of kernel_size, but got input.size(", d, ")=", channels,
        " and kernel_size=", two(b.kernel), ".");
  count_blocks(b, size, count);
  CHECK(count[0] > 0 && count[1] > 0, "Given output_size=", two(size), ", kernel_size=", two(b.kernel),
        ", dilation=", two(b.dilation), ", padding=", two(b.padding), ", stride=", two(b.stride),
        ", calculated shape of the array of sliding blocks as ", two(count), ", which is too small (non-positive)");
  CHECK(blocks == count[0] * count[1], "Given output_size=", two(size), ", kernel_size=", two(b.kernel),
        ", dilation=", two(b.dilation), ", padding=", two(b.padding), ", stride=", two(b.stride),
        ", expected size of input's dimension ", d + 1, " to match the calculated number of sliding blocks ", count[0],
        " * ", count[1], " = ", count[0] * count[1], ", but got input.size(", d + 1, ")=", blocks, ".");
  return batched ? fold_image(x, size, b) : squeeze(fold_image(unsqueeze(x, 0), size, b), IntVec{0});
}

// ---- shuffles: a reshape, a permutation, a reshape; one node of the graph, whose gradient is the shuffle back ----

template <class F, class G>
Tensor shuffled(const char* node, const Tensor& x, F&& forward, G backward) {
  Tensor y;
  {
    NoGrad guard;
    y = forward(x);
    y = y->storage.get() == x->storage.get() ? clone(y, MemoryFormat::Contiguous) : alias(y);
  }
  if (recording(x))
    record(node, {&x}, {&y}, {}, [backward](Back& b) {
      if (b.grad().defined()) b.set(0, [&] { return backward(b.grad()); });
    });
  return y;
}

IntVec with_last(const Tensor& x, int64_t c, int64_t h, int64_t w) {
  IntVec sizes = x->sizes;
  const int n = x.ndim();
  sizes[n - 3] = c, sizes[n - 2] = h, sizes[n - 1] = w;
  return sizes;
}

Tensor pixel_unshuffle(const Tensor& x, int64_t r);

Tensor pixel_shuffle(const Tensor& x, int64_t r) {
  CHECK(x.ndim() >= 3, "pixel_shuffle expects input to have at least 3 dimensions, but got input with ", x.ndim(),
        " dimension(s)");
  CHECK(r > 0, "pixel_shuffle expects a positive upscale_factor, but got ", r);
  const int64_t c = x.size(-3), h = x.size(-2), w = x.size(-1);
  CHECK(c % (r * r) == 0,
        "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
        "input.size(-3)=",
        c, " is not divisible by ", r * r);
  IntVec out = with_last(x, c / (r * r), h * r, w * r);
  int64_t batch = product(x.sizes().first(size_t(x.ndim()) - 3));
  return shuffled(
      "PixelShuffleBackward0", x,
      [&](const Tensor& t) {
        return reshape(permute(reshape(t, IntVec{batch, c / (r * r), r, r, h, w}), IntVec{0, 1, 4, 2, 5, 3}), out);
      },
      [r](const Tensor& g) { return pixel_unshuffle(g, r); });
}

Tensor pixel_unshuffle(const Tensor& x, int64_t r) {
  CHECK(x.ndim() >= 3, "pixel_unshuffle expects input to have at least 3 dimensions, but got input with ", x.ndim(),
        " dimension(s)");
  CHECK(r > 0, "pixel_unshuffle expects a positive downscale_factor, but got ", r);
  const int64_t c = x.size(-3), h = x.size(-2), w = x.size(-1);
  CHECK(h % r == 0, "pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=", h,
        " is not divisible by ", r);
  CHECK(w % r == 0, "pixel_unshuffle expects width to be divisible by downscale_factor, but input.size(-1)=", w,
        " is not divisible by ", r);
  IntVec out = with_last(x, c * r * r, h / r, w / r);
  int64_t batch = product(x.sizes().first(size_t(x.ndim()) - 3));
  return shuffled(
      "PixelUnshuffleBackward0", x,
      [&](const Tensor& t) {
        return reshape(permute(reshape(t, IntVec{batch, c, h / r, r, w / r, r}), IntVec{0, 1, 3, 5, 2, 4}), out);
      },
      [r](const Tensor& g) { return pixel_shuffle(g, r); });
}

Tensor channel_shuffle(const Tensor& x, int64_t groups) {
  CHECK(x.ndim() > 2, "channel_shuffle expects input with > 2 dims, but got input with sizes ", shown(x.sizes()));
  const int64_t n = x.sizes()[0], c = x.sizes()[1];
  CHECK(groups > 0, "Number of groups to divide channels in must be positive. Value of groups:", groups);
  CHECK(c % groups == 0, "Number of channels must be divisible by groups. Got ", c, " channels and ", groups,
        " groups.");
  const int64_t space = product(x.sizes().subspan(2)), each = c / groups;
  IntVec out(x->sizes);
  return shuffled(
      "ChannelShuffleBackward0", x,
      [&](const Tensor& t) { return reshape(transpose(reshape(t, IntVec{n, groups, each, space}), 1, 2), out); },
      [each](const Tensor& g) { return each ? channel_shuffle(g, each) : g; });
}

}  // namespace

void register_fold() {
  op<&im2col>("im2col(Tensor input, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> Tensor",
              NN | OutForm, "sliding blocks of an image as columns");
  op<&col2im>(
      "col2im(Tensor input, int[2] output_size, int[2] kernel_size, int[2] dilation, int[2] padding, int[2] stride) -> "
      "Tensor",
      NN | OutForm, "columns added up at the places of their sliding blocks");
  op<&pixel_shuffle>("pixel_shuffle(Tensor input, int upscale_factor) -> Tensor", Function,
                     "channels rearranged to a larger image");
  op<&pixel_unshuffle>("pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor", Function,
                       "an image rearranged to more channels");
  op<&channel_shuffle>("channel_shuffle(Tensor input, int groups) -> Tensor", Function,
                       "channels taken from each group in turn");
  op<&channel_shuffle>("native_channel_shuffle(Tensor input, int groups) -> Tensor", Function,
                       "channels taken from each group in turn");
}

}  // namespace lampas
