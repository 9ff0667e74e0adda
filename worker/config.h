#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/parameters.h"
#include "jobs/task.h"
#include "worker/agent/session_options.h"
#include "worker/cache/feature_cache.h"

namespace mimicfleet::worker {

// What a flag's number may be.
struct FlagRange {
  std::int32_t least = 0;
  std::int32_t most = 0;
};

// How a worker was started: the command line fills it once, and whoever needs something of it reads
// it here.
struct WorkerConfig {
  std::string coordinator;          // endpoint; empty: see discovery::find_server
  std::vector<std::string> models;  // model roots
  cache::FeatureCacheOptions cache;
  std::string data_dir;
  std::string digest_store;  // where digests of files are remembered; empty: nowhere
  std::string device = "auto";
  jobs::Precision precision = jobs::Precision::kAuto;
  bool needs_fp8 = false;  // it ends on a device that cannot do it
  int threads = 0;         // 0: all physical cores
  std::string advertise;   // HOST[:PORT] of the data port; empty: loopback, any port
  bool insecure = false;
  std::vector<std::string> roots;
  std::vector<jobs::TaskKind> kinds = {jobs::TaskKind::kEncodeLatents,
                                       jobs::TaskKind::kDecodeVideo};
  std::string metrics = "127.0.0.1:0";
  std::string name;
  bool exit_with_parent = false;
  agent::SessionOptions session;

  [[nodiscard]] bool decodes_only() const {
    return kinds == std::vector{jobs::TaskKind::kDecodeVideo};
  }

  // The flags of `worker`, in the order in which --help has them: name, member, the value's name,
  // help and, of some numbers, their range. A new one is a row here and the code that uses its
  // member; for embedded runs see coordinator/client/embedded/worker_flags.h.
  template <typename Flag>
  void flags(Flag& flag) {
    flag("--coordinator", coordinator, "ENDPOINT", "coordinator to work for");
    flag("--models", models, "DIR",
         "model folders; default: the toy models that come with the program");
    flag("--feature-cache-dir", cache.directory, "DIR",
         "default: ~/.cache/mimicfleet/features; '' for none");
    flag("--feature-cache-limit", cache.limit_bytes, "SIZE",
         "most bytes of the cache, such as 20G; default: 50G, or a tenth of the disk if that is "
         "less");
    flag("--data-dir", data_dir, "DIR",
         "folder of latents for other workers; default: ~/.cache/mimicfleet/worker");
    flag("--device", device, "DEVICE", "auto, cpu, cuda (the first GPU) or cuda:N");
    flag("--precision", precision, "PRECISION",
         "auto, fp32, bf16 or fp16; auto: fp32 on a CPU, else fp16");
    flag("--fp8", needs_fp8, "",
         "end unless the device can compute with --fp8 of coordinator submit");
    flag("--threads", threads, "N",
         "threads of the computations on a CPU; default: all physical cores", FlagRange{1, 1024});
    flag("--advertise", advertise, "HOST[:PORT]",
         "where other workers reach this one's latents; default: loopback");
    flag("--insecure", insecure, "", "let --advertise be an address that strangers can reach");
    flag("--roots", roots, "DIR", "only files below these folders are opened; default: any");
    flag("--kinds", kinds, "KIND", "tasks to take: encode_latents, decode_video; default: both");
    flag("--metrics", metrics, "HOST:PORT",
         "for Prometheus; off; default: 127.0.0.1:0 (any free port)");
    flag("--name", name, "NAME", "name to show to people; default: host, device and process");
    flag("--exit-with-parent", exit_with_parent, "",
         "end when the process that started this one ends");
    flag("--drain-on-stop", session.drain_on_stop, "SECONDS",
         "on SIGTERM, finish running tasks for at most this many seconds; a second signal hands "
         "them "
         "back; default 0");
    flag("--exit-when-idle", session.leave_when_idle, "[SECONDS]",
         "end after this many seconds without a task; default: 60");
  }
};

}  // namespace mimicfleet::worker
