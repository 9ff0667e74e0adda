#include "coordinator/client/finished.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "common/files/read_text.h"
#include "common/json/json.h"
#include "jobs/keys.h"
#include "jobs/record.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxRecordBytes = 1 << 20;

// The first setting that differs, with the value that it had. Files are compared elsewhere, by content.
std::string changed_setting(jobs::Parameters before, jobs::Parameters now) {
  for (auto* parameters : {&before, &now}) {
    parameters->loras.clear();
    parameters->unet_overlay.reset();
  }
  const wire::Value was = wire::to_value(before);
  const wire::Value is = wire::to_value(now);
  for (const auto& [name, value] : *is.get_if<wire::Map>()) {
    const wire::Value* other = was.find(name);
    if (other != nullptr && !(*other == value)) return fmt::format("{} was {}", name, json::to_text(*other));
  }
  return "another version of the program made it";
}

bool same_loras(const std::vector<jobs::Lora>& before, const std::vector<jobs::Lora>& now) {
  return std::equal(before.begin(), before.end(), now.begin(), now.end(),
                    [](const jobs::Lora& was, const jobs::Lora& is) {
                      return was.file.digest == is.file.digest && was.scale == is.scale;
                    });
}

Digest digest_of(const std::optional<jobs::FileRef>& file) { return file ? file->digest : Digest(); }

std::string difference(const jobs::OutputRecord& record, const jobs::ClipPlan& clip,
                       const jobs::ModelSet& models) {
  if (record.driving.digest != clip.video.digest) return "the video changed";
  if (record.reference.digest != clip.reference.digest) return "the reference image changed";
  if (record.models.id != models.id) return "the models changed";
  if (!same_loras(record.parameters.loras, clip.parameters.loras)) return "the LoRAs changed";
  if (digest_of(record.parameters.unet_overlay) != digest_of(clip.parameters.unet_overlay)) {
    return "the UNet overlay changed";
  }
  return changed_setting(record.parameters, clip.parameters);
}

bool precision_fits(const jobs::OutputRecord& record, jobs::Precision wanted) {
  return wanted == record.parameters.precision || to_string(wanted) == record.numerics.precision;
}

bool is_filled_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && fs::file_size(path, error) > 0 && !error;
}

bool has_frames(const fs::path& folder, std::int32_t frames) {
  for (std::int32_t i = 0; i < frames; ++i) {
    if (!is_filled_file(folder / fmt::format("{:06}.png", i))) return false;
  }
  return true;
}

std::string missing_output(const jobs::OutputRecord& record, const jobs::OutputTarget& target,
                           FileDigestCache& cache) {
  const fs::path folder(target.directory);
  const fs::path video = folder / (target.relative + ".mp4");
  std::error_code error;
  const auto size = fs::file_size(video, error);
  if (error) return "its MP4 is not there";
  if (size != record.video.size_bytes) return "its MP4 has another size than its record says";
  const auto digest = cache.digest(video.string());
  if (!digest.ok() || *digest != record.video.digest) return "its MP4 is not what its record says";
  if (target.save_latents && !is_filled_file(folder / "_latents" / (target.relative + ".safetensors"))) {
    return "its latents are not saved yet";
  }
  if (target.save_frames && !has_frames(folder / "_frames" / target.relative, record.frames)) {
    return "its frames are not saved yet";
  }
  return "";
}

double seconds_of(const jobs::OutputRecord& record) {
  double seconds = 0;
  for (const auto& stage : record.stages) seconds += stage.stage == "load" ? 0 : stage.seconds;
  return seconds;
}

}  // namespace

OutputState look_at_outputs(const jobs::ClipPlan& clip, const jobs::ModelSet& models,
                            FileDigestCache& cache) {
  const fs::path path = fs::path(clip.output.directory) / (clip.output.relative + ".json");
  const auto text = read_text(path.string(), kMaxRecordBytes);
  if (!text.ok()) return {"not made yet", 0};
  const auto record = json::read<jobs::OutputRecord>(*text);
  if (!record.ok()) return {"its record cannot be read", 0};
  const Digest latents = jobs::latents_key(clip.video.digest, clip.reference.digest, models, clip.parameters);
  const bool same_key = record->key == jobs::video_key({latents}, models, clip.parameters);
  if (!same_key || !precision_fits(*record, clip.parameters.precision)) {
    return {difference(*record, clip, models), 0};
  }
  return {missing_output(*record, clip.output, cache), seconds_of(*record)};
}

}  // namespace mimicfleet::coordinator
