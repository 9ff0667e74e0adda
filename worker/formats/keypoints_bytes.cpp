#include "worker/formats/keypoints_bytes.h"

#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "worker/formats/array_bytes.h"

namespace mimicfleet::formats {
namespace {

using weights::DType;

constexpr std::int64_t kMaxPixels = 1 << 16;
constexpr std::int64_t kMaxFrames = 1 << 24;
constexpr std::int64_t kMaxStride = 1'000'000'000;
constexpr const char* kKeypointsWarnings = "warnings";  // one a line, the number of its frame first

template <typename T>
void copy_out(const weights::TensorView& view, std::size_t first, T* target, std::size_t count) {
  std::memcpy(target, view.bytes.data() + first * sizeof(T), count * sizeof(T));
}

bool has_shape(const weights::TensorView& view, const std::vector<std::int64_t>& shape) {
  return view.shape == shape;
}

std::string lines_of(const std::vector<FrameWarning>& warnings) {
  std::string lines;
  for (const auto& [frame, text] : warnings) lines += std::to_string(frame) + ' ' + text + '\n';
  return lines;
}

// Nothing if they are none.
std::optional<std::vector<FrameWarning>> warnings_from(std::string_view lines) {
  std::vector<FrameWarning> warnings;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    FrameWarning warning;
    const auto [rest, error] = std::from_chars(lines.data(), lines.data() + end, warning.frame);
    if (error != std::errc() || *rest != ' ' || warning.frame < 0) return std::nullopt;
    warning.text.assign(rest + 1, lines.data() + end);
    warnings.push_back(std::move(warning));
    lines.remove_prefix(end + 1);
  }
  return warnings;
}

}  // namespace

std::string keypoints_to_bytes(const VideoKeypoints& keypoints) {
  static_assert(sizeof(pose::Point) == 2 * sizeof(double));
  std::vector<std::int32_t> persons;
  std::vector<std::uint8_t> nobody;
  std::vector<pose::Point> points;
  std::vector<double> scores;
  for (const auto& frame : keypoints.frames) {
    persons.push_back(static_cast<std::int32_t>(frame.persons.size()));
    nobody.push_back(frame.nobody ? 1 : 0);
    for (const auto& person : frame.persons) {
      points.insert(points.end(), person.points.begin(), person.points.end());
      scores.insert(scores.end(), person.scores.begin(), person.scores.end());
    }
  }
  const auto all = static_cast<std::int64_t>(scores.size()) / pose::kKeypoints;
  const bool empty = keypoints.frames.empty();
  std::map<std::string, std::string, std::less<>> strings = {
      {"height", std::to_string(empty ? 0 : keypoints.frames[0].height)},
      {"width", std::to_string(empty ? 0 : keypoints.frames[0].width)},
      {"fps_numerator", std::to_string(keypoints.average_fps.numerator)},
      {"fps_denominator", std::to_string(keypoints.average_fps.denominator)},
      {"stride", std::to_string(keypoints.stride)}};
  if (!keypoints.warnings.empty()) strings[kKeypointsWarnings] = lines_of(keypoints.warnings);
  return weights::safetensors_bytes(
      {{"nobody", DType::kU8, {static_cast<std::int64_t>(nobody.size())}, raw_bytes(nobody)},
       {"persons", DType::kI32, {static_cast<std::int64_t>(persons.size())}, raw_bytes(persons)},
       {"points", DType::kF64, {all, pose::kKeypoints, 2}, raw_bytes(points)},
       {"scores", DType::kF64, {all, pose::kKeypoints}, raw_bytes(scores)}},
      strings);
}

Result<VideoKeypoints> keypoints_from_bytes(std::string bytes) {
  const Status misshapen(StatusCode::kBadInput, "key points: the tensors do not fit together");
  ASSIGN_OR_RETURN(const auto set, parse_arrays(std::move(bytes), "key points"));
  ASSIGN_OR_RETURN(const auto persons, array_of(set, "persons", DType::kI32, 1));
  ASSIGN_OR_RETURN(const auto nobody, array_of(set, "nobody", DType::kU8, 1));
  ASSIGN_OR_RETURN(const auto points, array_of(set, "points", DType::kF64, 3));
  ASSIGN_OR_RETURN(const auto scores, array_of(set, "scores", DType::kF64, 2));
  ASSIGN_OR_RETURN(const auto height, integer_of(set, "height", kMaxPixels));
  ASSIGN_OR_RETURN(const auto width, integer_of(set, "width", kMaxPixels));
  ASSIGN_OR_RETURN(const auto fps_numerator, integer_of(set, "fps_numerator", INT32_MAX));
  ASSIGN_OR_RETURN(const auto fps_denominator, integer_of(set, "fps_denominator", INT32_MAX));
  VideoKeypoints keypoints;
  ASSIGN_OR_RETURN(keypoints.stride, integer_of(set, "stride", kMaxStride));
  if (const auto lines = set.metadata.find(kKeypointsWarnings); lines != set.metadata.end()) {
    auto warnings = warnings_from(lines->second);
    if (!warnings) return misshapen;
    keypoints.warnings = *std::move(warnings);
  }
  if (fps_denominator == 0 || persons.shape[0] > kMaxFrames || nobody.shape != persons.shape)
    return misshapen;
  keypoints.average_fps = {static_cast<int>(fps_numerator), static_cast<int>(fps_denominator)};
  const std::int64_t all = scores.shape[0];
  if (!has_shape(points, {all, pose::kKeypoints, 2}) ||
      !has_shape(scores, {all, pose::kKeypoints})) {
    return misshapen;
  }
  std::int64_t taken = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(persons.shape[0]); ++i) {
    std::int32_t count = 0;
    copy_out(persons, i, &count, 1);
    if (count < 0 || count > all - taken) return misshapen;
    pose::FramePose frame{static_cast<int>(height), static_cast<int>(width), {}};
    frame.nobody = nobody.bytes[i] != 0;
    frame.persons.resize(static_cast<std::size_t>(count));
    for (auto& person : frame.persons) {
      const auto first = static_cast<std::size_t>(taken++) * pose::kKeypoints;
      copy_out(points, first, person.points.data(), pose::kKeypoints);
      copy_out(scores, first, person.scores.data(), pose::kKeypoints);
    }
    keypoints.frames.push_back(std::move(frame));
  }
  if (taken != all) return misshapen;
  return keypoints;
}

}  // namespace mimicfleet::formats
