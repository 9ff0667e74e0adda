#include "coordinator/client/media_looks.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "common/files/file_identity.h"
#include "common/files/io.h"
#include "common/json/json.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

// Of what is looked for; raised when more is.
constexpr std::uint32_t kLooksVersion = 2;
constexpr std::uintmax_t kMaxStoreBytes = 16 << 20;
// A file written to within this time may not be the one that was hashed.
constexpr std::int64_t kSettled_ns = 2'000'000'000;
// A difference in speed that nobody sees: that of 29.97 and 30.
constexpr double kSameSpeed = 0.01;

// A line of the store.
struct Entry {
  std::uint32_t version = 0;
  bool is_image = false;
  Digest content;
  std::int32_t width = 0;
  std::int32_t height = 0;
  std::int32_t rotation = 0;
  std::int32_t fps_numerator = 0;
  std::int32_t fps_denominator = 1;
  std::int64_t frames = 0;
  double seconds = 0;
  std::string container;
  std::string codec;
  std::string reading;
  std::vector<std::string> warnings;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("version", self.version);
    field("is_image", self.is_image);
    field("content", self.content);
    field("width", self.width);
    field("height", self.height);
    field("rotation", self.rotation);
    field("fps_numerator", self.fps_numerator);
    field("fps_denominator", self.fps_denominator);
    field("frames", self.frames);
    field("seconds", self.seconds);
    field("container", self.container);
    field("codec", self.codec);
    field("reading", self.reading);
    field("warnings", self.warnings);
  }
};

std::string line_of(std::string_view json) {
  if (json.ends_with('\n')) json.remove_suffix(1);
  return fmt::format("{:016x} {}", checksum64(json), json);
}

Entry entry_of(bool is_image, const Digest& content, const av::Looked& looked) {
  const av::VideoInfo& video = looked.video;
  return {.version = kLooksVersion,
          .is_image = is_image,
          .content = content,
          .width = video.width,
          .height = video.height,
          .rotation = video.rotation,
          .fps_numerator = video.average_fps.numerator,
          .fps_denominator = video.average_fps.denominator,
          .frames = video.declared_frames,
          .seconds = video.declared_seconds,
          .container = video.container,
          .codec = video.codec,
          .reading = looked.notes.done.text(),
          .warnings = looked.notes.warnings};
}

std::optional<Entry> parse_line(const std::string& line) {
  const std::string json = line.substr(std::min(line.find(' '), line.size() - 1) + 1);
  if (line_of(json) != line) return std::nullopt;
  auto entry = json::read<Entry>(json);
  if (!entry.ok() || entry->version != kLooksVersion || entry->fps_denominator < 1)
    return std::nullopt;
  return *std::move(entry);
}

av::Looked looked_of(Entry entry, av::Reading reading) {
  return {.video = {.width = entry.width,
                    .height = entry.height,
                    .rotation = entry.rotation,
                    .average_fps = {entry.fps_numerator, entry.fps_denominator},
                    .declared_frames = entry.frames,
                    .declared_seconds = entry.seconds,
                    .container = std::move(entry.container),
                    .codec = std::move(entry.codec)},
          .notes = {.done = reading, .warnings = std::move(entry.warnings)}};
}

bool is_settled(const jobs::FileRef& file) {
  const auto identity = identity_of(file.path);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return identity.ok() && identity->size == file.size_bytes &&
         std::chrono::nanoseconds(now).count() - identity->mtime_ns > kSettled_ns;
}

void take(const av::Looked& looked, std::string_view what, jobs::Compat compat, jobs::FileRef& file,
          std::vector<std::string>& warnings) {
  const av::Reading& reading = looked.notes.done;
  if (compat == jobs::Compat::kOriginal) {
    if (reading.empty()) return;
    warnings.push_back(
        fmt::format("{}: read as the original does (--compat original), though a viewer shows it "
                    "otherwise ({})",
                    what, reading.text()));
    return;
  }
  file.reading = reading.text();
  for (const std::string& warning : looked.notes.warnings) {
    warnings.push_back(fmt::format("{}: {}", what, warning));
  }
}

// As in the original the rate of the output is fixed by default: a motion of another rate changes
// its speed.
void tell_speed(const av::VideoInfo& video, jobs::ClipPlan& clip) {
  const double rate = video.average_fps.value();
  if (!(rate > 0) || clip.parameters.fps <= 0) return;
  const int stride = clip.parameters.sample_stride * std::max(1, static_cast<int>(rate / 24));
  const double speed = clip.parameters.fps * stride / rate;
  if (std::abs(speed - 1) < kSameSpeed) return;
  const bool fast = speed > 1;
  clip.warnings.push_back(
      fmt::format("the motion is {:.3g} times too {}: {:.4g} frames a second at stride {}, shown "
                  "at {:.4g}; --fps "
                  "source, or "
                  "--fps {:.4g}, keeps the speed",
                  fast ? speed : 1 / speed, fast ? "fast" : "slow", rate, stride,
                  clip.parameters.fps, rate / stride));
}

}  // namespace

MediaLooks::MediaLooks(std::string store) : store_(std::move(store)) {
  if (!store_.empty()) load();
}

void MediaLooks::load() {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(store_).parent_path(), ignored);
  const auto bytes = std::filesystem::file_size(store_, ignored);
  if (!ignored && bytes > kMaxStoreBytes) {
    std::filesystem::remove(store_, ignored);  // what is lost is looked at again
    return;
  }
  std::ifstream in(store_, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    auto entry = line.empty() ? std::nullopt : parse_line(line);
    if (!entry) continue;
    const auto reading = av::Reading::parse(entry->reading);
    if (!reading) continue;
    const Key key(entry->is_image, entry->content);
    known_[key] = looked_of(*std::move(entry), *reading);
  }
}

Result<av::Looked> MediaLooks::video(const jobs::FileRef& file) { return look(file, false); }
Result<av::Looked> MediaLooks::image(const jobs::FileRef& file) { return look(file, true); }

Result<av::Looked> MediaLooks::look(const jobs::FileRef& file, bool is_image) {
  const Key key(is_image, file.digest);
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  ASSIGN_OR_RETURN(av::Looked looked,
                   is_image ? prober_.image(file.path) : prober_.video(file.path));
  known_[key] = looked;
  if (!store_.empty() && is_settled(file)) keep(key, looked);
  return looked;
}

void MediaLooks::keep(const Key& key, const av::Looked& looked) const {
  // The leading line break ends a line that a killed process left torn.
  const std::string line =
      '\n' + line_of(json::write(entry_of(key.first, key.second, looked), -1)) + '\n';
  const UniqueFd fd(::open(store_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid() || ::flock(fd.get(), LOCK_EX) != 0) return;
  static_cast<void>(write_all(
      fd.get(), {reinterpret_cast<const std::uint8_t*>(line.data()), line.size()}, store_));
}

std::vector<std::string> input_warnings(const std::vector<const jobs::ClipPlan*>& clips) {
  std::vector<std::pair<std::string, std::vector<const jobs::ClipPlan*>>>
      by_text;  // as they first come
  for (const jobs::ClipPlan* clip : clips) {
    for (const std::string& warning : clip->warnings) {
      auto place = std::find_if(by_text.begin(), by_text.end(),
                                [&](const auto& entry) { return entry.first == warning; });
      if (place == by_text.end()) place = by_text.insert(by_text.end(), {warning, {}});
      place->second.push_back(clip);
    }
  }
  std::vector<std::string> lines;
  for (const auto& [text, those] : by_text) {
    const std::string name = log::printable(those.front()->output.relative);
    const std::string more = those.size() == 1 ? "" : fmt::format(" and {} more", those.size() - 1);
    lines.push_back(fmt::format("{}{}: {}", name, more, log::printable(text)));
  }
  return lines;
}

Status look_at_video(jobs::ClipPlan& clip, MediaLooks& looks) {
  const auto video = looks.video(clip.video);
  if (!video.ok()) return video.status();
  take(*video, "driving video", clip.parameters.compat, clip.video, clip.warnings);
  tell_speed(video->video, clip);
  return {};
}

LookedInputs look_at_inputs(jobs::ClipPlan& clip, MediaLooks& looks) {
  LookedInputs looked{look_at_video(clip, looks), {}};
  const auto image = looks.image(clip.reference);
  looked.reference = image.status();
  if (image.ok()) {
    const std::string what = fmt::format("reference image {}", log::printable(clip.reference.path));
    take(*image, what, clip.parameters.compat, clip.reference, clip.warnings);
  }
  return looked;
}

}  // namespace mimicfleet::coordinator
