#include "coordinator/client/models.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

jobs::ModelSet named(const std::string& name) {
  jobs::ModelSet set;
  set.name = name;
  set.id = sha256(name);
  return set;
}

jobs::ModelSet toy() {
  jobs::ModelSet set = named("puppet");
  set.defaults["notice"] = "toys for trying out";
  return set;
}

OfferedModels offer(std::vector<jobs::ModelSet> sets) {
  return [sets = std::move(sets)] { return sets; };
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
  const auto chosen = choose_models(request_, offer(one));
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->set, one[0]);
  EXPECT_FALSE(chosen->files.has_value());
}

TEST_F(Models, ModelsThatAConfigNamesAreThoseWithAServerToo) {
  request_.base_model_path = "svd";
  request_.ckpt_path = "MimicMotion_1-1.pth";
  request_.config_folder = folder_.path();
  const auto chosen = choose_models(request_, offer({named("big")}));
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->files->checkpoint, folder_ / "MimicMotion_1-1.pth");
}

TEST_F(Models, ModelsThatAConfigNamesAndNobodyCanReadHereAreRefused) {
  request_.base_model_path = "org/svd";
  request_.ckpt_path = "nowhere.pth";
  const Status refused = choose_models(request_, offer({named("big")})).status();
  EXPECT_EQ(refused.code(), StatusCode::kNotFound);
  EXPECT_THAT(refused.message(), AllOf(HasSubstr("org/svd"), HasSubstr("give --models NAME")));
  request_.ckpt_path.clear();
  EXPECT_FALSE(choose_models(request_, offer({named("big")})).ok());
  request_.root = "big";  // a flag wins over the config
  EXPECT_EQ(choose_models(request_, offer({named("big")}))->set.name, "big");
}

TEST_F(Models, AFolderIsReadWithAServerToo) {
  request_.root = folder_.path();
  EXPECT_TRUE(choose_models(request_, offer({named("big")}))->files.has_value());
  request_.root = folder_ / "svd";
  EXPECT_EQ(choose_models(request_, offer({named("svd")})).status().code(), StatusCode::kNotFound);
}

TEST_F(Models, PoseModelsThatNobodyWouldReadAreRefused) {
  request_.dwpose = folder_ / "DWPose";
  for (const OfferedModels& offered : {OfferedModels(), offer({named("big")})}) {
    request_.root.clear();
    EXPECT_THAT(choose_models(request_, offered).status().message(),
                HasSubstr("--dwpose goes with"));
    request_.root = folder_.path();
    EXPECT_THAT(choose_models(request_, offered).status().message(),
                HasSubstr("--dwpose goes with"));
  }
}

TEST_F(Models, WhereNothingIsNamedTheProgramsOwnAreTakenAndThatIsSaid) {
  const auto chosen = choose_models(request_, nullptr);
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->set.name, "puppet");
  EXPECT_THAT(chosen->warning, AllOf(HasSubstr("no models are named"), HasSubstr("toy models")));
  request_.root = folder_.path();
  EXPECT_EQ(choose_models(request_, nullptr)->warning, "");
}

TEST_F(Models, ToysThatAServerOffersAreTakenWithAWarningUnlessTheyAreNamed) {
  const OfferedModels toys = offer({toy()});
  EXPECT_THAT(
      choose_models(request_, toys)->warning,
      AllOf(HasSubstr("no models are named"), HasSubstr("puppet"), HasSubstr("toys for trying")));
  request_.root = "puppet";
  EXPECT_EQ(choose_models(request_, toys)->warning, "");
}

TEST_F(Models, ToysBesideOthersAreNotTakenUnlessTheyAreNamed) {
  const std::vector<jobs::ModelSet> both = {toy(), named("big")};
  const auto chosen = choose_models(request_, offer(both));
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->set.name, "big");
  EXPECT_THAT(remarks_on_workers(chosen->set, both),
              ElementsAre(AllOf(HasSubstr("puppet"), HasSubstr("toys for trying"))));
  EXPECT_THAT(remarks_on_workers(toy(), both), IsEmpty());
}

TEST_F(Models, ThatNoWorkerHasThemIsSaid) {
  EXPECT_THAT(remarks_on_workers(named("big"), {named("big")}), IsEmpty());
  EXPECT_THAT(remarks_on_workers(named("big"), {}),
              ElementsAre(AllOf(HasSubstr("no worker of the server has the models big ("),
                                HasSubstr("worker --models"))));
  EXPECT_THAT(remarks_on_workers(named("big"), {named("small")}),
              ElementsAre(HasSubstr("have small (")));
}

TEST_F(Models, OneOfSeveralSetsIsNamedByNameOrId) {
  const std::vector<jobs::ModelSet> two = {named("big"), named("small")};
  EXPECT_THAT(choose_models(request_, offer(two)).status().message(),
              AllOf(HasSubstr("big ("), HasSubstr("small (")));
  request_.root = "small";
  EXPECT_EQ(choose_models(request_, offer(two))->set.name, "small");
  request_.root = named("big").id.hex().substr(0, 8);
  EXPECT_EQ(choose_models(request_, offer(two))->set.name, "big");
  request_.root = "tiny";
  EXPECT_EQ(choose_models(request_, offer(two)).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(Models, AServerWithoutWorkersIsGivenTheProgramsOwn) {
  const auto chosen = choose_models(request_, offer({}));
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->set.name, "puppet");
  EXPECT_TRUE(chosen->files.has_value());
  EXPECT_THAT(chosen->warning, AllOf(HasSubstr("no worker is there"), HasSubstr("toy models")));
  request_.root = "big";
  EXPECT_THAT(
      choose_models(request_, offer({})).status().message(),
      AllOf(HasSubstr("no such folder here"), HasSubstr("no worker of the server is there")));
}

TEST_F(Models, WorkersAreAskedOnlyWhereTheyDecide) {
  const OfferedModels gone = [] { return Status(StatusCode::kUnavailable, "asked"); };
  EXPECT_EQ(choose_models(request_, gone).status().message(), "asked");
  request_.root = folder_.path();
  EXPECT_TRUE(choose_models(request_, gone).ok());
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
