#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/digest.h"
#include "common/status.h"
#include "worker/cache/entry.h"
#include "worker/cache/lru.h"

namespace mimicfleet::cache {

using Outcome = jobs::FeatureOutcome;

struct FeatureCacheOptions {
  std::string directory;          // empty: no cache
  std::uint64_t limit_bytes = 0;  // of all entries; 0: default_limit()
};

// Whose cache it is.
struct CacheOwner {
  std::string slot;      // tells workers of one host apart
  std::string numerics;  // NumericsClass::name(): only entries of this class are seen
  // Told whenever it changes what all entries come to, and how many were removed to stay below the
  // limit.
  std::function<void(const SizeByKind& sizes, std::size_t evicted)> on_size = nullptr;
  std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>();
};

// 50 GB, or a tenth of the disk that `directory` is on if that is less.
[[nodiscard]] std::uint64_t default_limit(const std::string& directory);

// The database's folder inside a worker's folder.
inline constexpr std::string_view kDatabaseFolder = "/features-2";

// Features of inputs that were computed before, on this worker's disk (RocksDB). Keys are digests
// of all that determines the value (docs/cache_format.md), so an entry is never stale and copies of
// a file hit. Beyond the limit the entries unused for longest go. The cache never fails a task:
// what cannot be read is a miss, what cannot be written is not kept, a folder that cannot be
// written is only read. Thread-safe.
class FeatureCache {
 public:
  using Observer = std::function<void(EntryKind, Outcome)>;

  // In a folder of its own below the directory (see PrivateFolder). A database that does not open
  // because it is damaged is thrown away; the first request then counts as damaged.
  [[nodiscard]] static Result<std::unique_ptr<FeatureCache>> open(
      const FeatureCacheOptions& options, CacheOwner owner, Observer observer);
  ~FeatureCache();

  struct Found {
    Outcome outcome = Outcome::kMiss;  // the rest counts with kHit
    std::string payload;
    double made_seconds = 0;  // what making it had cost
  };
  // What was put there. A damaged entry is deleted.
  [[nodiscard]] Found get(EntryKind kind, const Digest& key);
  // True if it is kept.
  bool put(EntryKind kind, const Digest& key, const Entry& entry);

  // Those used last, in this cache's numerics class.
  [[nodiscard]] std::vector<jobs::HeldFeature> held(std::size_t at_most) const;

  [[nodiscard]] const std::string& folder() const;
  [[nodiscard]] std::uint64_t limit_bytes() const;
  [[nodiscard]] std::uint64_t disk_bytes() const;
  // Waits until the space of what was evicted has come back.
  void settle();

 private:
  FeatureCache();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimicfleet::cache
