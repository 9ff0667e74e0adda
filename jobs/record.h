#pragma once

#include <map>
#include <string>
#include <vector>

#include "jobs/task.h"

namespace mimicfleet::jobs {

// A piece of a concatenated video: which clip or word, and where its latents came from.
struct RecordPart {
  std::string name;
  Digest latents;           // TaskSpec::key of the encode; zero: not known
  std::int32_t frames = 0;  // of the latents, the reference frame included
  FileRef driving;          // empty if the latents came out of a file
  std::string saved;        // path of that file
  std::string encode_worker;
  std::uint32_t encode_attempt = 0;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("latents", self.latents);
    field("frames", self.frames);
    field("driving", self.driving);
    field("saved", self.saved);
    field("encode_worker", self.encode_worker);
    field("encode_attempt", self.encode_attempt);
  }
};

// What is larger is none: a concatenated video of a thousand words has some hundred kilobytes.
inline constexpr std::size_t kMaxRecordBytes = 4 << 20;

// `<output>.json` beside every video: how it was made and what it must hash to. docs/outputs.md
// describes it.
struct OutputRecord {
  std::uint32_t version = 1;
  std::string program;  // "mimicfleet 0.1.0"
  Digest key;           // TaskSpec::key of the decode: equal keys need no second run
  FileRef video;        // the MP4: path relative to the output folder, digest, size
  FileRef driving;      // of a concatenated video these two are empty, and `parts` lists its clips
  FileRef reference;
  std::vector<RecordPart> parts;
  ModelSet models;
  Parameters parameters;
  std::map<std::string, std::string> provenance;
  std::int32_t frames = 0;
  std::int32_t width = 0;
  std::int32_t height = 0;
  std::int64_t unet_evaluations = 0;  // tiles x passes of each step
  std::int32_t tiles = 0;
  NumericsClass numerics;
  std::vector<StageTiming> stages;   // of both tasks; of a concatenated video without its encodes
  std::vector<FeatureUse> features;  // of the encode: hit, miss or damaged, and the cost
  std::string encode_worker;
  std::string decode_worker;
  std::uint32_t encode_attempt = 0;
  std::uint32_t decode_attempt = 0;
  std::vector<std::string> warnings;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("version", self.version);
    field("program", self.program);
    field("key", self.key);
    field("video", self.video);
    field("driving", self.driving);
    field("reference", self.reference);
    field("parts", self.parts);
    field("models", self.models);
    field("parameters", self.parameters);
    field("provenance", self.provenance);
    field("frames", self.frames);
    field("width", self.width);
    field("height", self.height);
    field("unet_evaluations", self.unet_evaluations);
    field("tiles", self.tiles);
    field("numerics", self.numerics);
    field("stages", self.stages);
    field("features", self.features);
    field("encode_worker", self.encode_worker);
    field("decode_worker", self.decode_worker);
    field("encode_attempt", self.encode_attempt);
    field("decode_attempt", self.decode_attempt);
    field("warnings", self.warnings);
  }
};

}  // namespace mimicfleet::jobs
