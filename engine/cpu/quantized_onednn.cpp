// int8 products through oneDNN, which rescales and rounds the sums as it writes them.
#include <cmath>
#include <string_view>

#include "core/allocator.h"
#include "cpu/onednn.h"
#include "cpu/packed_weights.h"
#include "cpu/quantized.h"

namespace lampas::cpu {
namespace {

using namespace onednn;
using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;
using Type = dnnl::memory::data_type;

enum Slot { kSource, kWeights, kResult, kBias, kPlainWeights, kOneFloat, kFloats, kOneInt };

dnnl::primitive_attr rescaling(int weight_mask, bool relu, bool to_integers, bool source_zero_point) {
  dnnl::primitive_attr attr = attributes();
  attr.set_scales_mask(DNNL_ARG_WEIGHTS, weight_mask);
  if (source_zero_point) attr.set_zero_points_mask(DNNL_ARG_SRC, 0);
  if (to_integers) {
    attr.set_scales_mask(DNNL_ARG_DST, 0);
    attr.set_zero_points_mask(DNNL_ARG_DST, 0);
  }
  if (relu) {
    dnnl::post_ops after;
    after.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
    attr.set_post_ops(after);
  }
  return attr;
}

template <class Description>
void refuse_reference(const Description& d) {
  if (std::string_view(d.impl_info_str()).starts_with("ref")) throw dnnl::error(dnnl_unimplemented, "reference only");
}

// The layouts of what rescales: one number, one for each of n columns or channels.
void add_scalars(Primitive& made, int64_t n) {
  made.layouts[kOneFloat] = Desc({1}, Type::f32, dnnl::memory::format_tag::a);
  made.layouts[kFloats] = Desc({n}, Type::f32, dnnl::memory::format_tag::a);
  made.layouts[kOneInt] = Desc({1}, Type::s32, dnnl::memory::format_tag::a);
}

// The real value of one step of the sums, for each of n outputs.
void combine(int64_t n, float x_scale, const float* w_scales, float* out) {
  for (int64_t i = 0; i < n; i++) out[i] = x_scale * w_scales[i];
}

}  // namespace

bool quantized_linear(const QuantizedLinearCall& c) {
  const bool integers = c.y_type == DType::UInt8;
  Key key(kQuantizedLinear);
  key.add(c.m).add(c.n).add(c.k).add(integers).add(c.relu);
  auto p = cached(key, [&] {
    Primitive made;
    const Desc x({c.m, c.k}, Type::u8, {c.k, 1}), w({c.k, c.n}, Type::s8, dnnl::memory::format_tag::any),
        y({c.m, c.n}, integers ? Type::u8 : Type::f32, {c.n, 1}), bias({1, c.n}, Type::f32, {c.n, 1});
    const dnnl::matmul::primitive_desc d(engine(), x, w, bias, y, rescaling(c.n > 1 ? 2 : 0, c.relu, integers, false));
    refuse_reference(d);
    made.layouts = {x, numbered(d.weights_desc()), y, bias, numbered(Desc({c.k, c.n}, Type::s8, {1, c.k}))};
    add_scalars(made, c.n);
    made.set(d, dnnl::matmul(d));
    return made;
  });
  if (!p) return false;
  // x's zero point adds the same to every row: it goes into the bias.
  Scratch memory(size_t(2 * c.n) * sizeof(float));
  float *scales = memory.as<float>(), *bias = scales + c.n;
  combine(c.n, c.x_affine.scale, c.w_scales, scales);
  for (int64_t i = 0; i < c.n; i++)
    bias[i] = float((c.bias ? double(c.bias[i]) : 0.0) -
                    double(scales[i]) * double(c.x_affine.zero_point) * double(c.w_sums[i]));
  const int32_t zero_point = int32_t(c.y_affine.zero_point);
  const auto& l = p->layouts;
  const PackedWeights packed(c.w, c.version, l[kPlainWeights], l[kWeights]);
  execute(*p, {{DNNL_ARG_SRC, &l[kSource], c.x},
               {DNNL_ARG_WEIGHTS, &l[kWeights], packed.data()},
               {DNNL_ARG_BIAS, &l[kBias], bias},
               {DNNL_ARG_DST, &l[kResult], c.y},
               {DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, &l[kFloats], scales},
               {DNNL_ARG_ATTR_SCALES | DNNL_ARG_DST, &l[kOneFloat], integers ? &c.y_affine.scale : nullptr},
               {DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_DST, &l[kOneInt], integers ? &zero_point : nullptr}});
  return true;
}

bool quantized_convolution(const QuantizedConvCall& c) {
  const ConvShape& s = c.shape;
  Key key(kQuantizedConvolution);
  key.add(s.rank).add(s.batch).add(s.in_channels).add(s.out_channels).add(s.groups).add(c.relu).add(c.bias != nullptr);
  key.add(c.x_affine.zero_point != 0);
  for (int d = 0; d < s.rank; d++)
    key.add(s.in[d]).add(s.out[d]).add(s.kernel[d]).add(s.stride[d]).add(s.dilation[d]).add(s.pad_l[d]);
  auto p = cached(key, [&] {
    auto dims = [&](int64_t a, int64_t b, const int64_t* space) {
      Dims d{a, b};
      d.insert(d.end(), space, space + s.rank);
      return d;
    };
    auto strided = [](const Dims& dims, Type type, bool channels_last) {
      Dims strides(dims.size());
      int64_t step = channels_last ? dims[1] : 1;
      if (channels_last) strides[1] = 1;
      for (size_t d = dims.size(); d-- > (channels_last ? 2 : 0);) strides[d] = step, step *= dims[d];
      if (channels_last) strides[0] = step;
      return Desc(dims, type, strides);
    };
    Dims weights = dims(s.out_channels / s.groups, s.in_channels / s.groups, s.kernel);
    if (s.groups > 1) weights.insert(weights.begin(), s.groups);
    const Desc x = strided(dims(s.batch, s.in_channels, s.in), Type::u8, true),
               y = strided(dims(s.batch, s.out_channels, s.out), Type::u8, true),
               w(weights, Type::s8, dnnl::memory::format_tag::any),
               bias({s.out_channels}, Type::f32, dnnl::memory::format_tag::a);
    Dims stride(s.stride, s.stride + s.rank), dilation, left(s.pad_l, s.pad_l + s.rank), right;
    for (int d = 0; d < s.rank; d++) {
      dilation.push_back(s.dilation[d] - 1);
      right.push_back((s.out[d] - 1) * s.stride[d] + s.dilation[d] * (s.kernel[d] - 1) + 1 - s.in[d] - s.pad_l[d]);
    }
    const dnnl::convolution_forward::primitive_desc d(
        engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, x, w, c.bias ? bias : Desc(),
        y, stride, dilation, left, right, rescaling(s.groups > 1 ? 3 : 1, c.relu, true, c.x_affine.zero_point != 0));
    refuse_reference(d);
    Primitive made;
    made.layouts = {x, numbered(d.weights_desc()), y, bias, numbered(strided(weights, Type::s8, false))};
    add_scalars(made, s.out_channels);
    made.set(d, dnnl::convolution_forward(d));
    return made;
  });
  if (!p) return false;
  Scratch memory(size_t(s.out_channels) * sizeof(float));
  combine(s.out_channels, c.x_affine.scale, c.w_scales, memory.as<float>());
  const int32_t x_zero = int32_t(c.x_affine.zero_point), y_zero = int32_t(c.y_affine.zero_point);
  const auto& l = p->layouts;
  const PackedWeights packed(c.w, c.version, l[kPlainWeights], l[kWeights]);
  execute(*p, {{DNNL_ARG_SRC, &l[kSource], c.x},
               {DNNL_ARG_WEIGHTS, &l[kWeights], packed.data()},
               {DNNL_ARG_BIAS, &l[kBias], c.bias},
               {DNNL_ARG_DST, &l[kResult], c.y},
               {DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, &l[kFloats], memory.as<float>()},
               {DNNL_ARG_ATTR_SCALES | DNNL_ARG_DST, &l[kOneFloat], &c.y_affine.scale},
               {DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_SRC, &l[kOneInt], x_zero ? &x_zero : nullptr},
               {DNNL_ARG_ATTR_ZERO_POINTS | DNNL_ARG_DST, &l[kOneInt], &y_zero}});
  return true;
}

}  // namespace lampas::cpu
