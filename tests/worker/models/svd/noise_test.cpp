#include "worker/models/svd/noise.h"

#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"

namespace mimicfleet::svd {
namespace {

constexpr double kBound = 1e-6;

TEST(Noise, IsDrawnInTheOriginalsOrder) {
  const Golden golden("noise");
  const at::Generator generator = make_generator(42);
  const at::Tensor image = draw_image_noise(192, 128, generator);
  EXPECT_LE(
      relative_difference(image.flatten().slice(0, 0, c10::nullopt, 3), golden["image_noise_flat_every_3th"]),
      kBound);
  const at::Tensor latents = draw_initial_latents(14, 8, 24, 16, generator);
  EXPECT_LE(relative_difference(latents.narrow(1, 0, 8), golden["init_noise"]), kBound);
  EXPECT_TRUE(latents.narrow(1, 8, 6).equal(latents.narrow(1, 0, 6)));
  for (int step = 0; step < 4; ++step) {
    const at::Tensor noise = draw({1, 14, 4, 24, 16}, generator);
    EXPECT_LE(
        relative_difference(noise.narrow(1, 0, 3), golden["lcm_step" + std::to_string(step) + "_frames0to2"]),
        kBound);
  }
}

TEST(Noise, OddShapesAreDrawnAsTheOriginalDoes) {
  const Golden golden("noise");
  for (int i = 0; golden.has("randn_seed1241." + std::to_string(i) + ".first"); ++i) {
    const std::string name = "randn_seed1241." + std::to_string(i);
    const at::Generator generator = make_generator(1241);
    for (const char* which : {".first", ".second"}) {
      const at::Tensor& expected = golden[name + which];
      EXPECT_LE(relative_difference(draw(expected.sizes(), generator), expected), kBound) << name << which;
    }
  }
}

}  // namespace
}  // namespace mimicfleet::svd
