#pragma once

#include <cstddef>
#include <string>

namespace mimicfleet::coordinator {

// How a user wants an embedded run made up.
struct EmbeddedOptions {
  std::string device = "auto";
  std::size_t workers = 0;  // 0: one for each GPU, else one
  std::size_t threads = 0;  // of each worker; 0: the physical cores shared out
  std::string feature_cache_dir;
  std::string feature_cache_limit;  // of each worker
};

// A flag of `worker` that embedded runs have, too, and hand on to each worker as it is.
struct WorkerFlag {
  const char* name;
  std::string EmbeddedOptions::*value;  // empty: not given
  const char* type;
  const char* group;  // of --help
  const char* help;
};

inline constexpr const char* kPlaceGroup = "Where it runs";
inline constexpr const char* kFeatureCacheGroup = "Feature cache";
inline constexpr WorkerFlag kWorkerFlags[] = {
    {"--feature-cache-dir", &EmbeddedOptions::feature_cache_dir, "DIR", kFeatureCacheGroup,
     "embedded: default ~/.cache/mimicfleet/features"},
    {"--feature-cache-limit", &EmbeddedOptions::feature_cache_limit, "SIZE", kFeatureCacheGroup,
     "embedded: of each worker, such as 20G; default 50G, or a tenth of the disk if that is less"},
};

}  // namespace mimicfleet::coordinator
