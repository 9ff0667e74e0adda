#include "worker/formats/import_latents.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "common/files/atomic_file.h"
#include "common/files/io.h"
#include "common/log.h"
#include "common/model_files/weights/contiguous.h"
#include "common/model_files/weights/torch_checkpoint.h"
#include "worker/formats/latents_bytes.h"

namespace mimicfleet::formats {
namespace {

using Metadata = std::map<std::string, std::string, std::less<>>;

constexpr std::string_view kPrefix = "metadata.";

Status bad(const std::string& origin, const std::string& cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}", origin, log::printable(cause))};
}

std::string text_of(const Metadata& metadata, std::string_view name) {
  const auto found = metadata.find(std::string(kPrefix) + std::string(name));
  return found == metadata.end() ? "" : found->second;
}

// The number of that name as text without needless digits: "15", "12.5"; "0" if there is none.
Result<std::string> number_of(const Metadata& metadata, std::string_view name,
                              const std::string& origin) {
  const std::string text = text_of(metadata, name);
  if (text.empty()) return std::string("0");
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool read = error == std::errc() && end == text.data() + text.size();
  if (!read || !(value >= 0) || value > 1e15)
    return bad(origin, fmt::format("its {} is no number", name));
  return fmt::format("{}", value);
}

// What stands in the metadata must be what the tensor shows.
Status check(const Metadata& metadata, std::string_view name, std::int64_t shown,
             const std::string& origin) {
  const std::string text = text_of(metadata, name);
  if (text.empty() || text == std::to_string(shown)) return {};
  return bad(origin, fmt::format("its {} is {}, its latents show {}", name, text, shown));
}

}  // namespace

Result<std::string> imported_latents(const weights::TensorSet& kept, const Digest& vae,
                                     const std::string& origin) {
  const auto found = kept.tensors.find("latents");
  if (found == kept.tensors.end())
    return bad(origin, "it holds no `latents`; the original's encode mode makes such");
  const auto& tensor = found->second;
  const auto& shape = tensor.shape;
  const bool fits = shape.size() == 5 && shape[0] == 1 && shape[1] > 0 && shape[2] == 4 &&
                    shape[3] > 0 && shape[4] > 0 &&
                    (tensor.dtype == weights::DType::kF16 || tensor.dtype == weights::DType::kF32);
  if (!fits) {
    return bad(origin,
               fmt::format("its latents are {} {}; expected are [1, F, 4, h, w] of type F16 or F32",
                           to_string(tensor.dtype), weights::shape_text(shape)));
  }
  if (has_unusable_values(tensor, true))
    return bad(origin, "its latents hold numbers that are not finite");
  RETURN_IF_ERROR(check(kept.metadata, "num_frames", shape[1], origin));
  RETURN_IF_ERROR(check(kept.metadata, "height", shape[3] * 8, origin));
  RETURN_IF_ERROR(check(kept.metadata, "width", shape[4] * 8, origin));
  Metadata metadata = {{"format", "mimicfleet.latents.1"},
                       {"video_name", text_of(kept.metadata, "video_name")},
                       {"num_frames", std::to_string(shape[1])},
                       {"height", std::to_string(shape[3] * 8)},
                       {"width", std::to_string(shape[4] * 8)},
                       {"dtype", tensor.dtype == weights::DType::kF16 ? "float16" : "float32"}};
  ASSIGN_OR_RETURN(metadata["fps"], number_of(kept.metadata, "fps", origin));
  ASSIGN_OR_RETURN(metadata["seed"], number_of(kept.metadata, "seed", origin));
  if (!vae.is_zero()) metadata["vae"] = vae.hex();
  const std::vector<std::uint8_t> values = contiguous_bytes(tensor);
  return latents_to_bytes(tensor.dtype, shape[1], shape[3], shape[4], values, metadata);
}

Result<std::string> import_latents(const std::string& file, const std::string& directory,
                                   const Digest& vae, bool replace) {
  const auto target = std::filesystem::path(directory) / std::filesystem::path(file).stem();
  const std::string path = target.string() + ".safetensors";
  std::error_code error;
  if (!replace && std::filesystem::exists(path, error)) {
    return Status(StatusCode::kFailedPrecondition,
                  path + ": is there already; give --overwrite to replace it");
  }
  ASSIGN_OR_RETURN(const weights::TensorSet kept, weights::open_torch_checkpoint(file));
  ASSIGN_OR_RETURN(const std::string bytes, imported_latents(kept, vae, file));
  std::filesystem::create_directories(directory, error);
  if (error)
    return file_error(directory, "cannot be made", error.value(), StatusCode::kFailedPrecondition);
  RETURN_IF_ERROR(write_file_atomically(path, bytes));
  return path;
}

}  // namespace mimicfleet::formats
