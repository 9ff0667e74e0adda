#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/enum_names.h"
#include "jobs/fact_table.h"
#include "jobs/task.h"

// The stages of tasks: one table, in the order in which a clip goes through them. A stage that is
// added here has its metrics, a line of the summary and one in docs/outputs.md.
//
// Messages and records have stages as text: a program reads what a newer one sent.
namespace mimicfleet::jobs {

enum class Stage : std::uint8_t {
  kQueued,
  kLoad,
  kPreprocess,
  kDraw,
  kClip,
  kVaeEncode,
  kPoseNet,
  kDenoise,
  kTransfer,
  kVaeDecode,
  kMux,
  kReported,
};

// Buckets of the histogram of a stage's seconds.
namespace buckets {
// One picture through one net, or reading the cache: milliseconds on a GPU, seconds on a CPU.
inline constexpr double kSmall[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                    0.25,  0.5,    1,     2.5,  5,     10};
// Decoding and poses: a third of a second on a GPU, a minute on a CPU.
inline constexpr double kPerClip[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                      2.5,  5,     10,   25,  60,   120, 300};
// Files and bytes.
inline constexpr double kTransfer[] = {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60};
inline constexpr double kLoad[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300};
// Fine steps from 2 to 60 s, the time of a clip on a GPU (docs/benchmarks.md).
inline constexpr double kSampling[] = {0.1, 0.25, 0.5, 1,  2,  3,  4,  5,   6,   7,   8,
                                       10,  14,   20,  28, 40, 50, 60, 120, 300, 600, 1800};
inline constexpr double kDecoding[] = {0.05, 0.1, 0.25, 0.5, 0.75, 1,  1.5, 2,
                                       3,    5,   10,   20,  40,   60, 120, 300};
}  // namespace buckets

struct StageFacts {
  Stage stage;
  std::string_view name;
  std::string_view help;
  // The kind of task that has this stage; none: both.
  std::optional<TaskKind> of = std::nullopt;
  std::span<const double> buckets = {};  // empty: it is not timed
  bool can_be_warm = false;  // its result may come from a cache or store, or its models be loaded
  bool cache_saves = false;  // the feature cache keeps its result
  bool takes_slot = true;    // false: the task needs no models any more, but keeps its lease
  bool uses_models = false;  // `--benchmark-cache` counts it to the pipeline

  [[nodiscard]] constexpr bool is_timed() const { return !buckets.empty(); }
};

inline constexpr TaskKind kEncode = TaskKind::kEncodeLatents;
inline constexpr TaskKind kDecode = TaskKind::kDecodeVideo;
inline constexpr std::array kStages = {
    StageFacts{
        .stage = Stage::kQueued, .name = "queued", .help = "waits for another task of its worker"},
    StageFacts{.stage = Stage::kLoad,
               .name = "load",
               .help = "loading models",
               .buckets = buckets::kLoad,
               .can_be_warm = true},
    StageFacts{.stage = Stage::kPreprocess,
               .name = "preprocess",
               .help = "decoding, detection and pose estimation",
               .of = kEncode,
               .buckets = buckets::kPerClip,
               .can_be_warm = true,
               .cache_saves = true},
    StageFacts{.stage = Stage::kDraw,
               .name = "draw",
               .help = "drawing the poses",
               .of = kEncode,
               .buckets = buckets::kSmall},
    StageFacts{.stage = Stage::kClip,
               .name = "clip",
               .help = "CLIP embedding of the reference image",
               .of = kEncode,
               .buckets = buckets::kSmall,
               .can_be_warm = true,
               .cache_saves = true,
               .uses_models = true},
    StageFacts{.stage = Stage::kVaeEncode,
               .name = "vae_encode",
               .help = "VAE encoding of the reference image",
               .of = kEncode,
               .buckets = buckets::kSmall,
               .can_be_warm = true,
               .cache_saves = true,
               .uses_models = true},
    StageFacts{.stage = Stage::kPoseNet,
               .name = "pose_net",
               .help = "PoseNet over the drawn poses",
               .of = kEncode,
               .buckets = buckets::kSmall,
               .uses_models = true},
    StageFacts{.stage = Stage::kDenoise,
               .name = "denoise",
               .help = "sampling with the UNet",
               .of = kEncode,
               .buckets = buckets::kSampling,
               .can_be_warm = true,  // the same latents were made before
               .uses_models = true},
    StageFacts{.stage = Stage::kTransfer,
               .name = "transfer",
               .help = "fetching latents",
               .of = kDecode,
               .buckets = buckets::kTransfer,
               .can_be_warm = true,  // the store had them
               .uses_models = true},
    StageFacts{.stage = Stage::kVaeDecode,
               .name = "vae_decode",
               .help = "VAE decoding to frames",
               .of = kDecode,
               .buckets = buckets::kDecoding,
               .uses_models = true},
    StageFacts{.stage = Stage::kMux,
               .name = "mux",
               .help = "encoding the last frames, digest and record",
               .of = kDecode,
               .buckets = buckets::kPerClip,
               .takes_slot = false},
    StageFacts{.stage = Stage::kReported,
               .name = "reported",
               .help = "its result is on its way to the coordinator",
               .takes_slot = false},
};

constexpr auto enum_names(Stage) { return names_of(kStages, &StageFacts::stage); }

// Null: a stage of another version.
[[nodiscard]] constexpr const StageFacts* find_stage(std::string_view name) {
  return find_row(kStages, name);
}

[[nodiscard]] constexpr bool is_stage(std::string_view name, Stage stage) {
  return name == to_string(stage);
}

// Of a stage of another version: true.
[[nodiscard]] constexpr bool takes_slot(std::string_view name) {
  const StageFacts* facts = find_stage(name);
  return facts == nullptr || facts->takes_slot;
}

}  // namespace mimicfleet::jobs
