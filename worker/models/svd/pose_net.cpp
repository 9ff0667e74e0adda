#include "worker/models/svd/pose_net.h"

namespace mimicfleet::svd {
namespace {

struct Row {
  std::int64_t in;
  std::int64_t out;
  nn::Conv2d::Geometry geometry;
};
constexpr Row kRows[] = {{3, 3, {3, 1, 1}},   {3, 16, {4, 2, 1}},  {16, 16, {3, 1, 1}},
                         {16, 32, {4, 2, 1}}, {32, 32, {3, 1, 1}}, {32, 64, {4, 2, 1}},
                         {64, 64, {3, 1, 1}}, {64, 128, {3, 1, 1}}};

}  // namespace

PoseNet::PoseNet(const nn::Scope& scope, std::int64_t out_channels)
    : final_proj_(scope / "final_proj", kRows[std::size(kRows) - 1].out, out_channels, {1, 1, 0}),
      scale_(scope.host_parameter("scale", {1})) {
  int index = 0;
  for (const auto& row : kRows) {
    conv_layers_.emplace_back(scope / "conv_layers" / index, row.in, row.out, row.geometry);
    index += 2;  // an activation between two convolutions has a number too
  }
}

at::Tensor PoseNet::operator()(const at::Tensor& pictures) const {
  at::Tensor h = pictures.contiguous(at::MemoryFormat::ChannelsLast);
  for (const auto& conv : conv_layers_)
    h = nn::silu(conv(h));  // [N, 16|32|64|128, H/2|4|8, W/2|4|8]
  return final_proj_(h).mul_(
      static_cast<double>(*scale_.const_data_ptr<float>()));  // [N, C0, H/8, W/8]
}

}  // namespace mimicfleet::svd
