#include "worker/stages/features.h"

#include "common/log.h"
#include "worker/stages/tensor_bytes.h"

namespace mimicfleet::stages {

std::optional<std::string> Features::get(cache::EntryKind kind, const Digest& key) const {
  return cache_ == nullptr ? std::nullopt : cache_->get(kind, key);
}

void Features::put(cache::EntryKind kind, const Digest& key, const std::string& payload) const {
  if (cache_ != nullptr) cache_->put(kind, key, payload);
}

Result<Features::Made> Features::get_or_make(cache::EntryKind kind, const Digest& key,
                                             const std::vector<std::string>& names,
                                             const std::function<Result<NamedTensors>()>& make) const {
  if (auto payload = get(kind, key)) {
    auto tensors = tensors_from_bytes(std::move(*payload), names);
    if (tensors.ok()) return Made{std::move(*tensors), true};
    log::warn("feature cache: a {} entry is not understood: {}", to_string(kind), tensors.status().message());
  }
  ASSIGN_OR_RETURN(NamedTensors tensors, make());
  put(kind, key, tensors_to_bytes(tensors));
  return Made{std::move(tensors), false};
}

}  // namespace mimicfleet::stages
