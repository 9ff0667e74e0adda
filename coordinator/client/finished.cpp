#include "coordinator/client/finished.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "common/files/read_text.h"
#include "coordinator/client/changed_setting.h"
#include "jobs/keys.h"
#include "jobs/record_json.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

std::string difference(const jobs::OutputRecord& record, const jobs::ClipPlan& clip,
                       const jobs::ModelSet& models) {
  if (record.driving.digest != clip.video.digest) return "the video changed";
  if (record.reference.digest != clip.reference.digest) return "the reference image changed";
  if (record.driving.reading != clip.video.reading) return "the video is read otherwise now";
  if (record.reference.reading != clip.reference.reading)
    return "the reference image is read otherwise now";
  if (record.models.id != models.id) return "the models changed";
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
  if (target.save_latents &&
      !is_filled_file(folder / "_latents" / (target.relative + ".safetensors"))) {
    return "its latents are not saved yet";
  }
  if (target.save_frames && !has_frames(folder / "_frames" / target.relative, record.frames)) {
    return "its frames are not saved yet";
  }
  return "";
}

std::string made_with(const jobs::OutputRecord& record, const jobs::FileRef& reference,
                      const jobs::ModelSet& models, const jobs::Parameters& parameters) {
  if (auto other = other_models(record.models, models); !other.empty()) return other;
  if (!record.reference.path.empty() && is_another_file(record.reference, reference)) {
    return fmt::format("the reference image {}", record.reference.path);
  }
  return other_choice(record.parameters, parameters);
}

double seconds_of(const jobs::OutputRecord& record) {
  double seconds = 0;
  for (const auto& stage : record.stages) seconds += stage.stage == "load" ? 0 : stage.seconds;
  return seconds;
}

// `difference`: what tells a record of another key from what is wanted; `choice`: what of that was
// chosen.
template <typename Difference, typename Choice>
OutputState look(const jobs::OutputTarget& target, const Digest& key, jobs::Precision precision,
                 FileDigestCache& cache, Difference&& difference, Choice&& choice) {
  const fs::path path = fs::path(target.directory) / (target.relative + ".json");
  const auto text = read_text(path.string(), jobs::kMaxRecordBytes);
  if (!text.ok()) return {"not made yet", 0};
  const auto record = jobs::read_record(*text);
  if (!record.ok()) return {"its record cannot be read", 0};
  if (record->key != key || !precision_fits(*record, precision)) {
    const bool is_there = is_filled_file(fs::path(target.directory) / (target.relative + ".mp4"));
    return {difference(*record), 0, is_there ? choice(*record) : ""};
  }
  return {missing_output(*record, target, cache), seconds_of(*record), "", false, record->warnings};
}

// What the film itself differs in; nothing if it is the latents that it is joined from.
std::optional<std::string> film_difference(const jobs::OutputRecord& record,
                                           const jobs::FilmPlan& film) {
  const auto same_name = [](const auto& a, const auto& b) { return a.name == b.name; };
  const bool same_clips = std::equal(record.parts.begin(), record.parts.end(), film.parts.begin(),
                                     film.parts.end(), same_name);
  if (!same_clips) return "it was made of other clips";
  const auto before = of_decode(record.parameters);
  const auto now = of_decode(film.parameters);
  if (wire::to_value(before) == wire::to_value(now)) return std::nullopt;
  return changed_setting(before, now);
}

}  // namespace

OutputState look_at_outputs(const jobs::ClipPlan& clip, const jobs::ModelSet& models,
                            FileDigestCache& cache) {
  const Digest latents = jobs::latents_key(jobs::as_read(clip.video), jobs::as_read(clip.reference),
                                           models, clip.parameters);
  return look(
      clip.output, jobs::video_key(latents, models, clip.parameters), clip.parameters.precision,
      cache, [&](const jobs::OutputRecord& record) { return difference(record, clip, models); },
      [&](const jobs::OutputRecord& record) {
        return made_with(record, clip.reference, models, clip.parameters);
      });
}

OutputState look_at_film(const jobs::FilmPlan& film, const jobs::ModelSet& models,
                         FileDigestCache& cache) {
  const auto difference = [&](const jobs::OutputRecord& record) {
    return film_difference(record, film).value_or("the latents of its clips changed");
  };
  // Other clips and joins are what a film is made again for; other latents of the same ones are a
  // choice.
  const auto choice = [&](const jobs::OutputRecord& record) {
    return film_difference(record, film) ? "" : made_with(record, {}, models, film.parameters);
  };
  return look(film.output, film.key, film.parameters.precision, cache, difference, choice);
}

}  // namespace mimicfleet::coordinator
