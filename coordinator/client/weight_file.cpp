#include "coordinator/client/weight_file.h"

#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "common/files/io.h"
#include "common/log.h"
#include "common/weights/open.h"
#include "common/weights/torch_checkpoint.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::string_view kUnetPrefix = "unet.";  // in MimicMotion's checkpoint

Status bad(const std::string& path, std::string_view cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}", path, cause)};
}

Result<weights::TensorSet> look_into(const std::string& path) {
  ASSIGN_OR_RETURN(const UniqueFd fd, open_for_reading(path));
  return weights::open_weights(fd.get(), path, weights::Sums::kSkip);
}

// What a tensor of a whole UNet has wrong, or nothing. Workers say what is missing: a checkpoint
// may hold more than they need.
std::string misfit(const std::string& name, const weights::TensorView& tensor,
                   const weights::ParameterShapes& unet) {
  const auto found = unet.find(name);
  if (found == unet.end()) return "is none of its weights";
  if (found->second == tensor.shape) return "";
  return fmt::format("is {} instead of {}", weights::shape_text(tensor.shape),
                     weights::shape_text(found->second));
}

Status check_whole_unet(const std::string& path, const weights::TensorSet& tensors,
                        const weights::ParameterShapes* unet) {
  if (unet == nullptr) return {};
  std::size_t count = 0;
  std::string first;
  for (const auto& [name, tensor] : tensors.tensors) {
    const std::string fault = misfit(name, tensor, *unet);
    if (!fault.empty() && count++ == 0) first = fmt::format("{} {}", log::printable(name), fault);
  }
  if (count == 0) return {};
  return bad(
      path,
      fmt::format("is a UNet of another model: {} of its {} tensors do not fit, such as {}; take "
                  "one that was made for Stable Video Diffusion",
                  count, tensors.tensors.size(), first));
}

}  // namespace

Result<weights::ParameterShapes> unet_parameters(const std::string& checkpoint) {
  ASSIGN_OR_RETURN(const auto tensors,
                   weights::open_torch_checkpoint(checkpoint, weights::Sums::kSkip));
  weights::ParameterShapes shapes;
  for (const auto& [name, tensor] : tensors.with_prefix(kUnetPrefix).tensors) {
    shapes.emplace(name, tensor.shape);
  }
  return shapes;
}

Status check_lora_file(const std::string& path, const weights::ParameterShapes* unet) {
  ASSIGN_OR_RETURN(const weights::TensorSet tensors, look_into(path));
  const auto prefix = weights::whole_unet_prefix(tensors);
  return prefix ? check_whole_unet(path, tensors.with_prefix(*prefix), unet)
                : weights::check_lora(tensors, unet, path);
}

Status check_overlay_file(const std::string& path, const weights::ParameterShapes* unet) {
  ASSIGN_OR_RETURN(const weights::TensorSet tensors, look_into(path));
  const auto prefix = weights::whole_unet_prefix(tensors);
  if (prefix) return check_whole_unet(path, tensors.with_prefix(*prefix), unet);
  return bad(path, weights::looks_like_lora(tensors)
                       ? "is a LoRA and no whole UNet; give it as --lcm-lora-path"
                       : "holds no whole UNet: conv_in.weight is not in it; give a file such as "
                         "AnimateLCM-SVD-xt-1.1.safetensors");
}

}  // namespace mimicfleet::coordinator
