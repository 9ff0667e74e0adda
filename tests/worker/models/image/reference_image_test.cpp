#include "worker/models/image/reference_image.h"

#include <string>

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"

namespace mimicfleet::image {
namespace {

TEST(ReferenceImage, IsScaledAndCroppedAsTheOriginalDoesIt) {
  const Golden golden("ref_resize");
  const int resolutions[] = {128, 128, 64, 256};
  for (int i = 0; i < 4; ++i) {
    const std::string name = "case" + std::to_string(i);
    SCOPED_TRACE(name);
    const at::Tensor image = golden[name + ".in"].permute({2, 0, 1});
    const Size size = output_size(
        {static_cast<int>(image.size(1)), static_cast<int>(image.size(2))}, resolutions[i]);
    const at::Tensor shape = at::tensor({size.height, size.width, 3});
    EXPECT_TRUE(golden.is_equal(name + ".out_shape", shape));
    const auto prepared = prepare_reference_image(image, size);
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    const int step = golden.has(name + ".out_every_1") ? 1 : 3;
    const at::Tensor thinned =
        prepared->resized.slice(1, 0, std::nullopt, step).slice(2, 0, std::nullopt, step);
    EXPECT_TRUE(
        golden.is_equal(name + ".out_every_" + std::to_string(step), thinned.permute({1, 2, 0})));
  }
}

TEST(ReferenceImage, OfThePackHasBothForms) {
  const Golden golden("pose/pose");
  const at::Tensor image = read_pictures({"ref.png"})[0];
  const auto prepared = prepare_reference_image(image, {192, 128});
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_TRUE(golden.is_equal("ref_resized_u8", prepared->resized.permute({1, 2, 0})));
  EXPECT_TRUE(golden.is_equal("ref_roundtrip_u8", prepared->prepared.permute({1, 2, 0})));
}

TEST(ReferenceImage, SquareImagesBecomeLandscape) {
  EXPECT_EQ(output_size({100, 100}, 576), (Size{576, 1024}));
  EXPECT_EQ(output_size({101, 100}, 576), (Size{1024, 576}));
}

TEST(ReferenceImage, AResolutionTooSmallForAStepIsRefused) {
  const Size size = output_size({100, 50}, 32);  // 32 / (9 / 16) is less than 64
  EXPECT_EQ(size, (Size{0, 32}));
  EXPECT_EQ(prepare_reference_image(at::zeros({3, 100, 50}, at::kByte), size).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mimicfleet::image
