#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::jobs {

// One clip of a job as the client planned it: inputs with digests, resolved parameters, where it
// goes.
struct ClipPlan {
  FileRef video;
  FileRef reference;
  Parameters parameters;
  OutputTarget output;  // without save_video: only its latents are made
  std::optional<CachedLatentsTarget> cache_latents;
  bool reuse_latents = false;
  std::map<std::string, std::string> provenance;
  std::vector<std::string> warnings;  // what is lost or guessed when its inputs are read

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("video", self.video);
    field("reference", self.reference);
    field("parameters", self.parameters);
    field("output", self.output);
    field("keep_latents", self.cache_latents);
    field("reuse_latents", self.reuse_latents);
    field("provenance", self.provenance);
    field("warnings", self.warnings);
  }
};

// A piece of a concatenated video: a clip of the same plan, or a latents file.
struct ConcatPart {
  std::string name;
  std::string clip;  // ClipPlan::output.relative; empty: `saved`
  CachedLatents saved;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("clip", self.clip);
    field("saved", self.saved);
  }
};

// A video joined from the latents of clips, in order.
struct ConcatPlan {
  std::vector<ConcatPart> parts;
  Digest key;  // film_key()
  Parameters parameters;
  OutputTarget output;
  std::map<std::string, std::string> provenance;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("parts", self.parts);
    field("key", self.key);
    field("parameters", self.parameters);
    field("output", self.output);
    field("provenance", self.provenance);
  }
};

// What a client submits.
struct JobPlan {
  std::string name;
  ModelSet models;
  std::vector<ClipPlan> clips;
  std::vector<ConcatPlan> concats;
  std::int32_t priority = 0;
  FeaturePolicy features;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("models", self.models);
    field("clips", self.clips);
    field("films", self.concats);
    field("priority", self.priority);
    field("features", self.features);
  }
};

// The tasks of a plan: for every clip an encode and the decode that needs it, for every
// concatenated video a decode that needs its clips' encodes, with fresh ids. kInvalidArgument: a
// parameter out of range, an unsafe output path, two videos with one output (both named), or a
// concatenated video without parts or of a clip that is not there.
[[nodiscard]] Result<std::vector<TaskSpec>> make_tasks(const JobPlan& plan, JobId job);

// True for a relative path of plain components: no "..", no leading '/', no NUL, no empty
// component.
[[nodiscard]] bool is_safe_relative(const std::string& path);

// `--shard I/N`: which of `count` items the shard `index` (1-based) of `shards` takes: those at
// positions index-1, index-1+shards, …
[[nodiscard]] std::vector<std::size_t> shard_positions(std::size_t count, std::size_t index,
                                                       std::size_t shards);

}  // namespace mimicfleet::jobs
