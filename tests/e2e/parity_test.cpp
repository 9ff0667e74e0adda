// The whole command with the LCM scheduler, from a video to latents and frames, against what the
// original makes of the same files; golden_run_test.cpp has it with Euler.
#include <cstdio>

#include <ATen/TensorOperators.h>

#include "common/weights/safetensors.h"
#include "tests/e2e/fleet_test_base.h"
#include "tests/worker/models/golden.h"
#include "worker/models/nn/load.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;

constexpr double kLatentsBound = 1e-2;  // a crop pixel that rounds the other way moves key points
const std::string kFrom = "from the video: ";

class ParityTest : public FleetTest {
 protected:
  static at::Tensor latents(const fs::path& path) {
    const auto set = weights::open_safetensors(path);
    EXPECT_TRUE(set.ok()) << set.status();
    return nn::as_tensor(set->tensors.at("latents")).clone();
  }
  // Those that the golden holds.
  static at::Tensor frames(const fs::path& folder, const Golden& golden) {
    const at::Tensor& index = golden["frames_u8_index"];
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < index.numel(); ++i) {
      char name[32];
      std::snprintf(name, sizeof(name), "%06lld.png",
                    static_cast<long long>(index[i].item<std::int64_t>()));
      names.push_back(folder / name);
    }
    return read_pictures(names);
  }
};

TEST_F(ParityTest, WithLcmTheCommandMakesTheOriginalsLatentsAndFramesOfTheVideo) {
  const Golden golden("pipeline_lcm");
  const fs::path output = scratch_ / "out";
  const Outcome outcome =
      coordinator(submit(pack() / "videos/a.mp4", output,
                         {"--steps", "4", "--scheduler", "lcm", "--compat", "original",
                          "--save-latents", "--save-frames"}));  // the clip's pixels are not square
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(golden.is_within(
      "latents_final", kFrom + "difference, of the largest number",
      relative_difference(latents(output / "_latents/a.safetensors"), golden["latents_final"]),
      kLatentsBound));
  expect_golden_frames(golden, "frames_u8", frames(output / "_frames/a", golden), kFrom,
                       kFromVideo);
}

}  // namespace
}  // namespace mimicfleet::e2e
