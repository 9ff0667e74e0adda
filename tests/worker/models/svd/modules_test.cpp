// The modules of the pipeline against tensors of the original, each within kModuleBound.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>

#include "tests/worker/models/golden.h"
#include "worker/models/clip/vision_model.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/pose_net.h"
#include "worker/models/svd/unet.h"

namespace mimicfleet::svd {
namespace {

class Modules : public ::testing::Test {
 protected:
  at::NoGradGuard no_grad_;
};

UnetInput unet_input(const Golden& golden) {
  UnetInput input;
  input.sample = golden["sample"];
  input.timestep = golden["timestep"].item<double>();
  input.context = golden["encoder_hidden_states"];
  input.time_ids = golden["added_time_ids"];
  return input;
}

TEST_F(Modules, UnetWithPose) {
  const Golden golden("unet");
  UnetInput input = unet_input(golden);
  input.pose_features = golden["pose_latents"];
  EXPECT_LE(relative_difference((*golden_models().unet)(input), golden["output_with_pose"]), kModuleBound);
}

TEST_F(Modules, UnetWithoutPose) {
  const Golden golden("unet");
  EXPECT_LE(relative_difference((*golden_models().unet)(unet_input(golden)), golden["output_no_pose"]),
            kModuleBound);
}

UnetInput two_clips(const Golden& golden) {
  UnetInput input = unet_input(golden);
  input.sample = at::cat({input.sample, input.sample * 0.5});
  input.context = at::cat({input.context * 0, input.context});
  input.time_ids = at::cat({input.time_ids, input.time_ids});
  return input;
}

TEST_F(Modules, UnetOnTwoClipsMixesTheirContextsIfAskedToAsTheOriginalDoes) {
  const Golden golden("unet");
  UnetInput input = two_clips(golden);
  input.contexts_as_original = true;
  EXPECT_LE(relative_difference((*golden_models().unet)(input), golden["batch2_output_no_pose"]),
            kModuleBound);
}

TEST_F(Modules, AutoencoderEncodes) {
  const Golden golden("vae");
  EXPECT_LE(relative_difference(golden_models().vae->encode_mode(golden["image"]), golden["latent_mode"]),
            kModuleBound);
}

TEST_F(Modules, AutoencoderDecodesAClipAtOnceAndInChunks) {
  const Golden golden("vae");
  const at::Tensor latents = golden["latents"][0];
  const at::Tensor whole = golden_models().vae->decode(latents).transpose(0, 1).unsqueeze(0);
  EXPECT_LE(relative_difference(whole, golden["decoded_full"]), kModuleBound);
  const at::Tensor chunks = at::cat({golden_models().vae->decode(latents.narrow(0, 0, 2)),
                                     golden_models().vae->decode(latents.narrow(0, 2, 2))});
  EXPECT_LE(relative_difference(chunks.transpose(0, 1).unsqueeze(0), golden["decoded_chunk2"]), kModuleBound);
}

TEST_F(Modules, PoseNet) {
  const Golden golden("pose_net");
  EXPECT_LE(relative_difference((*golden_models().pose_net)(golden["rand_input"]), golden["rand_output"]),
            kModuleBound);
  const at::Tensor picture = read_pictures({golden_path("goldens/pose/seed/pose_001.png")});
  EXPECT_LE(relative_difference((*golden_models().pose_net)(picture.to(at::kFloat) / 127.5 - 1),
                                golden["output_for_drawn_pose_1"]),
            kModuleBound);
}

TEST_F(Modules, ClipPreprocessingAndEmbedding) {
  const Golden golden("clip");
  for (const auto& [name, every] : {std::pair("case0", 2), std::pair("case1", 3), std::pair("case2", 3)}) {
    const at::Tensor image = golden[std::string(name) + ".image_u8"].permute({2, 0, 1});
    const at::Tensor pixels = clip::preprocess(image, 224);
    const at::Tensor thinned = pixels.slice(2, 0, c10::nullopt, every).slice(3, 0, c10::nullopt, every);
    EXPECT_LE(relative_difference(thinned, golden[std::string(name) + ".pixel_values"]), kModuleBound)
        << name;
    const auto embedding = encode_clip(golden_models(), image);
    ASSERT_TRUE(embedding.ok()) << embedding.status();
    const at::Tensor expected = golden[std::string(name) + ".image_embeds_cfg"].narrow(0, 1, 1);
    EXPECT_LE(relative_difference(*embedding, expected), kModuleBound) << name;
  }
}

}  // namespace
}  // namespace mimicfleet::svd
