#include "worker/library/model_library.h"

#include <filesystem>
#include <fstream>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/paths.h"
#include "tests/temporary_folder.h"
#include "worker/library/unet_adaptation.h"
#include "worker/stages/open_adaptation.h"

namespace mimicfleet::library {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// A copy of the golden pack's models that the test may change under a running worker.
class ModelsThatChange : public ::testing::Test {
 protected:
  ModelsThatChange() {
    at::set_num_threads(1);
    device_.numerics = {"libtorch", "cpu", "fp32", 1};
    fs::copy(source_path("tests/goldens/pack_a/models"), root_, fs::copy_options::recursive);
    library_.emplace(ModelLibrary::find({root_}, digests_).value());
    set_ = library_->sets().at(0).id;
  }
  Status load() { return library_->use(set_, device_, /*decoder_only=*/false).status(); }
  // Other weights of the same shapes, by the last byte.
  void change(const std::string& name) const {
    std::fstream file(root_ + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-1, std::ios::end);
    const int last = file.peek();
    file.seekp(-1, std::ios::end).put(static_cast<char>(last ^ 1));
    file.close();
    tick(root_ + "/" + name);
  }
  static ::testing::Matcher<std::string> says_changed(const std::string& name) {
    return AllOf(HasSubstr(name + ": is no longer what it was when this worker started"),
                 HasSubstr("start the worker again"));
  }

  TemporaryFolder folder_;
  const std::string root_ = folder_.path("models");
  FileDigestCache digests_;
  device::Device device_;
  std::optional<ModelLibrary> library_;
  Digest set_;
};

TEST_F(ModelsThatChange, WhatIsReplacedBeforeItIsLoadedIsNotLoadedUnderTheOldName) {
  const std::string vae = "svd/vae/diffusion_pytorch_model.fp16.safetensors";
  change(vae);
  const Status status = load();
  EXPECT_EQ(status.code(), StatusCode::kInputChanged);
  EXPECT_THAT(status.message(), says_changed(vae));
  change(vae);
  EXPECT_TRUE(load().ok()) << "its bytes are back";
}

TEST_F(ModelsThatChange, WhatIsInMemoryGoesOnAndIsNotLoadedAgain) {
  ASSERT_TRUE(load().ok());
  change("DWPose/yolox_l.onnx");
  EXPECT_TRUE(load().ok());
  library_->unload();
  EXPECT_THAT(load().message(), says_changed("DWPose/yolox_l.onnx"));
}

TEST_F(ModelsThatChange, AfterAnOverlayTheOldCheckpointIsNotTakenFromANewFile) {
  ASSERT_TRUE(load().ok());
  LoadedModels& models = *library_->loaded(set_);
  const auto inputs = stages::InputFiles::open({}, digests_).value();
  const std::string overlay = root_ + "/AnimateLCM-SVD-xt-1.1.safetensors";
  jobs::Parameters parameters;
  parameters.unet_overlay = {overlay, sha256_file(overlay).value(), fs::file_size(overlay)};
  const auto overlaid = stages::open_adaptation(inputs, models.set.diffusion, parameters);
  ASSERT_TRUE(overlaid.ok()) << overlaid.status();
  ASSERT_TRUE(models.unets.use(*overlaid, models.diffusion).ok());
  change("MimicMotion_1-1.pth");
  const auto own = stages::open_adaptation(inputs, models.set.diffusion, {});
  EXPECT_THAT(models.unets.use(*own, models.diffusion).status().message(),
              says_changed("MimicMotion_1-1.pth"));
  change("MimicMotion_1-1.pth");
  EXPECT_TRUE(models.unets.use(*own, models.diffusion).ok());
}

}  // namespace
}  // namespace mimicfleet::library
