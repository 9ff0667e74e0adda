#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/cache/feature_cache.h"

namespace mimicfleet::stages {

using NamedTensors = std::map<std::string, at::Tensor>;

// The feature cache as the stages use it: also when there is none.
class Features {
 public:
  explicit Features(cache::FeatureCache* cache) : cache_(cache) {}  // may be null

  [[nodiscard]] std::optional<std::string> get(cache::EntryKind kind, const Digest& key) const;
  void put(cache::EntryKind kind, const Digest& key, const std::string& payload) const;

  struct Made {
    NamedTensors tensors;
    bool warm = false;  // out of the cache
  };
  // The tensors of these names out of the cache, else what `make` makes, which is then kept. LibTorch's
  // thread.
  [[nodiscard]] Result<Made> get_or_make(cache::EntryKind kind, const Digest& key,
                                         const std::vector<std::string>& names,
                                         const std::function<Result<NamedTensors>()>& make) const;

 private:
  cache::FeatureCache* cache_;
};

}  // namespace mimicfleet::stages
