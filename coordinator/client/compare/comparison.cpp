#include "coordinator/client/compare/comparison.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/files/read_text.h"
#include "coordinator/client/compare/quality.h"
#include "coordinator/client/compare/side_by_side.h"
#include "jobs/record_json.h"
#include "jobs/stages.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "_compare";

Result<jobs::OutputRecord> read_record(const fs::path& path) {
  ASSIGN_OR_RETURN(const std::string text, read_text(path.string(), jobs::kMaxRecordBytes));
  auto record = jobs::read_record(text);
  if (!record.ok()) return record.status().prefixed(path.string());
  return record;
}

double sampling_seconds(const jobs::OutputRecord& record) {
  double seconds = 0;
  for (const auto& stage : record.stages) {
    if (jobs::is_stage(stage.stage, jobs::Stage::kDenoise)) seconds += stage.seconds;
  }
  return seconds;
}

void describe(const jobs::Parameters& parameters, ComparedVariant& variant) {
  variant.parameters = parameters;
  const auto name = [](const jobs::FileRef& file) {
    return fs::path(file.path).filename().string();
  };
  if (parameters.unet_overlay) variant.adapted_by.push_back(name(*parameters.unet_overlay));
  for (const auto& lora : parameters.loras) variant.adapted_by.push_back(name(lora.file));
}

void sum_up(ComparedVariant& variant) {
  std::int64_t tiles = 0;
  for (const auto& clip : variant.clips) {
    variant.sampling_seconds += clip.sampling_seconds;
    variant.unet_evaluations += clip.unet_evaluations;
    variant.psnr_db += clip.psnr_db / static_cast<double>(variant.clips.size());
    variant.ssim += clip.ssim / static_cast<double>(variant.clips.size());
    tiles += clip.tiles;
  }
  if (tiles > 0) {
    variant.unet_evaluations_per_tile =
        static_cast<double>(variant.unet_evaluations) / static_cast<double>(tiles);
  }
}

// Gathers the clips of a plan under their variants.
class Gathering {
 public:
  Gathering(const std::vector<Variant>& variants, const std::string& output_dir)
      : folder_(output_dir) {
    report_.program = "mimicfleet " MIMICFLEET_VERSION;
    report_.output_dir = output_dir;
    for (const auto& variant : variants) report_.variants.emplace_back().name = variant.name;
  }

  [[nodiscard]] Status add(const jobs::ClipPlan& clip) {
    const std::string& relative = clip.output.relative;
    const auto variant = std::find_if(
        report_.variants.begin(), report_.variants.end(),
        [&](const ComparedVariant& one) { return relative.starts_with(one.name + "/"); });
    CHECK(variant != report_.variants.end());
    if (variant->clips.empty()) describe(clip.parameters, *variant);
    ASSIGN_OR_RETURN(const auto record, read_record(folder_ / (relative + ".json")));
    places_.insert(record.numerics.name());
    ComparedClip compared;
    compared.name = relative.substr(variant->name.size() + 1);
    compared.video = relative + ".mp4";
    compared.sampling_seconds = sampling_seconds(record);
    compared.unet_evaluations = record.unet_evaluations;
    compared.tiles = record.tiles;
    const auto& first = report_.variants.front().clips;
    const auto same = std::find_if(first.begin(), first.end(), [&](const ComparedClip& other) {
      return other.name == compared.name;
    });
    Quality quality{record.frames, kPsnrOfEqual, 1};
    if (same != first.end()) {
      ASSIGN_OR_RETURN(quality, compare_videos((folder_ / compared.video).string(),
                                               (folder_ / same->video).string()));
    }
    compared.frames = quality.frames;
    compared.psnr_db = quality.psnr_db;
    compared.ssim = quality.ssim;
    variant->clips.push_back(std::move(compared));
    return {};
  }

  [[nodiscard]] ComparisonReport finish(const QualityGates& gates) {
    report_.gates = gates;
    for (auto& variant : report_.variants) {
      sum_up(variant);
      variant.passed = variant.psnr_db >= gates.min_psnr_db && variant.ssim >= gates.min_ssim;
      const double first = report_.variants.front().sampling_seconds;
      variant.sampling_ratio = variant.sampling_seconds > 0 ? first / variant.sampling_seconds : 0;
    }
    if (places_.size() > 1) {
      report_.warnings.push_back(
          fmt::format("the videos were not all made by the same device, library and threads "
                      "({}): their seconds do not compare",
                      fmt::join(places_, "; ")));
    }
    return std::move(report_);
  }

 private:
  fs::path folder_;
  ComparisonReport report_;
  std::set<std::string> places_;  // numerics classes
};

}  // namespace

bool ComparisonReport::passed() const {
  return std::all_of(variants.begin(), variants.end(),
                     [](const auto& variant) { return variant.passed; });
}

Result<ComparisonReport> compare_outputs(const RunPlan& plan, const std::vector<Variant>& variants,
                                         const std::string& output_dir, const QualityGates& gates) {
  Gathering gathering(variants, output_dir);
  for (const auto& clip : plan.clips) RETURN_IF_ERROR(gathering.add(clip.plan));
  ComparisonReport report = gathering.finish(gates);
  report.models = plan.models.set.name;
  return report;
}

Status make_side_by_side(ComparisonReport& report, std::size_t count) {
  const auto& first = report.variants.front().clips;
  for (std::size_t i = 0; i < std::min(count, first.size()); ++i) {
    std::vector<Panel> panels;
    for (const auto& variant : report.variants) {
      const auto& clip = variant.clips.at(i);
      panels.push_back({(fs::path(report.output_dir) / clip.video).string(),
                        {variant.name, fmt::format("{:.2f} s, {} UNet runs", clip.sampling_seconds,
                                                   clip.unet_evaluations)}});
    }
    const std::string relative = fmt::format("{}/{}.mp4", kFolder, first[i].name);
    const fs::path path = fs::path(report.output_dir) / relative;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    RETURN_IF_ERROR(write_side_by_side(path.string(), panels));
    report.side_by_side.push_back(relative);
  }
  return {};
}

}  // namespace mimicfleet::coordinator
