#include "worker/stages/features.h"

#include <algorithm>

#include "common/clock.h"
#include "common/log.h"
#include "worker/formats/tensor_bytes.h"

namespace mimicfleet::stages {

using jobs::FeatureOutcome;

std::optional<Features::Found> Features::find(jobs::FeatureKind kind, const Digest& key) const {
  if (cache_ == nullptr || !policy_.takes(kind)) {
    context_.add_feature({kind, FeatureOutcome::kUnasked, jobs::feature_tag(key)});
    return std::nullopt;
  }
  const SteadyClock clock;
  const Instant begin = clock.now();
  auto found = cache_->get(kind, key);
  const bool hit = found.outcome == FeatureOutcome::kHit;
  context_.add_feature({kind, found.outcome, jobs::feature_tag(key), found.made_seconds, hit});
  if (!hit) return std::nullopt;
  return Found{std::move(found.payload),
               std::max(0.0, found.made_seconds - to_seconds(clock.now() - begin))};
}

void Features::keep(jobs::FeatureKind kind, const Digest& key, const std::string& payload,
                    double made_seconds) const {
  const bool kept =
      cache_ != nullptr && policy_.leaves(kind) && cache_->put(kind, key, {payload, made_seconds});
  context_.feature_called(kind, jobs::feature_tag(key));
  context_.feature_made(kind, made_seconds, kept);
}

Result<Features::Made> Features::get_or_make(
    jobs::FeatureKind kind, const Digest& key, const std::vector<std::string>& names,
    const std::function<Result<NamedTensors>()>& make) const {
  if (auto found = find(kind, key)) {
    auto tensors = formats::tensors_from_bytes(std::move(found->payload), names);
    if (tensors.ok()) return Made{std::move(*tensors), true, found->saved_seconds};
    log::warn("feature cache: a {} entry is not understood: {}", to_string(kind),
              tensors.status().message());
    context_.feature_damaged(kind);
  }
  const SteadyClock clock;
  const Instant begin = clock.now();
  ASSIGN_OR_RETURN(NamedTensors tensors, make());
  keep(kind, key, formats::tensors_to_bytes(tensors), to_seconds(clock.now() - begin));
  return Made{std::move(tensors), false, 0};
}

}  // namespace mimicfleet::stages
