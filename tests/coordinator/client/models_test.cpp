#include "coordinator/client/models.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

jobs::ModelSet named(const std::string& name) {
  jobs::ModelSet set;
  set.name = name;
  set.id = sha256(name);
  return set;
}

class Models : public ::testing::Test {
 protected:
  Models() { put_models(folder_); }
  TemporaryFolder folder_;
  ModelRequest request_;
};

TEST_F(Models, AFolderIsSearchedAndNamedByItsContent) {
  request_.root = folder_.path();
  auto chosen = choose_models(request_, nullptr);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_TRUE(chosen->set.id.is_zero());
  FileDigestCache cache;
  ASSERT_TRUE(name_models(*chosen, cache).ok());
  EXPECT_FALSE(chosen->set.id.is_zero());
}

TEST_F(Models, AConfigsPathsAreTriedBelowItsOwnFolder) {
  request_.base_model_path = "svd";
  request_.ckpt_path = "MimicMotion_1-1.pth";
  request_.config_folder = folder_.path();
  const auto chosen = choose_models(request_, nullptr);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->files->checkpoint, folder_ / "MimicMotion_1-1.pth");
}

TEST_F(Models, AConfigMustNameBothOrNeither) {
  request_.ckpt_path = "x.pth";
  EXPECT_THAT(choose_models(request_, nullptr).status().message(),
              HasSubstr("must name both base_model_path and ckpt_path"));
}

TEST_F(Models, TheOnlySetOfAServerIsTaken) {
  const std::vector<jobs::ModelSet> one = {named("big")};
  const auto chosen = choose_models(request_, &one);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->set, one[0]);
  EXPECT_FALSE(chosen->files.has_value());
}

TEST_F(Models, ModelsThatAConfigNamesMayBeOnTheServerAlone) {
  const std::vector<jobs::ModelSet> one = {named("big")};
  request_.base_model_path = "org/svd";
  request_.ckpt_path = "nowhere.pth";
  EXPECT_EQ(choose_models(request_, &one)->set, one[0]);
}

TEST_F(Models, OneOfSeveralSetsIsNamedByNameOrId) {
  const std::vector<jobs::ModelSet> two = {named("big"), named("small")};
  EXPECT_THAT(choose_models(request_, &two).status().message(),
              AllOf(HasSubstr("big ("), HasSubstr("small (")));
  request_.root = "small";
  EXPECT_EQ(choose_models(request_, &two)->set.name, "small");
  request_.root = named("big").id.hex().substr(0, 8);
  EXPECT_EQ(choose_models(request_, &two)->set.name, "big");
  request_.root = "tiny";
  EXPECT_EQ(choose_models(request_, &two).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(Models, AServerWithoutWorkersSaysSo) {
  const std::vector<jobs::ModelSet> none;
  const auto chosen = choose_models(request_, &none);
  EXPECT_EQ(chosen.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(chosen.status().message(), HasSubstr("no worker of the server has its models ready yet"));
}

TEST_F(Models, AWorkerIsGivenTheOwnRootOfTheFiles) {
  const auto files = model_root::find_below(folder_.path());
  EXPECT_EQ(*worker_root(*files, "/unused"), folder_.path());
}

TEST_F(Models, FilesThatLieApartAreLinkedIntoOneRoot) {
  TemporaryFolder scratch;
  std::filesystem::create_directory(folder_ / "apart");
  std::filesystem::rename(folder_ / "svd", folder_ / "apart/svd");
  std::filesystem::rename(folder_ / "DWPose", folder_ / "apart/poses");
  put(folder_, "defaults.yaml", "steps: 8\n");
  put(folder_, "second/unet/config.json", "{}");  // so that the folder itself is no root
  model_root::Locations locations;
  locations.base_model_path = folder_ / "apart/svd";
  locations.ckpt_path = folder_ / "MimicMotion_1-1.pth";
  locations.dwpose = folder_ / "apart/poses";
  const auto files = model_root::find_located(locations);
  ASSERT_TRUE(files.ok()) << files.status();
  for (int times = 0; times < 2; ++times) {
    const auto root = worker_root(*files, scratch / "models");
    ASSERT_TRUE(root.ok()) << root.status();
    const auto found = model_root::find_below(*root);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->defaults, files->defaults);
    FileDigestCache cache;
    EXPECT_EQ(jobs::make_model_set(*found, *model_root::digest_parts(*found, cache)).id,
              jobs::make_model_set(*files, *model_root::digest_parts(*files, cache)).id);
  }
}

}  // namespace
}  // namespace mimicfleet::coordinator
