#pragma once

#include <string>

#include <gtest/gtest.h>

#include "coordinator/client/planner.h"
#include "tests/common/model_root/fake_models.h"

namespace mimicfleet::coordinator {

// A request for a folder of videos with models, a reference image and an output folder, to be
// changed and planned.
class PlanningTest : public ::testing::Test {
 protected:
  PlanningTest() {
    put_models(folder_, "models/");
    put(folder_, "ref.png", "image");
    request_.paths = {folder_ / "videos"};
    request_.models = folder_ / "models";
    request_.reference = folder_ / "ref.png";
    request_.output_dir = folder_ / "out";
  }

  Result<RunPlan> plan() {
    ASSIGN_OR_RETURN(Planner planner, Planner::prepare(request_, nullptr));
    OutputPlaces places;
    places.videos.directory = places.latents.directory = folder_ / "out";
    places.videos.nonce = places.latents.nonce = "nonce";
    places.latents.relative = "_latents/";
    FileDigestCache cache;
    return planner.finish(places, cache, nullptr);
  }
  std::string error() { return plan().status().message(); }
  void flag(const std::string& name, const std::string& text) {
    request_.flags.values.push_back({find_setting(name), text, "--" + name});
  }

  TemporaryFolder folder_;
  SubmitRequest request_;
};

}  // namespace mimicfleet::coordinator
