#include "worker/models/pose/warp.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"

namespace mimicfleet::pose {
namespace {

constexpr int kThinning = 4;
constexpr double kRounding = 2e-7;  // of the goldens to float

at::Tensor thinned(const at::Tensor& planes) {
  return planes.slice(1, 0, std::nullopt, kThinning).slice(2, 0, std::nullopt, kThinning);
}

at::Tensor first_frame() {
  return read_pictures({"goldens/pose/frames/frame_000.png"})[0].permute({1, 2, 0}).contiguous();
}

ImageView view_of(const at::Tensor& image) {
  return {image.const_data_ptr<std::uint8_t>(), static_cast<int>(image.size(0)),
          static_cast<int>(image.size(1))};
}

TEST(Letterbox, EqualsTheOriginalsDetectorInput) {
  const Golden golden("pose/pose");
  const at::Tensor frame = first_frame();
  const at::Tensor input = at::empty({640, 640, 3}, at::kByte);
  letterbox(view_of(frame), 640, 640, input.mutable_data_ptr<std::uint8_t>());
  EXPECT_TRUE(golden.is_equal("frame0.letterbox_u8", thinned(input.permute({2, 0, 1}))));
  const at::Tensor reference = golden["ref_resized_u8"].contiguous();
  for (const auto& [name, image] : {std::pair("frame0", frame), std::pair("ref", reference)}) {
    const double ratio = letterbox_ratio(view_of(image), 640, 640);
    EXPECT_TRUE(golden.is_near(std::string(name) + ".yolox_ratio", at::tensor({ratio}), kRounding));
  }
}

TEST(Letterbox, AStripOfOnePixelStillGivesAnInput) {
  const at::Tensor strip = at::empty({1, 3000, 3}, at::kByte).fill_(7);
  const at::Tensor input = at::empty({64, 64, 3}, at::kByte);
  letterbox(view_of(strip), 64, 64, input.mutable_data_ptr<std::uint8_t>());
  EXPECT_EQ(input[0][0][0].item<int>(), 7);
  EXPECT_EQ(input[1][0][0].item<int>(), 114);
}

TEST(Crop, EqualsTheOriginalsEstimatorInput) {
  const Golden golden("pose/pose");
  const at::Tensor reference = golden["ref_resized_u8"].contiguous();
  const at::Tensor frame = first_frame();
  for (const auto& [name, image, item] :
       {std::tuple<std::string, at::Tensor, std::string>{"ref", reference, "raw.0.boxes"},
        {"frame0", frame, "raw.1.boxes"}}) {
    SCOPED_TRACE(name);
    const at::Tensor corners = golden[item][0].to(at::kDouble);
    const Box box{corners[0].item<double>(), corners[1].item<double>(), corners[2].item<double>(),
                  corners[3].item<double>()};
    const Region region = region_of(box, 384, 288);
    EXPECT_TRUE(golden.is_near(name + ".crop_center",
                               at::tensor({region.center_x, region.center_y}), kRounding));
    EXPECT_TRUE(
        golden.is_near(name + ".crop_scale", at::tensor({region.width, region.height}), kRounding));
    const at::Tensor picture = at::empty({384, 288, 3}, at::kByte);
    crop(view_of(image), region, 384, 288, picture.mutable_data_ptr<std::uint8_t>());
    const double mean[] = {123.675, 116.28, 103.53};
    const double deviation[] = {58.395, 57.12, 57.375};
    std::vector<at::Tensor> channels;
    for (int channel = 0; channel < 3; ++channel) {
      const at::Tensor values =
          picture.select(2, channel).to(at::kDouble).sub(mean[channel]).div(deviation[channel]);
      channels.push_back(values.to(at::kFloat));
    }
    EXPECT_TRUE(golden.is_equal(name + ".crop_input", thinned(at::stack(channels))));
  }
}

}  // namespace
}  // namespace mimicfleet::pose
