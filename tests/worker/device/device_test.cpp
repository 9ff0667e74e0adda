#include "worker/device/device.h"

#include <limits>

#include <ATen/ops/conv2d.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/test_device.h"
#include "tests/worker/models/golden.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::device {
namespace {

struct Shape {
  std::int64_t pictures, inputs, outputs, height, width;
};

class DeviceNeedsAGpu : public ::testing::TestWithParam<Shape> {
 protected:
  void SetUp() override {
    if (test_device_name() == "cpu") GTEST_SKIP();
    device_ = open_device(test_device_name(), jobs::Precision::kFp32, 1).value().device;
  }
  // What the allocator gives out next holds no numbers.
  void spoil_free_memory() const {
    constexpr std::int64_t kNumbers = std::int64_t{1} << 30;
    at::full({kNumbers}, std::numeric_limits<float>::quiet_NaN(),
             at::TensorOptions().device(device_));
  }

  at::Device device_{at::kCPU};
};

// cuDNN 9.19's convolutions in float32 read memory of their own before they write it, at shapes of
// a UNet.
TEST_P(DeviceNeedsAGpu, AConvolutionInFloat32IsRightWhateverTheMemoryHeld) {
  const c10::NoGradGuard no_grad;
  const Shape shape = GetParam();
  const auto numbers = [&](at::IntArrayRef sizes, std::uint64_t seed) {
    return svd::draw(sizes, svd::make_generator(seed))
        .to(device_)
        .contiguous(at::MemoryFormat::ChannelsLast);
  };
  const at::Tensor x = numbers({shape.pictures, shape.inputs, shape.height, shape.width}, 1);
  const at::Tensor weight = numbers({shape.outputs, shape.inputs, 3, 3}, 2);
  const auto convolved = [&](at::ScalarType type) {
    return at::conv2d(x.to(type), weight.to(type), {}, /*stride=*/1, /*padding=*/1)
        .to(at::kCPU, at::kDouble);
  };
  const at::Tensor expected = convolved(at::kDouble);
  spoil_free_memory();
  EXPECT_LT(relative_rms(convolved(at::kFloat), expected), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Shapes, DeviceNeedsAGpu,
                         ::testing::Values(Shape{16, 1920, 1280, 18, 32},
                                           Shape{16, 2560, 1280, 18, 32},
                                           Shape{8, 1920, 1280, 40, 24},
                                           Shape{8, 640, 1280, 36, 64}),
                         [](const auto& shape) {
                           return std::to_string(shape.param.inputs) + "Channels" +
                                  std::to_string(shape.param.height) + "Rows";
                         });

}  // namespace
}  // namespace mimicfleet::device
