#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"
#include "coordinator/client/plan/planner.h"
#include "jobs/settings.h"

// What `coordinator compare` reports (docs/turbo.md): how near the videos of several settings are
// to each other, and what each setting costs.
namespace mimicfleet::coordinator {

// One clip made with one variant.
struct ComparedClip {
  std::string name;
  std::string video;  // below the output folder
  double sampling_seconds = 0;
  std::int64_t unet_evaluations = 0;
  std::int32_t tiles = 0;
  std::int64_t frames = 0;
  double psnr_db = 0;  // against the first variant's video of this clip; 100: equal
  double ssim = 0;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("video", self.video);
    field("sampling_seconds", self.sampling_seconds);
    field("unet_evaluations", self.unet_evaluations);
    field("tiles", self.tiles);
    field("frames", self.frames);
    field("psnr_db", self.psnr_db);
    field("ssim", self.ssim);
  }
};

// One variant: sums over its clips, and the means of psnr_db and ssim.
struct ComparedVariant {
  std::string name;
  jobs::Parameters parameters;          // of its clips
  std::vector<std::string> adapted_by;  // names of LoRA and overlay files
  double sampling_seconds = 0;
  double sampling_ratio = 0;  // the first variant's seconds by these
  std::int64_t unet_evaluations = 0;
  double unet_evaluations_per_tile = 0;
  double psnr_db = 0;
  double ssim = 0;
  bool passed = true;  // the gates
  std::vector<ComparedClip> clips;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    for (const auto& setting : jobs::settings()) {
      if (!setting.column.empty()) field(setting.name, setting.value_in(self.parameters));
    }
    field("adapted_by", self.adapted_by);
    field("sampling_seconds", self.sampling_seconds);
    field("sampling_ratio", self.sampling_ratio);
    field("unet_evaluations", self.unet_evaluations);
    field("unet_evaluations_per_tile", self.unet_evaluations_per_tile);
    field("psnr_db", self.psnr_db);
    field("ssim", self.ssim);
    field("passed", self.passed);
    field("clips", self.clips);
  }
};

struct QualityGates {
  double min_psnr_db = 0;  // 0: none
  double min_ssim = -1;    // -1: none
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("min_psnr_db", self.min_psnr_db);
    field("min_ssim", self.min_ssim);
  }
};

struct ComparisonReport {
  std::uint32_t version = 1;
  std::string program;
  std::string output_dir;
  std::string models;
  std::vector<ComparedVariant> variants;
  std::vector<std::string> side_by_side;  // below the output folder
  QualityGates gates;
  std::vector<std::string> warnings;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("version", self.version);
    field("program", self.program);
    field("output_dir", self.output_dir);
    field("models", self.models);
    field("variants", self.variants);
    field("side_by_side", self.side_by_side);
    field("gates", self.gates);
    field("warnings", self.warnings);
  }

  [[nodiscard]] bool passed() const;
};

// From the records and videos of a plan whose clips are all there. Errors name the file.
[[nodiscard]] Result<ComparisonReport> compare_outputs(const RunPlan& plan,
                                                       const std::vector<Variant>& variants,
                                                       const std::string& output_dir,
                                                       const QualityGates& gates);

// Writes the first `count` clips' videos of all variants side by side, as OUT/_compare/CLIP.mp4,
// and notes them in the report.
[[nodiscard]] Status make_side_by_side(ComparisonReport& report, std::size_t count);

}  // namespace mimicfleet::coordinator
