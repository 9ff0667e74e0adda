#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/status.h"
#include "coordinator/client/inputs.h"
#include "coordinator/client/models.h"
#include "coordinator/client/variants.h"
#include "coordinator/config/run_config.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {

// What the user asked for on the command line.
struct SubmitRequest {
  std::vector<std::string> paths;
  std::string reference;
  std::string config;
  std::string models;
  std::string dwpose;
  std::string output_dir = "outputs";
  InputSelection selection;
  SettingLayer flags{"flag", {}};
  std::vector<Variant> variants;  // each clip is made with each of these, below a folder of its name
  bool save_latents = false;
  bool save_frames = false;
  std::int32_t priority = 0;
  jobs::FeaturePolicy features;
};

// A clip that cannot be tried: its input is unreadable or no file. The others still run.
struct RefusedClip {
  std::string relative;
  std::string path;
  Status error;
};

struct PlannedClip {
  jobs::ClipPlan plan;
  std::string reason;                 // why it has to run; empty: its outputs are there
  double seconds = 0;                 // that a finished clip took
  std::vector<std::string> cached{};  // kinds of its features that workers hold, if that is known
};

// What of the features that the clips need is in workers' caches.
struct CachedFeatures {
  std::size_t wanted = 0;
  std::size_t held = 0;
  double worth_seconds = 0;  // that making them for each clip would cost
};

struct RunPlan {
  std::string name;  // of the job, for people
  ChosenModels models;
  std::string notice;  // of the models' defaults.yaml: to be shown with the results
  std::vector<PlannedClip> clips;
  std::vector<RefusedClip> refused;
  std::optional<CachedFeatures> cached;  // if it is known

  [[nodiscard]] std::size_t to_run() const;
  [[nodiscard]] std::optional<double> seconds_per_clip() const;  // of the finished ones
};

// Planning in two parts. What `prepare` finds wrong is wrong with the request as a whole, and nothing may be
// made before it is known: paths, configuration, models, settings, the reference image.
class Planner {
 public:
  // `offered`: the model sets of the server's workers; null without a server.
  [[nodiscard]] static Result<Planner> prepare(SubmitRequest request,
                                               const std::vector<jobs::ModelSet>* offered);

  [[nodiscard]] std::size_t clips() const { return inputs_.size(); }

  // Reads models and inputs unless `cache` knows them, and compares with the outputs that are there.
  // `folder`: output folder and nonce. `on_clip` is called after each clip with how many are done.
  [[nodiscard]] Result<RunPlan> finish(const jobs::OutputTarget& folder, FileDigestCache& cache,
                                       const std::function<void(std::size_t)>& on_clip);

 private:
  Planner() = default;
  [[nodiscard]] Status read_config();
  [[nodiscard]] Status collect_inputs();
  void multiply_by_variants();
  [[nodiscard]] Status resolve_all();
  [[nodiscard]] Result<ResolvedSettings> settings_of(const Input& input) const;
  [[nodiscard]] Result<std::string> reference_of(const Input& input) const;
  [[nodiscard]] Result<jobs::ClipPlan> plan_clip(std::size_t index, const jobs::OutputTarget& folder,
                                                 FileDigestCache& cache);
  [[nodiscard]] std::vector<std::string> adaptation_folders() const;
  [[nodiscard]] Result<jobs::FileRef> name_shared(const std::string& path, FileDigestCache& cache);
  [[nodiscard]] Status name_adaptation(jobs::Parameters& parameters, FileDigestCache& cache);

  SubmitRequest request_;
  std::optional<RunConfig> config_;
  std::vector<Input> inputs_;
  std::vector<ResolvedSettings> settings_;
  std::vector<std::size_t> settings_index_;                    // of each input, into settings_
  std::map<std::string, Result<jobs::FileRef>> shared_files_;  // images, LoRAs and overlays that were read
  SettingLayer defaults_;
  ChosenModels models_;
};

}  // namespace mimicfleet::coordinator
