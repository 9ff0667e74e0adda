#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/status.h"
#include "worker/cache/entry.h"

namespace mimicfleet::cache {

enum class Outcome { kHit, kMiss, kDamaged };
[[nodiscard]] std::string_view to_string(Outcome outcome);

// Features of inputs that were computed before, on this worker's disk (RocksDB). Keys are digests of all that
// determines the value (see docs/cache_format.md), so an entry is never stale and copies of a file hit. The
// cache never fails a task: what cannot be read is a miss, what cannot be written is not kept. Thread-safe.
class FeatureCache {
 public:
  using Observer = std::function<void(EntryKind, Outcome)>;

  // In a folder of its own below `directory` (see PrivateFolder); `slot` tells workers of one host apart. A
  // database that does not open because it is damaged is thrown away.
  [[nodiscard]] static Result<std::unique_ptr<FeatureCache>> open(const std::string& directory,
                                                                  const std::string& slot, Observer observer);
  ~FeatureCache();

  // The payload that was put there. A damaged entry is deleted.
  [[nodiscard]] std::optional<std::string> get(EntryKind kind, const Digest& key);
  void put(EntryKind kind, const Digest& key, std::string_view payload);

  [[nodiscard]] const std::string& folder() const;

 private:
  FeatureCache();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimicfleet::cache
