#include "worker/formats/latents_bytes.h"

#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/json/json.h"
#include "jobs/keys.h"
#include "worker/formats/array_bytes.h"

namespace mimicfleet::formats {
namespace {

constexpr std::int64_t kChannels = 4;
constexpr const char* kLatentsWarnings = "warnings";  // one a line

}  // namespace

std::string latents_to_bytes(weights::DType dtype, std::int64_t frames, std::int64_t h,
                             std::int64_t w, std::span<const std::uint8_t> values,
                             const LatentsMetadata& metadata) {
  return weights::safetensors_bytes({{"latents", dtype, {1, frames, kChannels, h, w}, values}},
                                    metadata);
}

LatentsMetadata saved_metadata(const SavedDescription& saved) {
  LatentsMetadata metadata = {{"format", "mimicfleet.latents.1"},
                              {"video_name", std::filesystem::path(saved.driving.path).filename()},
                              {"num_frames", std::to_string(saved.frames)},
                              {"height", std::to_string(saved.height)},
                              {"width", std::to_string(saved.width)},
                              {"fps", fmt::format("{}", saved.fps)},
                              {"seed", std::to_string(saved.parameters.seed)},
                              {"dtype", saved.half ? "float16" : "float32"},
                              {"key", saved.key.hex()},
                              {"vae", saved.models.vae.hex()},
                              {"models", saved.models.id.hex()},
                              {"models_name", saved.models.name},
                              {"checkpoint", saved.models.checkpoint},
                              {"driving", jobs::as_read(saved.driving).hex()},
                              {"reference", jobs::as_read(saved.reference).hex()},
                              {"reference_path", saved.reference.path},
                              {"precision", saved.numerics.precision},
                              {"parameters", json::to_text(wire::to_value(saved.parameters))}};
  put_warnings(saved.warnings, metadata);
  return metadata;
}

void put_warnings(const std::vector<std::string>& warnings, LatentsMetadata& metadata) {
  if (!warnings.empty()) metadata[kLatentsWarnings] = fmt::format("{}", fmt::join(warnings, "\n"));
}

std::vector<std::string> warnings_of(const LatentsMetadata& metadata) {
  const auto told = metadata.find(kLatentsWarnings);
  std::istringstream lines(told == metadata.end() ? "" : told->second);
  std::vector<std::string> warnings;
  for (std::string line; std::getline(lines, line);) warnings.push_back(std::move(line));
  return warnings;
}

Result<Latents> latents_from_bytes(std::string bytes, const std::string& origin) {
  ASSIGN_OR_RETURN(auto set, parse_arrays(std::move(bytes), origin));
  const auto found = set.tensors.find("latents");
  const Status wrong(
      StatusCode::kBadInput,
      origin + ": it holds no tensor 'latents' of shape [1, F, 4, h, w] and type F16 or F32");
  if (found == set.tensors.end()) return wrong;
  const auto& tensor = found->second;
  const auto& shape = tensor.shape;
  const bool fits = shape.size() == 5 && shape[0] == 1 && shape[1] > 0 && shape[2] == kChannels &&
                    shape[3] > 0 && shape[4] > 0 &&
                    (tensor.dtype == weights::DType::kF16 || tensor.dtype == weights::DType::kF32);
  if (!fits) return wrong;
  return Latents{tensor, std::move(set.metadata)};
}

}  // namespace mimicfleet::formats
