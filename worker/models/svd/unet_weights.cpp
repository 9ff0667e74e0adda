#include "worker/models/svd/unet_weights.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/matmul.h>
#include <fmt/format.h>

#include "common/check.h"
#include "worker/models/nn/guarded.h"

namespace mimicfleet::svd {
namespace {

// What one LoRA does to one weight.
struct Change {
  weights::LoraUpdate update;
  const LoraToFuse* lora;
};
using Changes = std::map<std::string, std::vector<Change>>;  // by parameter

Result<Changes> read_changes(const nn::ParameterList& parameters,
                             std::span<const LoraToFuse> loras) {
  weights::ParameterShapes shapes;
  for (const auto& parameter : parameters) shapes.emplace(parameter.name, parameter.shape);
  Changes changes;
  for (const auto& lora : loras) {
    ASSIGN_OR_RETURN(auto updates, weights::read_lora(lora.tensors, shapes, lora.origin));
    for (auto& update : updates) {
      auto& of_parameter = changes[update.parameter];
      of_parameter.push_back({std::move(update), &lora});
    }
  }
  return changes;
}

at::Tensor matrix(const weights::TensorView& view, at::Device device) {
  return nn::as_tensor(view).to(device, at::kFloat).flatten(1);
}

// [r, in * kernel]
at::Tensor down_matrix(const weights::LoraUpdate& update, at::Device device) {
  at::Tensor down = matrix(update.down, device);
  if (!update.mid) return down;
  const at::Tensor mid = nn::as_tensor(*update.mid).to(device, at::kFloat).flatten(2);  // [r, r, K]
  return at::matmul(mid.transpose(1, 2), down).transpose(1, 2).flatten(1);  // [r, in * K]
}

// alpha / rank * scale * up @ down, in the shape of the weight.
at::Tensor delta_of(const Change& change, const at::Tensor& weight) {
  const auto& update = change.update;
  const double alpha = update.alpha ? nn::as_tensor(*update.alpha).to(at::kDouble).item<double>()
                                    : static_cast<double>(update.rank());
  const double factor = change.lora->scale * alpha / static_cast<double>(update.rank());
  const at::Tensor product =
      at::matmul(matrix(update.up, weight.device()), down_matrix(update, weight.device()));
  return product.mul_(factor).reshape(weight.sizes());
}

Status apply(const std::vector<Change>& changes, const nn::Parameter& parameter) {
  at::Tensor sum = parameter.tensor.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  for (const auto& change : changes) sum.add_(delta_of(change, parameter.tensor));
  at::Tensor weight = parameter.tensor;
  weight.copy_(sum);
  if (at::isfinite(weight).all().item<bool>()) return {};
  return {StatusCode::kBadInput,
          fmt::format(
              "{}: {} becomes too large for the type that the models compute in; give a smaller "
              "--lcm-lora-scale, or --precision fp32",
              changes.back().lora->origin, parameter.name)};
}

// The base's memory, but with copies of the blocks that hold a changed parameter.
nn::Memory with_copies(const UnetWeights& base, const Changes& changes) {
  std::set<const void*> touched;
  for (const auto& parameter : base.parameters) {
    if (!parameter.tensor.defined() || !changes.contains(parameter.name)) continue;
    touched.insert(parameter.tensor.storage().unsafeGetStorageImpl());
  }
  nn::Memory memory{base.memory.blocks, 0};
  for (auto& block : memory.blocks) {
    if (touched.contains(block.storage().unsafeGetStorageImpl())) block = block.clone();
  }
  return memory;
}

}  // namespace

Result<std::shared_ptr<const UnetWeights>> load_unet(const std::string& config,
                                                     const weights::TensorSet& tensors,
                                                     const std::string& origin,
                                                     at::TensorOptions options,
                                                     const nn::MayBeIgnored& may_be_ignored) {
  return nn::guarded("loading the UNet", [&]() -> Result<std::shared_ptr<const UnetWeights>> {
    auto weights = std::make_shared<UnetWeights>();
    ASSIGN_OR_RETURN(weights->config, read_unet_config(config));
    weights->options = options;
    weights->unet = std::make_shared<const Unet>(
        nn::Scope(weights->parameters, options, &weights->memory), weights->config);
    RETURN_IF_ERROR(
        nn::load_parameters(weights->parameters, tensors, "UNet", origin, may_be_ignored));
    return std::shared_ptr<const UnetWeights>(std::move(weights));
  });
}

Result<std::shared_ptr<const UnetWeights>> fuse_loras(const UnetWeights& base,
                                                      std::span<const LoraToFuse> loras) {
  return nn::guarded("fusing LoRAs", [&]() -> Result<std::shared_ptr<const UnetWeights>> {
    ASSIGN_OR_RETURN(const Changes changes, read_changes(base.parameters, loras));
    auto fused = std::make_shared<UnetWeights>();
    fused->config = base.config;
    fused->options = base.options;
    fused->memory = with_copies(base, changes);
    fused->unet = std::make_shared<const Unet>(
        nn::Scope(fused->parameters, fused->options, &fused->memory), fused->config);
    CHECK(fused->memory.next == base.memory.blocks.size());
    for (const auto& parameter : fused->parameters) {
      const auto change = changes.find(parameter.name);
      // Without memory: no equation reads it, so that its change has no effect.
      if (change == changes.end() || !parameter.tensor.defined()) continue;
      RETURN_IF_ERROR(apply(change->second, parameter));
    }
    return std::shared_ptr<const UnetWeights>(std::move(fused));
  });
}

}  // namespace mimicfleet::svd
