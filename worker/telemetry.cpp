#include "worker/telemetry.h"

#include <cstdlib>
#include <string_view>
#include <utility>

#include <torch/headeronly/version.h>

#include "common/log.h"
#include "monitoring/build_info.h"
#include "monitoring/disk_metrics.h"
#include "worker/device/cuda_driver.h"
#include "worker/gpu/nvml.h"

namespace mimicfleet::worker {
namespace {

std::map<std::string, std::string> folders_of(const WorkerConfig& config) {
  std::map<std::string, std::string> folders = {{"data", config.data_dir}};
  if (!config.cache.directory.empty()) folders.emplace("cache", config.cache.directory);
  return folders;
}

}  // namespace

Telemetry::Telemetry(const WorkerConfig& config, const jobs::WorkerHello& hello, const Clock& clock)
    : metrics_(registry_), activity_(metrics_, clock), info_(metrics_, hello), gpu_(registry_) {
  monitoring::add_build_info(registry_, "worker", hello.version, {{"torch", TORCH_VERSION}});
  monitoring::add_disk_metrics(registry_, folders_of(config));
}

Result<std::unique_ptr<monitoring::MetricsServer>> Telemetry::serve(
    const std::string& address, std::map<std::string, http::Handler> routes) {
  if (address == "off") return std::unique_ptr<monitoring::MetricsServer>();
  auto server = monitoring::MetricsServer::start(address, registry_, std::move(routes));
  if (server.ok()) log::info("metrics at http://{}/metrics", (*server)->address());
  return server;
}

void Telemetry::see(const worker::Event& event) {
  if (const auto* progress = std::get_if<jobs::TaskProgress>(&event)) activity_.in_stage(*progress);
  if (const auto* now_ready = std::get_if<worker::Ready>(&event)) ready(*now_ready);
}

// The device is open, so that its driver is loaded: on other machines none is looked for.
void Telemetry::ready(const worker::Ready& ready) {
  info_.ready(ready.device, ready.numerics);
  constexpr std::string_view kCuda = "cuda:";
  if (!ready.device.starts_with(kCuda)) return;
  const int number = std::atoi(ready.device.c_str() + kCuda.size());
  auto monitor = gpu::open_nvml(device::CudaDriver().pci_address(number));
  if (monitor.ok()) {
    gpu_.watch(std::move(*monitor));
  } else {
    log::warn("{}", log::printable(monitor.status().message()));
  }
}

void Telemetry::task_ended(const jobs::LeaseGrant& lease, const worker::TaskEnd& end) {
  activity_.ended(end.attempt);
  metrics_.task_ended(lease.spec.kind, end.status);
  for (const auto& timing : end.result.stages) metrics_.stage(timing);
  metrics_.calls(end.result.calls);
  if (end.status.ok() && lease.spec.kind == jobs::TaskKind::kDecodeVideo) {
    metrics_.video_made(end.result.frames);
  }
}

}  // namespace mimicfleet::worker
