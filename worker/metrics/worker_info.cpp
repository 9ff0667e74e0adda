#include "worker/metrics/worker_info.h"

#include <algorithm>

#include "common/log.h"

namespace mimicfleet::worker {

// Prometheus would take nothing of a scrape with a name that is not UTF-8.
WorkerInfo::WorkerInfo(monitoring::Metrics& metrics, const jobs::WorkerHello& hello)
    : labels_{{"worker", log::printable(hello.name)},
              {"host", log::printable(hello.host)},
              {"device", hello.device},
              {"device_name", ""},
              {"precision", ""},
              {"slurm_job_id", log::printable(hello.slurm_job_id)}} {
  metrics.gauges("mimicfleet_worker_info", "Who this worker is; always 1", [this] {
    const std::lock_guard lock(mutex_);
    return std::vector<monitoring::Sample>{{labels_, 1}};
  });
  for (const auto kind : {jobs::TaskKind::kEncodeLatents, jobs::TaskKind::kDecodeVideo}) {
    const bool takes = std::find(hello.kinds.begin(), hello.kinds.end(), kind) != hello.kinds.end();
    metrics
        .gauge("mimicfleet_worker_takes",
               "1 for the kinds of tasks that the worker takes, 0 for others",
               {{"kind", std::string(to_string(kind))}})
        .set(takes ? 1 : 0);
  }
}

void WorkerInfo::ready(const std::string& device, const jobs::NumericsClass& numerics) {
  const std::lock_guard lock(mutex_);
  labels_["device"] = device;
  labels_["device_name"] = numerics.device;
  labels_["precision"] = numerics.precision;
}

}  // namespace mimicfleet::worker
