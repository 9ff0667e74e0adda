#include "worker/stages/executor.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/log.h"
#include "common/media/media_child.h"
#include "jobs/abilities.h"
#include "jobs/stages.h"
#include "worker/artefacts/data_port.h"
#include "worker/models/nn/accelerator.h"
#include "worker/models/nn/guarded.h"
#include "worker/stages/decode_video.h"
#include "worker/stages/encode_latents.h"

namespace mimicfleet::stages {
namespace {

constexpr std::size_t kMaxAnnouncedArtefacts = 4096;
constexpr std::size_t kMaxAnnouncedFeatures = 16384;
constexpr std::uint64_t kArtefactCapacityBytes = std::uint64_t{16} << 30;
// Processes that decode or encode: a clip's video, its reference image, its output.
constexpr std::size_t kSpareMedia = 3;

// The device as a part of a folder's name.
std::string slot_of(std::string device) {
  std::replace(device.begin(), device.end(), ':', '-');
  return device;
}

std::string advertised(const std::string& bound, const std::string& host) {
  return host.empty() ? bound : "tcp://" + host + bound.substr(bound.rfind(':'));
}

bool may_be_of_device(const Status& status) {
  return status.code() == StatusCode::kResourceExhausted || status.code() == StatusCode::kInternal;
}

Status adapt_unet(const Services& services, library::LoadedModels& models,
                  const library::UnetAdaptation& adaptation, runner::TaskContext& context) {
  if (adaptation.fp8) RETURN_IF_ERROR(device::check_fp8(services.device));
  ASSIGN_OR_RETURN(const auto use, models.unets.use(adaptation, models.diffusion));
  if (use.seconds > 0) {
    services.metrics.unet_adaptations.add();
    context.add_time(jobs::Stage::kLoad, use.seconds, false);
  }
  if (!use.note.empty()) context.warn(use.note);
  return {};
}

}  // namespace

Result<device::Device> open_device(const worker::WorkerConfig& config) {
  return device::open_device(config.device, config.precision, config.threads);
}

StageExecutor::StageExecutor(const worker::WorkerConfig& config, Post post,
                             const worker::WorkerMetrics& metrics, ExecutorSeams seams)
    : config_(config),
      post_(std::move(post)),
      seams_(std::move(seams)),
      metrics_(metrics),
      digests_(config.digest_store) {}

StageExecutor::~StageExecutor() { media::keep_spare_media(0); }

Status StageExecutor::open_artefacts() {
  ASSIGN_OR_RETURN(const auto port, artefacts::data_port(config_.advertise, config_.insecure));
  ASSIGN_OR_RETURN(data_folder_, cache::PrivateFolder::claim(config_.data_dir,
                                                             "worker-" + slot_of(config_.device)));
  ASSIGN_OR_RETURN(artefacts_,
                   artefacts::ArtefactStore::open(data_folder_->path(), kArtefactCapacityBytes));
  ASSIGN_OR_RETURN(
      artefact_server_,
      artefacts::ArtefactServer::start(port.bind_endpoint, *artefacts_,
                                       [sent = metrics_.artefact_bytes.at({{"direction", "sent"}})](
                                           std::size_t bytes) { sent.add(bytes); }));
  post_(worker::Holding{advertised(artefact_server_->endpoint(), port.advertised_host),
                        artefacts_->list(kMaxAnnouncedArtefacts)});
  return {};
}

void StageExecutor::open_feature_cache(const jobs::NumericsClass& numerics) {
  if (config_.cache.directory.empty()) return;
  auto opened =
      cache::FeatureCache::open(config_.cache,
                                {slot_of(config_.device), numerics.name(),
                                 [this](const cache::SizeByKind& sizes, std::size_t evicted) {
                                   metrics_.cache_size(sizes, evicted);
                                 }},
                                [this](cache::EntryKind entry, cache::Outcome outcome) {
                                  metrics_.cache_request(entry, outcome);
                                });
  if (opened.ok()) {
    feature_cache_ = std::move(*opened);
    metrics_.cache_limit_bytes.set(feature_cache_->limit_bytes());
  } else {
    log::warn("going on without a feature cache: {}", opened.status().message());
  }
}

Result<worker::Ready> StageExecutor::load() {
  ASSIGN_OR_RETURN(InputFiles inputs, InputFiles::open(config_.roots, digests_));
  RETURN_IF_ERROR(open_artefacts());
  ASSIGN_OR_RETURN(device::Device device, seams_.open_device(config_));
  if (config_.needs_fp8) RETURN_IF_ERROR(device::check_fp8(device));
  open_feature_cache(device.numerics);
  ASSIGN_OR_RETURN(library::ModelLibrary models,
                   library::ModelLibrary::find(config_.models, digests_));
  services_.reset(new Services{std::move(inputs), feature_cache_.get(), *artefacts_,
                               std::move(device), std::move(models), config_, metrics_});
  const auto sets = services_->models.sets();
  ASSIGN_OR_RETURN(const auto first, services_->use_models(sets.at(0).id));
  load_seconds_ = first.load_seconds;
  if (services_->device.fits_two) side_stream_.emplace(services_->device.device);
  // On a GPU a clip is at times waited for; on a CPU others have better use for the processors.
  if (!services_->device.device.is_cpu()) media::keep_spare_media(kSpareMedia);
  worker::Ready ready{services_->device.name,
                      services_->device.numerics,
                      sets,
                      {},
                      jobs::known_abilities(services_->device.fp8),
                      services_->models.folders()};
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

std::int64_t StageExecutor::shortages_ever() const {
  return nn::device_memory(services_->device.device).value_or(nn::DeviceMemory{}).failures;
}

// On a GPU a part of a task may end in ways that concern more than the task.
Status StageExecutor::on_device(const jobs::LeaseGrant& lease, runner::TaskContext& context,
                                const std::function<Status()>& work) {
  const at::Device device = services_->device.device;
  if (device.is_cpu()) return work();
  const std::int64_t before = shortages_ever();
  nn::reset_peak_memory(device);
  const Status status = nn::guarded(to_string(lease.spec.kind), [&] {
    seams_.before_part(device);
    return work();
  });
  const bool works =
      status.ok() || status.code() == StatusCode::kCancelled || nn::still_works(device);
  const std::int64_t shortages = works ? shortages_ever() - before : 0;
  if (shortages > 0) memory_suffices_ = false;
  const device::Verdict verdict =
      failures_.judge({status, services_->device.name, works, shortages});
  if (!verdict.warning.empty()) context.warn(verdict.warning);
  if (verdict.frees_what_is_kept) {
    const std::lock_guard alone(models_stay_);
    services_->models.unload();
    nn::release_unused_memory(device);
  }
  return verdict.status;
}

Status StageExecutor::begin(const jobs::LeaseGrant& lease, runner::Prepared& prepared,
                            runner::TaskContext& context) {
  auto* inputs = dynamic_cast<EncodeInputs*>(&prepared);
  if (inputs == nullptr || inputs->made) return {};
  return on_device(lease, context, [&]() -> Status {
    ASSIGN_OR_RETURN(library::LoadedModels * models, use_models(lease, context));
    RETURN_IF_ERROR(condition_encode(*services_, *models, lease, *inputs, context));
    inputs->peak_bytes =
        nn::device_memory(services_->device.device).value_or(nn::DeviceMemory{}).peak_bytes;
    return {};
  });
}

// Memory may have run short for this task or for the other one, so both get the warning.
Status StageExecutor::condition_on_side(const jobs::LeaseGrant& lease,
                                        library::LoadedModels& models, EncodeInputs& inputs,
                                        runner::TaskContext& context) {
  const at::Device device = services_->device.device;
  const std::int64_t before = shortages_ever();
  Status status = side_stream_->run(to_string(lease.spec.kind), [&] {
    seams_.before_part(device);
    return condition_encode(*services_, models, lease, inputs, context);
  });
  if (may_be_of_device(status) && !nn::still_works(device)) {
    return device::device_is_dead(services_->device.name, status);
  }
  if (shortages_ever() == before && status.code() != StatusCode::kResourceExhausted) return status;
  memory_suffices_ = false;
  if (status.ok()) context.warn(device::shortage_warning(services_->device.name));
  return status;
}

Result<bool> StageExecutor::condition_overlapped(const jobs::LeaseGrant& lease,
                                                 runner::Prepared& prepared,
                                                 runner::TaskContext& context) {
  auto* inputs = dynamic_cast<EncodeInputs*>(&prepared);
  if (!side_stream_ || !memory_suffices_ || inputs == nullptr || inputs->made) return false;
  std::shared_lock stay(models_stay_, std::try_to_lock);
  library::LoadedModels* models = stay ? services_->models.loaded(lease.spec.model_set) : nullptr;
  if (models == nullptr) return false;
  const Status status = condition_on_side(lease, *models, *inputs, context);
  stay.unlock();
  if (status.ok()) {
    log::info("{} {}: conditioning overlapped with another task", to_string(lease.spec.kind),
              log::printable(lease.spec.name));
    return true;
  }
  if (!may_be_of_device(status)) return status;
  // That may be the other task's doing: once more from the start, alone.
  log::warn("{} {}: conditioning is not overlapped with another task: {}",
            to_string(lease.spec.kind), log::printable(lease.spec.name),
            log::printable(status.message()));
  context.start_over();
  ASSIGN_OR_RETURN(auto again, prepare_encode(*services_, lease, context));
  *inputs = std::move(*again);
  context.progress(jobs::Stage::kQueued);
  return false;
}

Result<runner::Outcome> StageExecutor::run(const jobs::LeaseGrant& lease,
                                           runner::Prepared& prepared,
                                           runner::TaskContext& context) {
  runner::Outcome outcome;
  const Status status = on_device(lease, context, [&]() -> Status {
    ASSIGN_OR_RETURN(outcome, compute(lease, prepared, context));
    return {};
  });
  if (!status.ok()) return status;
  failures_.task_is_done();
  if (auto memory = nn::device_memory(services_->device.device)) {
    if (const auto* inputs = dynamic_cast<EncodeInputs*>(&prepared)) {
      memory->peak_bytes = std::max(memory->peak_bytes, inputs->peak_bytes);
    }
    log::info("{} {}: at most {:.2f} GB of the GPU's memory, {:.2f} GB held",
              to_string(lease.spec.kind), log::printable(lease.spec.name),
              static_cast<double>(memory->peak_bytes) / 1e9,
              static_cast<double>(memory->held_bytes) / 1e9);
    services_->metrics.device_peak_bytes.set(memory->peak_bytes);
    services_->metrics.device_held_bytes.set(memory->held_bytes);
  }
  return outcome;
}

Result<runner::Outcome> StageExecutor::compute(const jobs::LeaseGrant& lease,
                                               runner::Prepared& prepared,
                                               runner::TaskContext& context) {
  ASSIGN_OR_RETURN(library::LoadedModels * models, use_models(lease, context));
  if (lease.spec.kind == jobs::TaskKind::kDecodeVideo) {
    return run_decode(*services_, *models, lease, dynamic_cast<DecodeInputs&>(prepared), context);
  }
  auto& inputs = dynamic_cast<EncodeInputs&>(prepared);
  if (!inputs.made) RETURN_IF_ERROR(adapt_unet(*services_, *models, inputs.adaptation, context));
  return run_encode(*services_, *models, lease, inputs, context);
}

Result<library::LoadedModels*> StageExecutor::use_models(const jobs::LeaseGrant& lease,
                                                         runner::TaskContext& context) {
  std::unique_lock alone(models_stay_, std::defer_lock);
  if (services_->models.loaded(lease.spec.model_set) == nullptr) alone.lock();
  ASSIGN_OR_RETURN(const auto use, services_->use_models(lease.spec.model_set));
  // The first task pays for the models that it found loaded; from then on they are warm.
  const double load_seconds = use.load_seconds + std::exchange(load_seconds_, 0);
  context.add_time(jobs::Stage::kLoad, load_seconds, load_seconds == 0);
  return use.models;
}

}  // namespace mimicfleet::stages
