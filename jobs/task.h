#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/id.h"
#include "common/status.h"
#include "jobs/features.h"
#include "jobs/file_ref.h"
#include "jobs/model_set.h"
#include "jobs/parameters.h"

namespace mimicfleet::jobs {

// A job is what a user submits; its tasks are what workers do. Each video makes one kEncodeLatents
// (pose, conditioning, sampling) and one kDecodeVideo (VAE, H.264); a decode may also join the
// latents of many encodes and files into one concatenated video.
using TaskId = Id<struct TaskTag>;

enum class TaskKind { kEncodeLatents, kDecodeVideo };
constexpr EnumNames<TaskKind, 2> enum_names(TaskKind) {
  return {{{TaskKind::kEncodeLatents, "encode_latents"}, {TaskKind::kDecodeVideo, "decode_video"}}};
}

enum class TaskState {
  kWaiting,  // for the artefacts of other tasks
  kReady,
  kRunning,  // a worker holds the lease of its current attempt
  kDone,
  kFailed,
  kCancelled,
};

constexpr EnumNames<TaskState, 6> enum_names(TaskState) {
  return {{{TaskState::kWaiting, "waiting"},
           {TaskState::kReady, "ready"},
           {TaskState::kRunning, "running"},
           {TaskState::kDone, "done"},
           {TaskState::kFailed, "failed"},
           {TaskState::kCancelled, "cancelled"}}};
}
[[nodiscard]] constexpr bool is_terminal(TaskState state) {
  return state == TaskState::kDone || state == TaskState::kFailed || state == TaskState::kCancelled;
}

// Where a result goes: `directory`/`relative`.mp4 and .json, and optionally _latents and _frames
// below it. `nonce` is the content of `directory`/_run/nonce: a worker that reads the same there
// sees the same folder.
struct OutputTarget {
  std::string directory;
  std::string relative;  // without suffix, '/'-separated, never absolute, never with ".."
  std::string nonce;
  bool save_video = true;
  bool save_latents = false;
  bool save_frames = false;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("directory", self.directory);
    field("relative", self.relative);
    field("nonce", self.nonce);
    field("save_video", self.save_video);
    field("save_latents", self.save_latents);
    field("save_frames", self.save_frames);
  }
};

// Where an encode keeps its latents for good, in half precision: `directory`/`relative`, with the
// nonce of `directory` as in OutputTarget.
struct CachedLatentsTarget {
  std::string directory;
  std::string relative;  // with suffix; else as OutputTarget::relative
  std::string nonce;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("directory", self.directory);
    field("relative", self.relative);
    field("nonce", self.nonce);
  }
};

// Latents in a file (docs/latent_format.md), as its header describes them. A member that the header
// does not give is empty or 0: the original's files have neither keys nor digests.
struct CachedLatents {
  FileRef file;
  Digest key;  // TaskSpec::key of their encode
  Digest vae;
  std::int32_t frames = 0;  // the reference frame included
  std::int32_t width = 0;   // of the video
  std::int32_t height = 0;
  double fps = 0;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("file", self.file);
    field("key", self.key);
    field("vae", self.vae);
    field("frames", self.frames);
    field("width", self.width);
    field("height", self.height);
    field("fps", self.fps);
  }
};

// A piece of a concatenated video: the latents of one clip.
struct Segment {
  std::string name;  // of the clip or word
  TaskId encode;     // makes its latents; nil: they are `saved`
  CachedLatents saved;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("encode", self.encode);
    field("saved", self.saved);
  }
};

// Everything that a worker needs for a task. It does not change after the job was made.
struct TaskSpec {
  TaskId id;
  JobId job;
  TaskKind kind = TaskKind::kEncodeLatents;
  std::string name;  // for people: the output's relative path
  Digest key;        // of its result, which also depends on the numerics class
  // Tasks whose latents it takes, in order. A concatenated video may name a task several times.
  std::vector<TaskId> needs;
  Digest model_set;
  Parameters parameters;
  FileRef video;                                     // kEncodeLatents
  FileRef reference;                                 // kEncodeLatents
  std::optional<CachedLatentsTarget> cache_latents;  // kEncodeLatents
  // kEncodeLatents: take latents of this key that a worker of the same numerics class holds.
  bool reuse_latents = false;
  // kDecodeVideo: pieces of a concatenated video; empty for the video of one encode.
  std::vector<Segment> segments;
  OutputTarget output;
  // Where each parameter came from: flag, config, defaults or built-in.
  std::map<std::string, std::string> provenance;
  std::int32_t priority = 0;
  FeaturePolicy features;
  std::vector<std::string> warnings;  // kEncodeLatents: for its result, known since it was planned

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("id", self.id);
    field("job", self.job);
    field("kind", self.kind);
    field("name", self.name);
    field("key", self.key);
    field("needs", self.needs);
    field("model_set", self.model_set);
    field("parameters", self.parameters);
    field("video", self.video);
    field("reference", self.reference);
    field("keep_latents", self.cache_latents);
    field("reuse_latents", self.reuse_latents);
    field("segments", self.segments);
    field("output", self.output);
    field("provenance", self.provenance);
    field("priority", self.priority);
    field("features", self.features);
    field("warnings", self.warnings);
  }
};

// An artefact that exists somewhere: the latents of one encode.
struct ArtefactRef {
  Digest key;      // TaskSpec::key of the task that made it
  Digest content;  // SHA-256 of its bytes
  std::uint64_t size_bytes = 0;
  NumericsClass numerics;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("key", self.key);
    field("content", self.content);
    field("size_bytes", self.size_bytes);
    field("numerics", self.numerics);
  }
};

// Seconds of one stage. It is warm if its result came from a cache or its models were loaded, and
// cold otherwise. A stage of several parts is cold if one part is cold.
struct StageTiming {
  std::string stage;  // see stages.h
  double seconds = 0;
  bool warm = false;
  // What the cache saved: the seconds that making the result took, less those of reading it.
  double saved_seconds = 0;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("stage", self.stage);
    field("seconds", self.seconds);
    field("warm", self.warm);
    field("saved_seconds", self.saved_seconds);
  }
};

// What a worker reports of a finished attempt; becomes part of the output's record.
struct TaskResult {
  std::optional<ArtefactRef> latents;     // kEncodeLatents
  std::optional<FileRef> cached_latents;  // kEncodeLatents with keep_latents
  std::optional<FileRef> video;           // kDecodeVideo: path below the output folder
  std::int32_t frames = 0;
  std::int32_t width = 0;
  std::int32_t height = 0;
  double source_fps = 0;  // kEncodeLatents: of the driving video, divided by its stride; 0: unknown
  std::int64_t unet_evaluations = 0;  // kEncodeLatents: tiles x passes of each step
  std::int32_t tiles = 0;  // kEncodeLatents: stretches of frames that the UNet saw one by one
  NumericsClass numerics;
  std::vector<StageTiming> stages;
  std::uint64_t transferred_bytes = 0;  // latents fetched from other workers
  std::vector<std::string> warnings;
  std::vector<FeatureUse> features;  // kEncodeLatents
  // How often each computation ran, by name (computations.h).
  std::map<std::string, std::uint32_t> calls;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("latents", self.latents);
    field("saved_latents", self.cached_latents);
    field("video", self.video);
    field("frames", self.frames);
    field("width", self.width);
    field("height", self.height);
    field("source_fps", self.source_fps);
    field("unet_evaluations", self.unet_evaluations);
    field("tiles", self.tiles);
    field("numerics", self.numerics);
    field("stages", self.stages);
    field("transferred_bytes", self.transferred_bytes);
    field("warnings", self.warnings);
    field("features", self.features);
    field("calls", self.calls);
  }
};

// How far a running attempt is; renews its lease.
struct TaskProgress {
  TaskId task;
  std::uint32_t attempt = 0;
  std::string stage;
  std::int32_t step = 0;
  std::int32_t steps = 0;  // 0: the stage has no steps

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("task", self.task);
    field("attempt", self.attempt);
    field("stage", self.stage);
    field("step", self.step);
    field("steps", self.steps);
  }
};

}  // namespace mimicfleet::jobs
