#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/cache/feature_cache.h"
#include "worker/runner/task_context.h"

namespace mimicfleet::stages {

using NamedTensors = std::map<std::string, at::Tensor>;

// The feature cache as one attempt uses it: as far as the task's policy allows, and also when there
// is none. What was found, made and kept is told to the attempt's context.
class Features {
 public:
  Features(cache::FeatureCache* cache, const jobs::FeaturePolicy& policy,
           runner::TaskContext& context)
      : cache_(cache), policy_(policy), context_(context) {}  // the cache may be null

  struct Found {
    std::string payload;
    double saved_seconds = 0;  // what making it had cost, less what reading it took
  };
  [[nodiscard]] std::optional<Found> find(jobs::FeatureKind kind, const Digest& key) const;
  // Of a feature that was not found, and that took `made_seconds` to make.
  void keep(jobs::FeatureKind kind, const Digest& key, const std::string& payload,
            double made_seconds) const;

  struct Made {
    NamedTensors tensors;
    bool warm = false;  // out of the cache
    double saved_seconds = 0;
  };
  // The tensors of these names out of the cache, else what `make` makes, which is then kept.
  // LibTorch's thread.
  [[nodiscard]] Result<Made> get_or_make(jobs::FeatureKind kind, const Digest& key,
                                         const std::vector<std::string>& names,
                                         const std::function<Result<NamedTensors>()>& make) const;

 private:
  cache::FeatureCache* cache_;
  const jobs::FeaturePolicy& policy_;
  runner::TaskContext& context_;
};

}  // namespace mimicfleet::stages
