#include "common/model_root/model_root.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/model_set.h"
#include "tests/common/model_root/fake_models.h"
#include "tests/paths.h"

namespace mimicfleet::model_root {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class ModelRoot : public ::testing::Test {
 protected:
  ModelRoot() { put_models(folder_); }

  std::string error() { return find_below(folder_.path()).status().message(); }
  jobs::ModelSet set() {
    const auto files = find_below(folder_.path());
    CHECK(files.ok());
    FileDigestCache cache;
    return jobs::make_model_set(*files, *digest_parts(*files, cache));
  }

  TemporaryFolder folder_;
};

TEST_F(ModelRoot, FindsEveryFileBelowOneFolder) {
  const auto files = find_below(folder_.path());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->unet_config, folder_ / "svd/unet/config.json");
  EXPECT_EQ(files->scheduler_config, folder_ / "svd/scheduler/scheduler_config.json");
  EXPECT_EQ(files->vae.config, folder_ / "svd/vae/config.json");
  EXPECT_EQ(files->vae.weights,
            std::vector<std::string>{folder_ / "svd/vae/diffusion_pytorch_model.fp16.safetensors"});
  EXPECT_EQ(files->image_encoder.weights,
            std::vector<std::string>{folder_ / "svd/image_encoder/model.safetensors"});
  EXPECT_EQ(files->checkpoint, folder_ / "MimicMotion_1-1.pth");
  EXPECT_EQ(files->detector, folder_ / "DWPose/yolox_l.onnx");
  EXPECT_EQ(files->pose_estimator, folder_ / "DWPose/dw-ll_ucoco_384.onnx");
  EXPECT_EQ(files->name, std::filesystem::path(folder_.path()).filename());
}

TEST_F(ModelRoot, TheSvdFolderMayHaveAnyNameAndLieDeeper) {
  std::filesystem::create_directories(folder_ / "stabilityai");
  std::filesystem::rename(folder_ / "svd", folder_ / "stabilityai/xt-1-1");
  const auto files = find_below(folder_.path() + "/");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->unet_config, folder_ / "stabilityai/xt-1-1/unet/config.json");
}

TEST_F(ModelRoot, TwoSvdFoldersAreBothNamed) {
  put(folder_, "other/unet/config.json", "{}");
  EXPECT_THAT(error(), AllOf(HasSubstr(folder_ / "other"), HasSubstr(folder_ / "svd"),
                             HasSubstr("base_model_path")));
}

TEST_F(ModelRoot, DefaultsOfTheRootAreReadKeyByKey) {
  put(folder_, "defaults.yaml", "steps: 8\npose_canvas: 512\n");
  EXPECT_EQ(find_below(folder_.path())->defaults,
            (std::map<std::string, std::string>{{"steps", "8"}, {"pose_canvas", "512"}}));
  put(folder_, "defaults.yaml", "steps: [8]\n");
  EXPECT_EQ(error(), folder_ / "defaults.yaml" + ": line 1: 'steps' must be one value");
}

TEST_F(ModelRoot, AMissingFileIsOneLineWithPathPurposeAndSource) {
  std::filesystem::remove(folder_ / "MimicMotion_1-1.pth");
  EXPECT_EQ(error(),
            folder_ / "MimicMotion_1-1.pth" +
                ": is not there; expected the UNet and PoseNet weights of MimicMotion, get it from "
                "https://huggingface.co/tencent/MimicMotion");
  put_models(folder_);
  std::filesystem::remove(folder_ / "DWPose/yolox_l.onnx");
  EXPECT_THAT(error(),
              AllOf(HasSubstr("yolox_l.onnx: is not there; expected DWPose's person detector"),
                    EndsWith("get it from https://huggingface.co/yzd-v/DWPose")));
  put_models(folder_);
  std::filesystem::remove_all(folder_ / "svd");
  EXPECT_THAT(error(), AllOf(HasSubstr("no subfolder with unet/config.json"),
                             HasSubstr("stabilityai/stable-video-diffusion-img2vid-xt-1-1")));
  EXPECT_THAT(find_below("/nowhere/models").status().message(),
              HasSubstr("/nowhere/models: no such folder"));
}

TEST_F(ModelRoot, MissingWeightsSayWhichNamesWereLookedForAndWhereToGetThem) {
  std::filesystem::remove(folder_ / "svd/vae/diffusion_pytorch_model.fp16.safetensors");
  EXPECT_THAT(error(), AllOf(HasSubstr(folder_ / "svd/vae"),
                             HasSubstr("diffusion_pytorch_model.safetensors"),
                             HasSubstr("stabilityai/stable-video-diffusion-img2vid-xt-1-1")));
}

TEST_F(ModelRoot, AFileThatIsSomethingElseIsToldByItsBeginning) {
  put(folder_, "MimicMotion_1-1.pth",
      "version https://git-lfs.github.com/spec/v1\noid sha256:00\n");
  EXPECT_THAT(error(), AllOf(HasSubstr("MimicMotion_1-1.pth: is a Git LFS pointer"),
                             HasSubstr("git lfs pull"), HasSubstr("tencent/MimicMotion")));
  put(folder_, "MimicMotion_1-1.pth", "");
  EXPECT_THAT(error(), HasSubstr("MimicMotion_1-1.pth: is empty; expected"));
  put_models(folder_);
  put(folder_, "svd/vae/config.json", "<html>404</html>");
  EXPECT_THAT(error(), HasSubstr("vae/config.json: is a web page, not the file itself; "));
  put(folder_, "svd/vae/config.json", "weights");
  EXPECT_THAT(error(),
              HasSubstr("vae/config.json: is something else; expected the VAE's configuration"));
  put_models(folder_);
  put(folder_, "svd/image_encoder/model.safetensors", "model.fp16.safetensors");
  EXPECT_THAT(error(),
              HasSubstr("model.safetensors: is something else; expected the CLIP image encoder's"));
}

TEST_F(ModelRoot, AFileThatWasCutIsNamedWithTheSource) {
  const std::vector<std::pair<std::string, std::string>> files = {
      {"MimicMotion_1-1.pth",
       "not a valid torch zip archive: it is cut off (no directory at its end); fetch the file "
       "again; "
       "expected the "
       "UNet and PoseNet weights of MimicMotion (a zip archive of torch.save (PyTorch 1.6 or "
       "later)), get it "
       "from "
       "https://huggingface.co/tencent/MimicMotion"},
      {"DWPose/yolox_l.onnx",
       "not a valid ONNX model: it is cut off; expected DWPose's person detector"},
      {"DWPose/dw-ll_ucoco_384.onnx",
       "not a valid ONNX model: it has no graph; expected DWPose's pose estimator"},
      {"svd/vae/diffusion_pytorch_model.fp16.safetensors", "not a valid safetensors file: "},
      {"svd/image_encoder/config.json", "not valid JSON: "}};
  for (const auto& [name, cause] : files) {
    put_models(folder_);
    const auto size = std::filesystem::file_size(folder_ / name);
    std::filesystem::resize_file(folder_ / name,
                                 name.starts_with("DWPose/dw") ? size - 2 : size - 1);
    EXPECT_THAT(error(), HasSubstr((folder_ / name) + ": " + cause));
  }
}

TEST_F(ModelRoot, ALocatedSetIsTheSameAsTheRootThatHoldsIt) {
  Locations locations;
  locations.base_model_path = "svd";
  locations.ckpt_path = "MimicMotion_1-1.pth";
  locations.folders = {"/nowhere", folder_.path()};
  const auto files = find_located(locations);
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, *find_below(folder_.path()));
}

TEST_F(ModelRoot, LocatedFilesMayLieApart) {
  std::filesystem::create_directories(folder_ / "apart");
  std::filesystem::rename(folder_ / "DWPose", folder_ / "apart/poses");
  Locations locations;
  locations.base_model_path = folder_ / "svd";
  locations.ckpt_path = folder_ / "MimicMotion_1-1.pth";
  EXPECT_THAT(find_located(locations).status().message(),
              HasSubstr("DWPose/yolox_l.onnx: is not there"));
  locations.dwpose = folder_ / "apart/poses";
  ASSERT_TRUE(find_located(locations).ok());
  EXPECT_EQ(find_located(locations)->detector, folder_ / "apart/poses/yolox_l.onnx");
  locations.ckpt_path = "no/such.pth";
  EXPECT_THAT(find_located(locations).status().message(), HasSubstr("no/such.pth: is not there"));
  locations.base_model_path = "./not a hub id";
  EXPECT_THAT(find_located(locations).status().message(),
              HasSubstr("(base_model_path): no such folder"));
}

TEST_F(ModelRoot, OneChangedByteChangesThePartThatItBelongsToAndNoOther) {
  const jobs::ModelSet before = set();
  EXPECT_EQ(set(), before);
  put(folder_, "svd/vae/config.json", "{\"vae\": 2}");
  const jobs::ModelSet after = set();
  EXPECT_NE(after.vae, before.vae);
  EXPECT_NE(after.id, before.id);
  EXPECT_EQ(after.diffusion, before.diffusion);
  EXPECT_EQ(after.clip, before.clip);
  EXPECT_EQ(after.detector, before.detector);
}

TEST_F(ModelRoot, ACopyElsewhereIsTheSameSet) {
  TemporaryFolder copy;
  std::filesystem::copy(folder_.path(), copy / "copy", std::filesystem::copy_options::recursive);
  const auto files = find_below(copy / "copy");
  ASSERT_TRUE(files.ok()) << files.status();
  FileDigestCache cache;
  EXPECT_EQ(jobs::make_model_set(*files, *digest_parts(*files, cache)).id, set().id);
}

TEST(ModelRootOfTheGoldenPack, IsComplete) {
  const auto files = find_below(source_path("tests/goldens/pack_a/models"));
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(files->image_encoder.weights.at(0), EndsWith("model.fp16.safetensors"));
}

}  // namespace
}  // namespace mimicfleet::model_root
