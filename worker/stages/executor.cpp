#include "worker/stages/executor.h"

#include <algorithm>

#include "common/log.h"
#include "worker/stages/decode_video.h"
#include "worker/stages/encode_latents.h"

namespace mimicfleet::stages {
namespace {

constexpr std::size_t kMaxAnnouncedArtefacts = 4096;
constexpr std::size_t kMaxAnnouncedFeatures = 16384;

// The device as a part of a folder's name.
std::string slot_of(std::string device) {
  std::replace(device.begin(), device.end(), ':', '-');
  return device;
}

std::string advertised(const std::string& bound, const std::string& host) {
  return host.empty() ? bound : "tcp://" + host + bound.substr(bound.rfind(':'));
}

Status adapt_unet(const Services& services, LoadedModels& models, const UnetAdaptation& adaptation,
                  runner::TaskContext& context) {
  ASSIGN_OR_RETURN(const auto use, models.unets.use(adaptation, models.diffusion));
  if (use.seconds > 0) {
    services.metrics.unet_adapted();
    context.add_time("load", use.seconds, false);
  }
  if (!use.note.empty()) context.warn(use.note);
  return {};
}

}  // namespace

StageExecutor::StageExecutor(ExecutorOptions options, Post post, const worker::WorkerMetrics& metrics)
    : options_(std::move(options)),
      post_(std::move(post)),
      metrics_(metrics),
      digests_(options_.digest_store) {}

StageExecutor::~StageExecutor() = default;

Status StageExecutor::open_artefacts() {
  ASSIGN_OR_RETURN(data_folder_,
                   cache::PrivateFolder::claim(options_.data_dir, "worker-" + slot_of(options_.device)));
  ASSIGN_OR_RETURN(artefacts_,
                   artefacts::ArtefactStore::open(data_folder_->path(), options_.artefact_capacity_bytes));
  ASSIGN_OR_RETURN(artefact_server_,
                   artefacts::ArtefactServer::start(options_.data_bind_endpoint, *artefacts_,
                                                    [this](std::size_t bytes) { metrics_.sent(bytes); }));
  post_(agent::Holding{advertised(artefact_server_->endpoint(), options_.data_advertised_host),
                       artefacts_->list(kMaxAnnouncedArtefacts)});
  return {};
}

void StageExecutor::open_feature_cache(const jobs::NumericsClass& numerics) {
  if (options_.feature_cache_dir.empty()) return;
  auto opened = cache::FeatureCache::open(
      {options_.feature_cache_dir, slot_of(options_.device), numerics.name(), options_.feature_cache_limit,
       [this](std::uint64_t bytes, std::size_t evicted) { metrics_.cache_size(bytes, evicted); }},
      [this](cache::EntryKind entry, cache::Outcome outcome) { metrics_.cache_request(entry, outcome); });
  if (opened.ok()) {
    feature_cache_ = std::move(*opened);
    metrics_.cache_limit(feature_cache_->limit_bytes());
  } else {
    log::warn("going on without a feature cache: {}", opened.status().message());
  }
}

Result<agent::Ready> StageExecutor::load() {
  ASSIGN_OR_RETURN(InputFiles inputs, InputFiles::open(options_.roots, digests_));
  RETURN_IF_ERROR(open_artefacts());
  ASSIGN_OR_RETURN(Device device, open_device(options_.device, options_.precision, options_.threads));
  open_feature_cache(device.numerics);
  ASSIGN_OR_RETURN(ModelLibrary models, ModelLibrary::find(options_.models, digests_));
  services_.reset(new Services{std::move(inputs), feature_cache_.get(), *artefacts_, std::move(device),
                               std::move(models), options_.decoder_only, options_.worker_name, metrics_});
  const auto sets = services_->models.sets();
  ASSIGN_OR_RETURN(const auto first, services_->use_models(sets.at(0).id));
  load_seconds_ = first.load_seconds;
  agent::Ready ready{services_->device.name, services_->device.numerics, sets, {}};
  if (feature_cache_) ready.features = feature_cache_->held(kMaxAnnouncedFeatures);
  return ready;
}

Result<std::unique_ptr<runner::Prepared>> StageExecutor::prepare(const jobs::LeaseGrant& lease,
                                                                 runner::TaskContext& context) {
  CHECK(services_ != nullptr);  // no lease is taken before the models are loaded
  const auto as_base = [](auto prepared) -> Result<std::unique_ptr<runner::Prepared>> {
    if (!prepared.ok()) return prepared.status();
    return std::unique_ptr<runner::Prepared>(std::move(*prepared));
  };
  if (lease.spec.kind == jobs::TaskKind::kEncodeLatents) {
    return as_base(prepare_encode(*services_, lease, context));
  }
  return as_base(prepare_decode(*services_, lease, context));
}

Result<jobs::TaskResult> StageExecutor::run(const jobs::LeaseGrant& lease, runner::Prepared& prepared,
                                            runner::TaskContext& context) {
  ASSIGN_OR_RETURN(const auto use, services_->use_models(lease.spec.model_set));
  // The first task pays for the models that it found loaded; from then on they are warm.
  const double load_seconds = use.load_seconds + std::exchange(load_seconds_, 0);
  context.add_time("load", load_seconds, load_seconds == 0);
  if (lease.spec.kind == jobs::TaskKind::kEncodeLatents) {
    auto& inputs = dynamic_cast<EncodeInputs&>(prepared);
    if (!inputs.made) RETURN_IF_ERROR(adapt_unet(*services_, *use.models, inputs.adaptation, context));
    return run_encode(*services_, *use.models, lease, inputs, context);
  }
  return run_decode(*services_, *use.models, lease, dynamic_cast<DecodeInputs&>(prepared), context);
}

}  // namespace mimicfleet::stages
