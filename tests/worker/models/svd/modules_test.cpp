// The modules of the pipeline against tensors of the original, each within kModuleBound.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/silu.h>
#include <gtest/gtest.h>

#include "common/weights/open.h"
#include "tests/worker/models/golden.h"
#include "worker/models/clip/vision_model.h"
#include "worker/models/nn/load.h"
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
  input.sample = on_test_device(golden["sample"]);
  input.timestep = golden["timestep"].item<double>();
  input.context = on_test_device(golden["encoder_hidden_states"]);
  input.time_ids = on_test_device(golden["added_time_ids"]);
  return input;
}

// Compares what the blocks give with the golden tensors PREFIX + name, as far as there are any.
struct Blocks {
  const Golden& golden;
  std::string prefix;
  int compared = 0;

  nn::Observer observer() {
    return [this](const std::string& block, const at::Tensor& output) {
      if (!golden.has(prefix + block)) return;
      EXPECT_TRUE(golden.is_near(prefix + block, output));
      ++compared;
    };
  }
};

TEST_F(Modules, UnetWithPoseAndEachOfItsBlocks) {
  const Golden golden("unet");
  Blocks blocks{golden, "with_pose."};
  UnetInput input = unet_input(golden);
  input.pose_features = on_test_device(golden["pose_latents"]);
  input.observe = blocks.observer();
  EXPECT_TRUE(golden.is_near("output_with_pose", (*golden_models().unet)(input)));
  EXPECT_EQ(blocks.compared, 13);
}

// The parameters of one part of the UNet, out of the checkpoint.
template <typename Module, typename... Arguments>
Module part_of_unet(const std::string& name, Arguments... arguments) {
  nn::ParameterList parameters;
  Module module(nn::Scope(parameters, at::TensorOptions().dtype(at::kFloat).device(test_device())),
                arguments...);
  const auto checkpoint = weights::open_weights({golden_model_files().checkpoint});
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  const Status status = nn::load_parameters(
      parameters, checkpoint->with_prefix("unet." + name + "."), name, "the pack");
  EXPECT_TRUE(status.ok()) << status;
  return module;
}

TEST_F(Modules, TheFirstResidualBlockAndTransformerOfTheUnet) {
  const Golden golden("unet");
  const std::string block = "down_blocks.0.";
  constexpr std::int64_t kChannels = 32;
  constexpr std::int64_t kFrames = 4;
  const auto resnet = part_of_unet<SpatioTemporalResBlock>(
      block + "resnets.0", kChannels, kChannels,
      SpatioTemporalResBlock::Options{
          .time_channels = 4 * kChannels, .eps = 1e-6, .temporal_eps = 1e-6});
  const auto transformer = part_of_unet<SpatioTemporalTransformer>(
      block + "attentions.0", kChannels,
      SpatioTemporalTransformer::Options{.heads = 2, .layers = 1, .context_channels = 32});
  const auto channels_last = [](const at::Tensor& x) {
    return on_test_device(x).contiguous(at::MemoryFormat::ChannelsLast);
  };
  const at::Tensor time = on_test_device(
      at::silu(golden["with_pose.time_embedding"] + golden["with_pose.add_embedding"]));
  const at::Tensor x = channels_last(golden["with_pose.conv_in"] + golden["pose_latents"]);
  EXPECT_TRUE(
      golden.is_near("with_pose.down_blocks.0.resnets.0", resnet({x}, time, kFrames).images));
  const at::Tensor context = on_test_device(golden["encoder_hidden_states"]);
  const nn::WithAddend images{channels_last(golden["with_pose.down_blocks.0.resnets.0"])};
  EXPECT_TRUE(golden.is_near(
      "with_pose.down_blocks.0.attentions.0",
      nn::settled(transformer(images, transformer.constants(context, context, kFrames), kFrames))));
}

TEST_F(Modules, UnetWithoutPose) {
  const Golden golden("unet");
  EXPECT_TRUE(golden.is_near("output_no_pose", (*golden_models().unet)(unet_input(golden))));
}

TEST_F(Modules, UnetOnImagesAlone) {
  const Golden golden("unet");
  UnetInput input = unet_input(golden);
  input.pose_features = on_test_device(golden["pose_latents"]);
  input.image_only = true;
  EXPECT_TRUE(golden.is_near("output_image_only", (*golden_models().unet)(input)));
}

// The test computes on a CPU as a GPU does: with the same 8-bit numbers.
TEST_F(Modules, UnetInEightBitsIsNearAndLeavesTheUnetAsItIs) {
  if (!test_device().is_cpu()) GTEST_SKIP() << "in float32 no GPU multiplies so";
  const Golden golden("unet");
  const Unet& unet = *golden_models().unet;
  const at::Tensor before = unet(unet_input(golden));
  const at::Tensor in_8_bits = unet.in_fp8(/*fewest_inputs=*/16)(unet_input(golden));
  EXPECT_GT(relative_difference(in_8_bits, before), 1e-3);
  EXPECT_LT(relative_difference(in_8_bits, before), 0.1);
  EXPECT_TRUE(unet.in_fp8()(unet_input(golden)).equal(before))
      << "its layers are too small to gain by it";
  EXPECT_TRUE(unet(unet_input(golden)).equal(before));
}

UnetInput two_clips(const Golden& golden) {
  UnetInput input = unet_input(golden);
  input.sample = at::cat({input.sample, input.sample * 0.5});
  input.context = at::cat({input.context * 0, input.context});
  input.time_ids = at::cat({input.time_ids, input.time_ids});
  return input;
}

TEST_F(Modules, UnetWithConstantsComputedBeforeIsEqualToTheBit) {
  const Golden golden("unet");
  UnetInput input = two_clips(golden);
  const at::Tensor computed = (*golden_models().unet)(input);
  const UnetConstants constants =
      golden_models().unet->constants(input.context, input.sample.size(1));
  input.constants = &constants;
  EXPECT_TRUE(computed.equal((*golden_models().unet)(input)));
}

TEST_F(Modules, UnetOnTwoClipsMixesTheirContextsIfAskedToAsTheOriginalDoes) {
  const Golden golden("unet");
  UnetInput input = two_clips(golden);
  input.contexts_as_original = true;
  EXPECT_TRUE(golden.is_near("batch2_output_no_pose", (*golden_models().unet)(input)));
}

TEST_F(Modules, AutoencoderEncodes) {
  const Golden golden("vae");
  Blocks blocks{golden, "full."};
  const auto& vae = *golden_models().vae;
  const at::Tensor distribution = vae.encode(on_test_device(golden["image"]), blocks.observer());
  EXPECT_TRUE(golden.is_near("latent_mode", vae.encode_mode(on_test_device(golden["image"]))));
  EXPECT_TRUE(golden.is_near("latent_logvar", distribution.narrow(1, 4, 4)));
  EXPECT_EQ(blocks.compared, 1);
}

TEST_F(Modules, AutoencoderDecodesAClipAtOnceAndInChunks) {
  const Golden golden("vae");
  Blocks blocks{golden, "full."};
  const auto& vae = *golden_models().vae;
  const at::Tensor latents = on_test_device(golden["latents"][0]);
  const at::Tensor whole = vae.decode(latents, blocks.observer()).transpose(0, 1).unsqueeze(0);
  EXPECT_TRUE(golden.is_near("decoded_full", whole));
  EXPECT_EQ(blocks.compared, 3);
  const at::Tensor chunks =
      at::cat({vae.decode(latents.narrow(0, 0, 2)), vae.decode(latents.narrow(0, 2, 2))});
  EXPECT_TRUE(golden.is_near("decoded_chunk2", chunks.transpose(0, 1).unsqueeze(0)));
}

TEST_F(Modules, PoseNet) {
  const Golden golden("pose_net");
  const auto& pose_net = *golden_models().pose_net;
  EXPECT_TRUE(golden.is_near("rand_output", pose_net(on_test_device(golden["rand_input"]))));
  const at::Tensor picture = read_pictures({"goldens/pose/seed/pose_001.png"});
  EXPECT_TRUE(golden.is_near("output_for_drawn_pose_1",
                             pose_net(on_test_device(picture.to(at::kFloat) / 127.5 - 1))));
}

TEST_F(Modules, ClipPreprocessingAndEmbedding) {
  const Golden golden("clip");
  for (const auto& [name, every] :
       {std::pair("case0", 2), std::pair("case1", 3), std::pair("case2", 3)}) {
    const std::string test = name;
    const at::Tensor image = golden[test + ".image_u8"].permute({2, 0, 1});
    const at::Tensor pixels = clip::preprocess(image, 224);
    const at::Tensor thinned =
        pixels.slice(2, 0, c10::nullopt, every).slice(3, 0, c10::nullopt, every);
    EXPECT_TRUE(golden.is_near(test + ".pixel_values", thinned));
    const auto embedding = encode_clip(golden_models(), image);
    ASSERT_TRUE(embedding.ok()) << embedding.status();
    EXPECT_TRUE(golden.is_near(test + ".image_embeds_cfg", after_zeros(*embedding)));
  }
}

}  // namespace
}  // namespace mimicfleet::svd
