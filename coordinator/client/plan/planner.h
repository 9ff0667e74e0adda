#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/status.h"
#include "coordinator/client/plan/finished.h"
#include "coordinator/client/plan/inputs.h"
#include "coordinator/client/plan/media_looks.h"
#include "coordinator/client/plan/models.h"
#include "coordinator/client/plan/output_names.h"
#include "coordinator/client/plan/variants.h"
#include "coordinator/config/run_config.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {

enum class Mode { kGenerate, kEncode, kDecode };

// What the user asked for on the command line.
struct SubmitRequest {
  std::vector<std::string> paths;
  Mode mode = Mode::kGenerate;
  std::vector<std::string> videos;  // encode, decode: only these, in this order
  std::string sentences;            // a CSV of concatenated videos to be made of words
  bool skip_missing = false;        // leave out sentences whose words are not there
  std::string cache_dir;            // of latents that are kept; empty: OUT/_latents
  bool overwrite_cache = false;
  bool individual_videos = true;  // encode: also make each clip's video
  std::string output_name;        // decode: of the concatenated video; empty: after the clips
  std::string experiment_name = "latent_concat";
  std::string reference;
  std::string config;
  std::string models;
  std::string dwpose;
  std::string output_dir = "outputs";
  // Replace videos that were made with another seed, image or model.
  bool overwrite = false;
  InputSelection selection;
  SettingLayer flags{"flag", {}};
  std::string preset;  // settings that flags win over; empty: none
  std::vector<Variant>
      variants;  // each clip is made with each of these, below a folder of its name
  bool save_latents = false;
  bool save_frames = false;
  std::int32_t priority = 0;
  jobs::FeaturePolicy features;
  bool check_media = false;  // refuse clips whose video or image cannot be read, as a worker would
  std::string looks;  // where it is remembered what media files say of themselves; empty: nowhere
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
  std::string held_by{};              // the worker that has its latents, which are then not made
  std::string replaces{};  // what else the outputs that are there were made with ("seed 42")
  std::vector<std::string> warnings{};  // that outputs that are there came with
  std::vector<std::string> foreign{};   // files at its outputs' paths that mimicfleet did not make
  bool replaces_latents = false;        // they are latents alone
};

struct PlannedConcat {
  jobs::ConcatPlan plan;
  std::string reason;
  double seconds = 0;
  std::string replaces{};
  std::vector<std::string> warnings{};
  std::vector<std::string> foreign{};
};

// What of the features that the clips need is in workers' caches.
struct CachedFeatures {
  std::size_t wanted = 0;
  std::size_t held = 0;
  double worth_seconds = 0;  // that making them for each clip would cost
};

struct RunPlan {
  std::string name;  // of the job, for people
  std::string preset;
  ChosenModels models;
  std::string notice;              // of the models' defaults.yaml: to be shown with the results
  std::vector<PlannedClip> clips;  // beside concatenated videos only those that have to be encoded
  std::vector<PlannedConcat> concats;
  std::vector<RefusedClip> refused;
  std::vector<std::string> left_out;     // videos and sentences, each with the reason
  std::optional<CachedFeatures> cached;  // if it is known

  [[nodiscard]] std::size_t to_run() const;
  // Outputs of which a video is to be made, below the output folder; not the clips of concatenated
  // videos.
  [[nodiscard]] std::vector<std::string> videos_to_make() const;
  [[nodiscard]] std::optional<double> seconds_per_clip() const;  // of the finished ones
  [[nodiscard]] std::vector<std::string> warnings() const;       // of the inputs of what has to run
};

// Where results go: `latents.relative` is what stands before each clip's path.
struct OutputPlaces {
  jobs::OutputTarget videos;
  jobs::CachedLatentsTarget latents;
};

// A clip of a concatenated video that was asked for.
struct WantedPart {
  std::string name;
  std::string relative;              // of its latents below the cache folder, without suffix
  std::optional<std::size_t> input;  // its video, if there is one
};
struct WantedConcat {
  std::string relative;  // of its output
  std::vector<WantedPart> parts;
};

// Planning in two parts. What `prepare` finds wrong is wrong with the request as a whole, and
// nothing may be made before it is known: paths, configuration, models, settings, the reference
// image, words.
class Planner {
 public:
  // `offered`: none without a server. `folders`: by id of a set, where it lies on the workers'
  // hosts, which may be this one or share its disk; read once the sets were asked for.
  [[nodiscard]] static Result<Planner> prepare(
      SubmitRequest request, const OfferedModels& offered,
      const std::map<std::string, std::vector<std::string>>& folders = {});

  // Clips, or concatenated videos if such are made.
  [[nodiscard]] std::size_t items() const {
    return makes_concats() ? concats_.size() : inputs_.size();
  }

  // kBadInput or kUnsupported naming a reference image that cannot be read, a LoRA or an overlay
  // that does not fit the models. Images that single lines of a manifest name cost their own clips
  // alone, later. To be asked before anything is made.
  [[nodiscard]] Status check_files(FileDigestCache& cache);

  // Reads models and inputs unless `cache` knows them, and compares with the outputs that are
  // there. `on_clip` is called after each clip with how many are done.
  [[nodiscard]] Result<RunPlan> finish(const OutputPlaces& places, FileDigestCache& cache,
                                       const std::function<void(std::size_t)>& on_clip);

 private:
  // What a part of a concatenated video is joined from: latents that are there, or else a clip to
  // be encoded.
  struct PartSource {
    jobs::CachedLatents saved;
    std::optional<PlannedClip> clip;
  };

  // Config case and variant -> settings of the inputs that set nothing themselves.
  using SharedSettings = std::map<std::pair<std::size_t, std::size_t>, std::size_t>;

  Planner() = default;
  [[nodiscard]] bool makes_concats() const {
    return request_.mode == Mode::kDecode || !request_.sentences.empty();
  }
  [[nodiscard]] bool caches_latents() const {
    return request_.mode == Mode::kEncode || makes_concats();
  }
  [[nodiscard]] Status read_config();
  [[nodiscard]] Status take_models(const OfferedModels& offered,
                                   const std::map<std::string, std::vector<std::string>>& folders);
  void warn() const;
  void note_read_files();
  static void look_for_foreign_files(RunPlan& run, const std::string& directory);
  [[nodiscard]] Status collect_inputs();
  void multiply_by_variants();
  [[nodiscard]] Status resolve_all();
  [[nodiscard]] Status resolve_input(const Input& input, SharedSettings& shared);
  [[nodiscard]] Status check_references(FileDigestCache& cache);
  [[nodiscard]] Status check_adaptations() const;
  void plan_clips(RunPlan& run, const OutputPlaces& places, FileDigestCache& cache,
                  const std::function<void(std::size_t)>& on_clip);
  // ---- planner_films.cpp
  [[nodiscard]] std::string kept_path(const OutputPlaces& places,
                                      const std::string& relative) const;
  void cache_latents(jobs::ClipPlan& clip, const OutputPlaces& places) const;
  [[nodiscard]] OutputState look_at_encode(const jobs::ClipPlan& clip,
                                           FileDigestCache& cache) const;
  [[nodiscard]] Status collect_videos(const std::string& folder);
  [[nodiscard]] Status want_concat();
  [[nodiscard]] Status want_sentences();
  [[nodiscard]] Status plan_concats(RunPlan& run, const OutputPlaces& places,
                                    FileDigestCache& cache,
                                    const std::function<void(std::size_t)>& on_concat);
  [[nodiscard]] Result<jobs::ConcatPlan> plan_concat(const WantedConcat& wanted,
                                                     const OutputPlaces& places,
                                                     FileDigestCache& cache);
  [[nodiscard]] Result<const PartSource*> source_of(const WantedPart& part,
                                                    const OutputPlaces& places,
                                                    FileDigestCache& cache);
  [[nodiscard]] Result<PartSource> find_source(const WantedPart& part, const OutputPlaces& places,
                                               FileDigestCache& cache);
  [[nodiscard]] Result<Digest> video_as_read(std::size_t index, FileDigestCache& cache);
  [[nodiscard]] Result<ResolvedSettings> settings_of(const Input& input) const;
  [[nodiscard]] Result<std::string> reference_of(const Input& input) const;
  [[nodiscard]] Result<jobs::ClipPlan> plan_clip(std::size_t index, const OutputPlaces& places,
                                                 FileDigestCache& cache);
  [[nodiscard]] std::vector<std::string> adaptation_folders() const;
  [[nodiscard]] Result<jobs::FileRef> name_shared(const std::string& path, const std::string& where,
                                                  FileDigestCache& cache);
  [[nodiscard]] Status name_adaptation(jobs::Parameters& parameters, FileDigestCache& cache);

  SubmitRequest request_;
  std::optional<RunConfig> config_;
  std::vector<Input> inputs_;
  std::vector<ResolvedSettings> settings_;
  std::vector<std::size_t> settings_index_;  // of each input, into settings_
  std::map<std::string, Result<jobs::FileRef>>
      shared_files_;                  // images, LoRAs and overlays that were read
  std::set<std::string> references_;  // of the whole run
  std::vector<WantedConcat> concats_;
  ResolvedSettings concat_settings_;
  std::map<std::string, PartSource> sources_;  // by WantedPart::relative
  std::vector<std::string> left_out_;
  RunInputs read_;
  SettingLayer defaults_;
  SettingLayer preset_;
  ChosenModels models_;
  MediaLooks looks_;
  std::vector<std::string> model_folders_;  // of these
};

}  // namespace mimicfleet::coordinator
