#include "worker/models/svd/noise.h"

#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"

namespace mimicfleet::svd {
namespace {

constexpr double kBound = 1e-6;

TEST(Noise, IsDrawnInTheOriginalsOrder) {
  const Golden golden("noise");
  at::Generator generator = make_generator(42);
  const at::Tensor image = draw_image_noise(192, 128, generator);
  EXPECT_TRUE(golden.is_near("image_noise_flat_every_3th",
                             image.flatten().slice(0, 0, c10::nullopt, 3), kBound));
  const at::Tensor latents = draw_initial_latents(14, 8, 24, 16, generator);
  EXPECT_TRUE(golden.is_near("init_noise", latents.narrow(1, 0, 8), kBound));
  EXPECT_TRUE(latents.narrow(1, 8, 6).equal(latents.narrow(1, 0, 6)));
  for (int i = 0; i < 4; ++i) {
    const std::string step = "step" + std::to_string(i);
    const at::Tensor noise = draw({1, 14, 4, 24, 16}, generator);
    EXPECT_TRUE(golden.is_near("lcm_" + step + "_frames0to2", noise.narrow(1, 0, 3), kBound));
    // The original's Euler steps draw the same and do not use it.
    EXPECT_TRUE(golden.is_near("euler_unused_" + step + "_frame0", noise.narrow(1, 0, 1), kBound));
  }
}

TEST(Noise, OddShapesAreDrawnAsTheOriginalDoes) {
  const Golden golden("noise");
  for (int i = 0; golden.has("randn_seed1241." + std::to_string(i) + ".first"); ++i) {
    const std::string name = "randn_seed1241." + std::to_string(i);
    const at::Generator generator = make_generator(1241);
    for (const char* which : {".first", ".second"}) {
      const at::IntArrayRef shape = golden[name + which].sizes();
      EXPECT_TRUE(golden.is_near(name + which, draw(shape, generator), kBound));
    }
  }
}

}  // namespace
}  // namespace mimicfleet::svd
