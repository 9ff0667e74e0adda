#include "worker/library/unet_pool.h"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/model_files/weights/open.h"
#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/fp8.h"
#include "worker/models/nn/guarded.h"
#include "worker/models/svd/unet.h"

namespace mimicfleet::library {
namespace {

std::uint64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

Result<weights::TensorSet> read(const StableFile& file, std::uint64_t& bytes) {
  auto tensors = weights::open_weights(file.fd(), file.path());
  bytes += file.identity().size;
  return tensors;
}

Status bad(const StableFile& file, const std::string& cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}", file.path(), cause)};
}

}  // namespace

// A file that was given as a LoRA is what its content says.
Status UnetPool::sort(const StableFile& file, double scale, Opened& opened) {
  ASSIGN_OR_RETURN(weights::TensorSet tensors, read(file, opened.bytes));
  const auto prefix = weights::whole_unet_prefix(tensors);
  if (!prefix) {
    opened.loras.push_back({file.path(), std::move(tensors), scale});
    return {};
  }
  if (opened.overlay) {
    return bad(file,
               fmt::format("is a whole UNet and no LoRA, and so is {}: give one, as --unet-overlay",
                           opened.overlay->origin));
  }
  if (scale != 1) {
    return bad(
        file, fmt::format("is a whole UNet and no LoRA, so that --lcm-lora-scale {} means nothing; "
                          "give it as --unet-overlay",
                          scale));
  }
  opened.overlay = Overlay{file.digest(), file.path(), tensors.with_prefix(*prefix)};
  opened.note =
      fmt::format("{} is a whole UNet and no LoRA; it was used as --unet-overlay", file.path());
  return {};
}

Result<UnetPool::Opened> UnetPool::open(const UnetAdaptation& adaptation) {
  Opened opened;
  if (adaptation.overlay) {
    const StableFile& file = *adaptation.overlay;
    ASSIGN_OR_RETURN(const weights::TensorSet tensors, read(file, opened.bytes));
    const auto prefix = weights::whole_unet_prefix(tensors);
    if (!prefix) {
      return bad(file,
                 weights::looks_like_lora(tensors)
                     ? "is a LoRA and no whole UNet; give it as --lcm-lora-path"
                     : "holds no whole UNet: conv_in.weight is not in it; give a file such as "
                       "AnimateLCM-SVD-xt-1.1.safetensors");
    }
    opened.overlay = Overlay{file.digest(), file.path(), tensors.with_prefix(*prefix)};
  }
  for (const auto& lora : adaptation.loras) RETURN_IF_ERROR(sort(lora.file, lora.scale, opened));
  return opened;
}

// What is held is given up first, so that there are never two.
Status UnetPool::load_whole(Opened& opened, svd::DiffusionModels& models) {
  whole_.reset();
  fused_.reset();
  quantised_.reset();
  models.unet.reset();
  models.unet_weights.reset();
  if (opened.overlay) {
    const auto options = at::TensorOptions().device(models.device).dtype(models.dtype);
    const auto& overlay = *opened.overlay;
    ASSIGN_OR_RETURN(models.unet_weights,
                     svd::load_unet(config_, overlay.tensors, overlay.origin, options));
    whole_ = overlay.digest;
    return {};
  }
  opened.bytes += size_of(checkpoint_);
  RETURN_IF_ERROR(pinned_->read([&] { return load_own(models); }));
  whole_ = own_;
  return {};
}

Status UnetPool::load_own(svd::DiffusionModels& models) const {
  const auto options = at::TensorOptions().device(models.device).dtype(models.dtype);
  ASSIGN_OR_RETURN(const auto tensors, weights::open_weights({checkpoint_}));
  const auto ignore_all = [](std::string_view /*name*/) { return true; };
  ASSIGN_OR_RETURN(models.unet_weights,
                   svd::load_unet(config_, tensors.with_prefix(svd::kUnetPrefix), checkpoint_,
                                  options, ignore_all));
  return {};
}

// What was read of a file that changed meanwhile is not kept under the digest of what it was.
Status UnetPool::check_unchanged(const UnetAdaptation& adaptation) {
  Status status = adaptation.overlay ? adaptation.overlay->check_unchanged() : Status();
  for (const auto& lora : adaptation.loras) {
    if (status.ok()) status = lora.file.check_unchanged();
  }
  if (status.ok()) return status;
  fused_.reset();
  quantised_.reset();
  if (whole_ != own_) whole_.reset();
  return status;
}

Status UnetPool::fuse(const Digest& key, const Opened& opened, svd::DiffusionModels& models) {
  fused_.reset();
  quantised_.reset();
  std::vector<svd::LoraToFuse> loras;
  for (const auto& lora : opened.loras) loras.push_back({lora.tensors, lora.origin, lora.scale});
  ASSIGN_OR_RETURN(const auto fused, svd::fuse_loras(*models.unet_weights, loras));
  fused_ = Fused{key, opened.note, fused->unet};
  models.unet = fused_->unet;
  return {};
}

Status UnetPool::quantise(svd::DiffusionModels& models) {
  quantised_.reset();
  if (!models.device.is_cpu()) {
    const Status tried = nn::try_fp8(models.device, models.dtype);
    if (!tried.ok())
      return {StatusCode::kFailedPrecondition, fmt::format("--fp8: {}", tried.message())};
  }
  ASSIGN_OR_RETURN(auto unet, nn::guarded("quantising the UNet", [&]() -> Result<svd::Unet> {
                     svd::Unet made = models.unet->in_fp8();
                     nn::synchronize(models.device);
                     return made;
                   }));
  quantised_ = Quantised{models.unet, std::make_shared<const svd::Unet>(std::move(unet))};
  return {};
}

Result<UnetPool::Use> UnetPool::use(const UnetAdaptation& adaptation,
                                    svd::DiffusionModels& models) {
  if (quantised_ && models.unet == quantised_->unet) models.unet = quantised_->of;
  ASSIGN_OR_RETURN(Use use, use_weights(adaptation, models));
  if (!adaptation.fp8) return use;
  if (!quantised_ || quantised_->of != models.unet) {
    const Instant begin = SteadyClock().now();
    RETURN_IF_ERROR(quantise(models));
    use.seconds += to_seconds(SteadyClock().now() - begin);
  }
  models.unet = quantised_->unet;
  return use;
}

Result<UnetPool::Made> UnetPool::make(const UnetAdaptation& adaptation,
                                      svd::DiffusionModels& models) {
  ASSIGN_OR_RETURN(Opened opened, open(adaptation));
  const bool was_there = whole_ == (opened.overlay ? opened.overlay->digest : own_);
  if (!was_there) RETURN_IF_ERROR(load_whole(opened, models));
  models.unet = models.unet_weights->unet;
  if (!opened.loras.empty()) RETURN_IF_ERROR(fuse(adaptation.key, opened, models));
  return Made{std::move(opened), was_there};
}

Result<UnetPool::Use> UnetPool::use_weights(const UnetAdaptation& adaptation,
                                            svd::DiffusionModels& models) {
  if (active_ == adaptation.key) return Use{0, 0, note_};
  active_.reset();
  if (fused_ && fused_->key == adaptation.key) {
    models.unet = fused_->unet;
    note_ = fused_->note;
    active_ = adaptation.key;
    return Use{0, 0, note_};
  }
  const Instant begin = SteadyClock().now();
  auto made = make(adaptation, models);
  RETURN_IF_ERROR(check_unchanged(adaptation));  // says more than what a torn file looks like
  if (!made.ok()) return made.status();
  const Opened& opened = made->opened;
  note_ = opened.note;
  active_ = adaptation.key;
  if (made->was_there && opened.loras.empty()) return Use{0, opened.bytes, note_};
  const double seconds = to_seconds(SteadyClock().now() - begin);
  log::info("UNet {} in {:.2f} s", opened.loras.empty() ? "loaded" : "with LoRAs", seconds);
  return Use{seconds, opened.bytes, note_};
}

}  // namespace mimicfleet::library
