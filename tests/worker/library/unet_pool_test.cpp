#include "worker/library/unet_pool.h"

#include <array>
#include <filesystem>
#include <fstream>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/model_files/weights/safetensors.h"
#include "jobs/keys.h"
#include "tests/paths.h"
#include "tests/temporary_folder.h"
#include "worker/library/model_library.h"
#include "worker/models/svd/unet.h"
#include "worker/stages/open_adaptation.h"

namespace mimicfleet::library {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kModels = source_path("tests/goldens/pack_a/models/");
const std::string kOverlay = kModels + "AnimateLCM-SVD-xt-1.1.safetensors";

std::string lora(const std::string& layout) {
  return kModels + "lcm_lora/lora_" + layout + ".safetensors";
}

jobs::FileRef file_ref(const std::string& path) {
  return {path, sha256_file(path).value(), fs::file_size(path)};
}

// A worker's models, with what has been read of files since.
class Shelf : public ::testing::Test {
 protected:
  Shelf()
      : inputs_(stages::InputFiles::open({}, digests_).value()),
        library_(ModelLibrary::find({kModels}, digests_).value()) {
    at::set_num_threads(1);
    device::Device device;
    device.numerics = {"libtorch", "cpu", "fp32", 1};
    const auto use = library_.use(library_.sets().at(0).id, device, false);
    EXPECT_TRUE(use.ok()) << use.status();
    models_ = use->models;
  }

  Result<UnetPool::Use> use(const std::vector<std::pair<std::string, double>>& loras,
                            const std::string& overlay = "", bool fp8 = false) {
    jobs::Parameters parameters;
    parameters.fp8 = fp8;
    for (const auto& [path, scale] : loras) parameters.loras.push_back({file_ref(path), scale});
    if (!overlay.empty()) parameters.unet_overlay = file_ref(overlay);
    ASSIGN_OR_RETURN(const auto adaptation,
                     open_adaptation(inputs_, models_->set.diffusion, parameters));
    auto used = models_->unets.use(adaptation, models_->diffusion);
    if (used.ok()) read_bytes_ += used->read_bytes;
    return used;
  }
  const svd::Unet* unet() const { return models_->diffusion.unet.get(); }

  FileDigestCache digests_;
  stages::InputFiles inputs_;
  ModelLibrary library_;
  LoadedModels* models_ = nullptr;
  std::uint64_t read_bytes_ = 0;
  TemporaryFolder folder_;
};

TEST_F(Shelf, GoingFromOneLoraToAnotherAndBackToNoneReadsNothingButLoras) {
  const auto* own = unet();
  const auto weights = models_->diffusion.unet_weights;
  ASSERT_TRUE(use({{lora("peft"), 1}}).ok());
  const auto* first = unet();
  EXPECT_NE(first, own);
  ASSERT_TRUE(use({{lora("kohya"), 0.5}}).ok());
  EXPECT_NE(unet(), own);
  ASSERT_TRUE(use({}).ok());
  EXPECT_EQ(unet(), own);
  ASSERT_TRUE(use({{lora("peft"), 1}}).ok());
  EXPECT_EQ(models_->diffusion.unet_weights, weights);  // the base stayed where it was
  EXPECT_EQ(read_bytes_, 2 * fs::file_size(lora("peft")) + fs::file_size(lora("kohya")));
}

TEST_F(Shelf, WhatIsFusedIsKeptWhileOthersUseTheBase) {
  ASSERT_TRUE(use({{lora("peft"), 1}}).ok());
  const auto* fused = unet();
  ASSERT_TRUE(use({}).ok());
  const auto again = use({{lora("peft"), 1}});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(unet(), fused);
  EXPECT_EQ(again->seconds, 0);
  EXPECT_EQ(read_bytes_, fs::file_size(lora("peft")));
  EXPECT_GT(use({{lora("peft"), 0.5}})->read_bytes, 0U);  // another scale is another UNet
}

TEST_F(Shelf, OnlyOneWholeUnetIsHeld) {
  const std::weak_ptr<const svd::UnetWeights> own = models_->diffusion.unet_weights;
  ASSERT_TRUE(use({}, kOverlay).ok());
  EXPECT_TRUE(own.expired());
  EXPECT_EQ(read_bytes_, fs::file_size(kOverlay));
  const auto* overlaid = unet();
  ASSERT_TRUE(use({{lora("peft"), 1}}, kOverlay).ok());  // a LoRA over the overlay
  EXPECT_NE(unet(), overlaid);
  ASSERT_TRUE(use({}, kOverlay).ok());
  EXPECT_EQ(unet(), overlaid);
  read_bytes_ = 0;
  ASSERT_TRUE(use({}).ok());
  EXPECT_EQ(read_bytes_, fs::file_size(kModels + "MimicMotion_1-1.pth"));
}

TEST_F(Shelf, AFusedUnetThatIsNoLongerNeededLeavesMemory) {
  ASSERT_TRUE(use({{lora("peft"), 1}}).ok());
  const std::weak_ptr<const svd::Unet> first = models_->diffusion.unet;
  ASSERT_TRUE(use({{lora("peft"), 0.5}}).ok());
  EXPECT_TRUE(first.expired());
}

TEST_F(Shelf, AUnetInEightBitsStandsBesideItsOwnAndReadsNothing) {
  const auto* own = unet();
  ASSERT_TRUE(use({}, "", /*fp8=*/true).ok());
  const auto* quantised = unet();
  EXPECT_NE(quantised, own);
  ASSERT_TRUE(use({}).ok());
  EXPECT_EQ(unet(), own);
  const auto again = use({}, "", /*fp8=*/true);
  EXPECT_EQ(unet(), quantised);
  EXPECT_EQ(again->seconds, 0);
  EXPECT_EQ(read_bytes_, 0U);
  ASSERT_TRUE(use({{lora("peft"), 1}}, "", /*fp8=*/true).ok());
  EXPECT_NE(unet(), quantised);
  ASSERT_TRUE(use({{lora("peft"), 1}}).ok());
  EXPECT_EQ(read_bytes_, fs::file_size(lora("peft")));
}

TEST_F(Shelf, AUnetInEightBitsLeavesMemoryWithItsOwn) {
  ASSERT_TRUE(use({{lora("peft"), 1}}, "", /*fp8=*/true).ok());
  const std::weak_ptr<const svd::Unet> quantised = models_->diffusion.unet;
  ASSERT_TRUE(use({{lora("peft"), 0.5}}).ok());
  EXPECT_TRUE(quantised.expired());
  ASSERT_TRUE(use({{lora("peft"), 0.5}}, kOverlay, /*fp8=*/true).ok());
  const std::weak_ptr<const svd::Unet> overlaid = models_->diffusion.unet;
  ASSERT_TRUE(use({}).ok());
  EXPECT_TRUE(overlaid.expired());
}

TEST_F(Shelf, AWholeUnetThatIsGivenAsALoraIsUsedAsWhatItIsAndThatIsSaid) {
  const auto used = use({{kOverlay, 1}});
  ASSERT_TRUE(used.ok()) << used.status();
  EXPECT_THAT(used->note, HasSubstr("is a whole UNet and no LoRA; it was used as --unet-overlay"));
  const auto again = use({{kOverlay, 1}});
  EXPECT_EQ(again->note, used->note);
  EXPECT_EQ(again->read_bytes, 0U);
  EXPECT_THAT(use({{kOverlay, 0.5}}).status().message(),
              HasSubstr("so that --lcm-lora-scale 0.5 means nothing"));
  EXPECT_THAT(use({{kOverlay, 1}}, kOverlay).status().message(),
              HasSubstr("give one, as --unet-overlay"));
}

TEST_F(Shelf, WhatIsNoUnetIsRefusedAsOverlayAndTheNextTaskGoesOn) {
  EXPECT_THAT(use({}, lora("peft")).status().message(),
              HasSubstr("is a LoRA and no whole UNet; give it as --lcm-lora-path"));
  EXPECT_THAT(
      use({}, kModels + "svd/vae/diffusion_pytorch_model.fp16.safetensors").status().message(),
      HasSubstr("holds no whole UNet"));
  EXPECT_THAT(
      use({{kModels + "svd/vae/diffusion_pytorch_model.fp16.safetensors", 1}}).status().message(),
      HasSubstr("is no LoRA of this UNet"));
  std::ofstream(folder_.path("text.safetensors")) << "no weights at all";
  EXPECT_EQ(use({{folder_.path("text.safetensors"), 1}}).status().code(), StatusCode::kBadInput);
  ASSERT_TRUE(use({}).ok());
  EXPECT_NE(unet(), nullptr);
}

TEST_F(Shelf, AnOverlayThatDoesNotFitIsRefusedAndTheNextTaskGetsItsUnetBack) {
  const std::string path = folder_.path("other.safetensors");
  const std::array<std::uint8_t, 4> number{};
  std::vector<weights::TensorToWrite> tensors;
  for (const char* name : {"conv_in.weight", "conv_out.weight", "time_embedding.linear_1.weight"}) {
    tensors.push_back({name, weights::DType::kF32, {1}, number});
  }
  ASSERT_TRUE(weights::write_safetensors(path, tensors, {}).ok());
  EXPECT_THAT(use({}, path).status().message(),
              HasSubstr("other.safetensors: these are not the weights of the UNet"));
  ASSERT_TRUE(use({{lora("peft"), 1}}).ok());
  EXPECT_NE(unet(), nullptr);
}

TEST_F(Shelf, ACheckpointWithAUnetInItIsAnOverlayToo) {
  const auto used = use({}, kModels + "MimicMotion_1-1.pth");
  ASSERT_TRUE(used.ok()) << used.status();
  EXPECT_GT(used->seconds, 0);
}

// Read while it was written to, the file has its bytes again when the next task asks for it.
TEST_F(Shelf, WhatWasReadOfAFileThatChangedMeanwhileIsNotKeptUnderItsName) {
  for (const bool as_overlay : {false, true}) {
    const std::string path = folder_.path(as_overlay ? "overlay.safetensors" : "lora.safetensors");
    fs::copy_file(as_overlay ? kOverlay : lora("peft"), path);
    jobs::Parameters parameters;
    if (as_overlay) {
      parameters.unet_overlay = file_ref(path);
    } else {
      parameters.loras = {{file_ref(path), 1}};
    }
    const auto adaptation = stages::open_adaptation(inputs_, models_->set.diffusion, parameters);
    ASSERT_TRUE(adaptation.ok()) << adaptation.status();
    std::string bytes(fs::file_size(path), '\0');
    std::ifstream(path).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::fstream(path, std::ios::in | std::ios::out)
        .seekp(-1, std::ios::end)
        .put(static_cast<char>(bytes.back() ^ 1));
    tick(path);
    EXPECT_EQ(models_->unets.use(*adaptation, models_->diffusion).status().code(),
              StatusCode::kInputChanged);
    std::ofstream(path, std::ios::trunc) << bytes;
    tick(path);
    const auto again = as_overlay ? use({}, path) : use({{path, 1}});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_GT(again->read_bytes, 0U) << "the torn weights are still there";
    EXPECT_GT(again->seconds, 0);
  }
}

TEST_F(Shelf, ALoraThatChangedSinceTheJobWasMadeIsRefused) {
  const std::string path = folder_.path("lora.safetensors");
  fs::copy_file(lora("peft"), path);
  jobs::Parameters parameters;
  parameters.loras = {{file_ref(path), 1}};
  std::ofstream(path, std::ios::app) << "x";
  EXPECT_EQ(open_adaptation(inputs_, models_->set.diffusion, parameters).status().code(),
            StatusCode::kInputChanged);
}

}  // namespace
}  // namespace mimicfleet::library
