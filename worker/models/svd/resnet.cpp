#include "worker/models/svd/resnet.h"

#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>

namespace mimicfleet::svd {
namespace {

// [B, C] -> [B*T, C]: each clip's numbers for each of its frames.
at::Tensor per_frame(const at::Tensor& per_clip, std::int64_t frames) {
  return per_clip
      .unsqueeze(1)                                          // [B, 1, C]
      .expand({per_clip.size(0), frames, per_clip.size(1)})  // [B, T, C]
      .flatten(0, 1);                                        // [B*T, C]
}

}  // namespace

ResnetBlock::ResnetBlock(const nn::Scope& scope, std::int64_t in, std::int64_t out,
                         std::int64_t time_channels, double eps)
    : norm1(scope / "norm1", in, eps),
      conv1(scope / "conv1", in, out),
      norm2(scope / "norm2", out, eps),
      conv2(scope / "conv2", out, out) {
  if (time_channels > 0) time_emb_proj.emplace(scope / "time_emb_proj", time_channels, out);
  if (in != out)
    conv_shortcut.emplace(scope / "conv_shortcut", in, out, nn::Conv2d::Geometry{1, 1, 0});
}

nn::WithAddend ResnetBlock::operator()(const nn::WithAddend& x, const at::Tensor& time) const {
  nn::WithAddend h = conv1.without_bias(norm1.then_silu(x));  // [N, C', H, W]
  if (time_emb_proj)
    h.add(per_frame((*time_emb_proj)(time), x.images.size(0) / time.size(0)));  // + [N, C']
  h = conv2.without_bias(norm2.then_silu(h));                                   // [N, C', H, W]
  return nn::sum(std::move(h), conv_shortcut ? conv_shortcut->without_bias(x) : x);
}

TemporalResidual::TemporalResidual(const nn::Scope& scope, std::int64_t channels,
                                   std::int64_t time_channels, double eps)
    : norm1(scope / "norm1", channels, eps),
      conv1(scope / "conv1", channels, channels),
      norm2(scope / "norm2", channels, eps),
      conv2(scope / "conv2", channels, channels) {
  if (time_channels > 0) time_emb_proj.emplace(scope / "time_emb_proj", time_channels, channels);
}

nn::WithAddend TemporalResidual::operator()(const nn::WithAddend& x, const at::Tensor& time,
                                            std::int64_t height) const {
  nn::WithAddend h = conv1.without_bias(norm1.then_silu(x), height);  // [B, C, T, S]
  if (time_emb_proj) h.add((*time_emb_proj)(time));                   // + [B, C]
  return conv2.without_bias(norm2.then_silu(h), height);              // [B, C, T, S]
}

TimeMixer::TimeMixer(const nn::Scope& scope, MixFactorOf mixing_rule)
    : mix_factor(scope.host_parameter("mix_factor", {1})), rule(mixing_rule) {}

double TimeMixer::temporal_share() const {
  const double factor =
      1 / (1 + std::exp(-static_cast<double>(*mix_factor.const_data_ptr<float>())));
  return rule == MixFactorOf::kSpatial ? 1 - factor : factor;
}

SpatioTemporalResBlock::SpatioTemporalResBlock(const nn::Scope& scope, std::int64_t in,
                                               std::int64_t out, const Options& options)
    : spatial_res_block(scope / "spatial_res_block", in, out, options.time_channels, options.eps),
      temporal_res_block(scope / "temporal_res_block", out, options.time_channels,
                         options.temporal_eps),
      time_mixer(scope / "time_mixer", options.mix) {}

nn::WithAddend SpatioTemporalResBlock::operator()(const nn::WithAddend& x, const at::Tensor& time,
                                                  std::int64_t frames, bool with_time) const {
  const nn::WithAddend h = spatial_res_block(x, time);  // [B*T, C, H, W]
  if (!with_time) return h;
  const at::Tensor& images = h.images;
  const std::int64_t height = images.size(2);
  const at::Tensor clips =
      nn::as_tokens(images).unflatten(0, {-1, frames}).permute({0, 3, 1, 2});       // [B, C, T, S]
  nn::WithAddend residual = temporal_res_block({clips, {}, h.sums}, time, height);  // [B, C, T, S]
  residual.images = nn::as_images(residual.images.permute({0, 2, 3, 1}).flatten(0, 1), height,
                                  images.size(3));  // [B*T, C, H, W]
  // share * (images + residual) + (1 - share) * images
  return nn::add_to(images, residual, time_mixer.temporal_share());  // [B*T, C, H, W]
}

Downsample::Downsample(const nn::Scope& scope, std::int64_t channels, std::int64_t padding)
    : conv(scope / "conv", channels, channels, nn::Conv2d::Geometry{3, 2, padding}) {}

at::Tensor Downsample::operator()(const at::Tensor& x) const {
  return conv(conv.geometry.padding == 0 ? at::constant_pad_nd(x, {0, 1, 0, 1}) : x);
}

Upsample::Upsample(const nn::Scope& scope, std::int64_t channels)
    : conv(scope / "conv", channels) {}

nn::WithAddend Upsample::operator()(const at::Tensor& x) const { return conv.without_bias(x); }

}  // namespace mimicfleet::svd
