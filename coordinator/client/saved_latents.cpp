#include "coordinator/client/saved_latents.h"

#include <charconv>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

#include "common/files/file_identity.h"
#include "common/json/json.h"
#include "coordinator/client/changed_setting.h"
#include "jobs/keys.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::int64_t kMaxSide = 8192;  // of the latents; eight times as many pixels
constexpr std::int64_t kMaxFrames = 1'000'000;

std::string text_of(const safetensors::Header& header, std::string_view name) {
  const auto found = header.metadata.find(name);
  return found == header.metadata.end() ? "" : found->second;
}

Digest digest_of(const safetensors::Header& header, std::string_view name) {
  return Digest::from_hex(text_of(header, name)).value_or(Digest());
}

double number_of(const safetensors::Header& header, std::string_view name) {
  const std::string text = text_of(header, name);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 && value < 1e6
             ? value
             : 0;
}

bool are_latents(const safetensors::Entry& tensor) {
  const auto& shape = tensor.shape;
  if (shape.size() != 5 || shape[0] != 1 || shape[2] != 4) return false;
  if (shape[1] < 1 || shape[1] > kMaxFrames || shape[3] < 1 || shape[3] > kMaxSide ||
      shape[4] < 1 || shape[4] > kMaxSide) {
    return false;
  }
  const std::uint64_t item = tensor.dtype == "F16" ? 2 : tensor.dtype == "F32" ? 4 : 0;
  const auto count = static_cast<std::uint64_t>(shape[1] * 4 * shape[3] * shape[4]);
  return item != 0 && tensor.end - tensor.begin == count * item;
}

}  // namespace

Result<LatentsFile> describe_latents(const safetensors::Header& header) {
  const auto tensor = header.tensors.find("latents");
  if (tensor == header.tensors.end() || !are_latents(tensor->second)) {
    return Status(StatusCode::kBadInput,
                  "it holds no tensor 'latents' of shape [1, F, 4, h, w] and type F16 or F32");
  }
  LatentsFile file;
  const auto& shape = tensor->second.shape;
  file.saved.frames = static_cast<std::int32_t>(shape[1]);
  file.saved.height = static_cast<std::int32_t>(shape[3] * 8);
  file.saved.width = static_cast<std::int32_t>(shape[4] * 8);
  file.saved.fps = number_of(header, "fps");
  file.saved.key = digest_of(header, "key");
  file.saved.vae = digest_of(header, "vae");
  file.models.id = digest_of(header, "models");
  file.models.name = text_of(header, "models_name");
  file.models.checkpoint = text_of(header, "checkpoint");
  file.driving = digest_of(header, "driving");
  file.reference = digest_of(header, "reference");
  file.reference_path = text_of(header, "reference_path");
  file.precision = text_of(header, "precision");
  if (auto parameters = json::read<jobs::Parameters>(text_of(header, "parameters"));
      parameters.ok()) {
    file.parameters = *parameters;
  }
  std::istringstream warnings(text_of(header, "warnings"));
  for (std::string line; std::getline(warnings, line);) file.warnings.push_back(std::move(line));
  return file;
}

Result<LatentsFile> read_latents_file(const std::string& path, FileDigestCache& cache) {
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  const std::string place = error ? path : real.string();
  ASSIGN_OR_RETURN(const safetensors::Header header, safetensors::read_header(place));
  auto file = describe_latents(header);
  if (!file.ok()) return file.status().prefixed(path);
  ASSIGN_OR_RETURN(const FileIdentity identity, identity_of(place));
  file->saved.file.path = place;
  file->saved.file.size_bytes = identity.size;
  ASSIGN_OR_RETURN(file->saved.file.digest, cache.digest(place));
  return file;
}

std::string latents_differ(const LatentsFile& file, const jobs::ClipPlan& clip,
                           const jobs::ModelSet& models) {
  if (file.saved.key.is_zero()) return "";
  const auto precision = clip.parameters.precision;
  const bool same_precision = precision == jobs::Precision::kAuto || file.precision.empty() ||
                              to_string(precision) == file.precision;
  const Digest key = jobs::latents_key(jobs::as_read(clip.video), jobs::as_read(clip.reference),
                                       models, clip.parameters);
  if (file.saved.key == key && same_precision) return "";
  if (file.saved.key == key) return fmt::format("precision was {}", file.precision);
  const Digest video = jobs::as_read(clip.video);
  const Digest reference = jobs::as_read(clip.reference);
  if (file.driving != video && file.driving == clip.video.digest)
    return "the video is read otherwise now";
  if (file.driving != video) return "the video changed";
  if (file.reference != reference && file.reference == clip.reference.digest) {
    return "the reference image is read otherwise now";
  }
  if (file.reference != reference) return "the reference image changed";
  if (file.models.id != models.id) return "the models changed";
  if (!file.parameters) return "how they were made is not known";
  return changed_setting(of_encode(*file.parameters), of_encode(clip.parameters));
}

std::string latents_made_with(const LatentsFile& file, const jobs::ClipPlan& clip,
                              const jobs::ModelSet& models) {
  if (!file.models.name.empty()) {  // files of older versions do not say it
    if (auto other = other_models(file.models, models); !other.empty()) return other;
  }
  const bool is_another_image =
      file.reference != jobs::as_read(clip.reference) && file.reference_path != clip.reference.path;
  if (!file.reference_path.empty() && is_another_image) {
    return fmt::format("the reference image {}", file.reference_path);
  }
  return file.parameters ? other_choice(*file.parameters, clip.parameters) : "";
}

}  // namespace mimicfleet::coordinator
