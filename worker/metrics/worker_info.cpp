#include "worker/metrics/worker_info.h"

#include "common/log.h"

namespace mimicfleet::worker {

// Prometheus would take nothing of a scrape with a name that is not UTF-8.
WorkerInfo::WorkerInfo(const WorkerMetrics& metrics, const jobs::WorkerHello& hello)
    : labels_{{"worker", log::printable(hello.name)},
              {"host", log::printable(hello.host)},
              {"device", hello.device},
              {"device_name", ""},
              {"precision", ""},
              {"slurm_job_id", log::printable(hello.slurm_job_id)}} {
  metrics.info.read_by([this] {
    const MutexLock lock(mutex_);
    return std::vector<monitoring::Sample>{{labels_, 1}};
  });
  for (const auto kind : hello.kinds) metrics.takes.at({{"kind", monitoring::text(kind)}}).set(1);
}

void WorkerInfo::ready(const std::string& device, const jobs::NumericsClass& numerics) {
  const MutexLock lock(mutex_);
  labels_["device"] = device;
  labels_["device_name"] = numerics.device;
  labels_["precision"] = numerics.precision;
}

}  // namespace mimicfleet::worker
