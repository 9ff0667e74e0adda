#include "worker/cache/feature_cache.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "common/files/atomic_file.h"
#include "common/log.h"
#include "common/mutex.h"
#include "worker/cache/database.h"
#include "worker/cache/private_folder.h"

namespace mimicfleet::cache {
namespace {

constexpr double kKeptWhenFull = 0.9;  // so that evictions come in batches
constexpr double kSlack =
    1.1;  // garbage that files may hold beyond the limit before they are rewritten
constexpr std::array<double, 3> kReclaimShares = {0, 0.5, 1};
constexpr std::size_t kMaxHeld = 100'000;
constexpr std::uint64_t kDefaultLimit = 50'000'000'000;

// For `coordinator plan`, which starts no worker.
void write_held(const std::string& folder, const std::vector<jobs::HeldFeature>& held) {
  std::string text;
  for (const auto& feature : held)
    text += fmt::format("{:016x} {:.3f}\n", feature.tag, feature.made_seconds);
  static_cast<void>(write_file_atomically(folder + "/held", text));
}

// What earlier versions left: nobody reads it any more.
void remove_old_formats(const std::string& folder) {
  std::error_code error;
  std::filesystem::remove_all(folder + "/features", error);
}

}  // namespace

std::uint64_t default_limit(const std::string& directory) {
  std::error_code error;
  const auto space = std::filesystem::space(directory, error);
  return error ? kDefaultLimit : std::min<std::uint64_t>(kDefaultLimit, space.capacity / 10);
}

struct FeatureCache::Impl {
  CacheOwner owner;
  std::uint64_t limit_bytes;
  PrivateFolder folder;
  std::unique_ptr<Database> database;
  Observer observer;

  Mutex mutex;
  Lru lru GUARDED_BY(mutex);
  bool first_is_damaged GUARDED_BY(mutex) = false;
  bool write_failed GUARDED_BY(mutex) = false;
  bool reclaim_wanted GUARDED_BY(mutex) = false;
  bool reclaiming GUARDED_BY(mutex) = false;
  bool stopping GUARDED_BY(mutex) = false;
  Condition changed;
  std::thread reclaimer;

  Impl(CacheOwner whose, std::uint64_t limit, PrivateFolder claimed,
       std::unique_ptr<Database> opened, Observer observe)
      : owner(std::move(whose)),
        limit_bytes(limit),
        folder(std::move(claimed)),
        database(std::move(opened)),
        observer(std::move(observe)),
        first_is_damaged(database->was_damaged()) {}

  [[nodiscard]] EntryName name_of(EntryKind kind, const Digest& key) const {
    return {kind, key, owner.numerics};
  }

  // True if it was written.
  bool note_write(const Status& status) REQUIRES(mutex) {
    if (status.ok() == write_failed) {
      write_failed = !status.ok();
      if (status.ok()) {
        log::info("feature cache {}: can be written again", folder.path());
      } else {
        log::warn("feature cache {}: cannot be written; nothing new is kept: {}", folder.path(),
                  status.message());
      }
    }
    return status.ok();
  }

  void tell_size(std::size_t evicted = 0) const REQUIRES(mutex) {
    if (owner.on_size) owner.on_size(lru.by_kind(), evicted);
  }

  Found answer(EntryKind kind, Found found) {
    {
      const MutexLock lock(mutex);
      if (found.outcome == Outcome::kMiss && std::exchange(first_is_damaged, false)) {
        found.outcome = Outcome::kDamaged;
      }
    }
    observer(kind, found.outcome);
    return found;
  }

  void used(const std::string& name, std::uint64_t bytes, double made_seconds) {
    const MutexLock lock(mutex);
    const Use use{lru.next_sequence(), bytes, made_seconds};
    lru.note(name, use);
    if (database->writable()) note_write(database->note(name, use));
  }

  void drop(const std::string& name) {
    const MutexLock lock(mutex);
    lru.forget(name);
    if (database->writable()) note_write(database->remove({name}));
    tell_size();
  }

  void evict() REQUIRES(mutex) {
    if (lru.bytes() <= limit_bytes) return;
    const auto names =
        lru.beyond(static_cast<std::uint64_t>(kKeptWhenFull * static_cast<double>(limit_bytes)));
    if (!note_write(database->remove(names))) return;
    for (const auto& name : names) lru.forget(name);
    tell_size(names.size());
    log::info("feature cache {}: full; removed the {} least recently used entries", folder.path(),
              names.size());
    reclaim_wanted = true;
    changed.notify_all();
  }

  // Rewrites as little as brings the files down to the limit.
  void reclaim() {
    for (const double share : kReclaimShares) {
      const Status done = database->reclaim(share);
      if (!done.ok()) return log::warn("feature cache {}: {}", folder.path(), done.message());
      if (static_cast<double>(database->disk_bytes()) < kSlack * static_cast<double>(limit_bytes))
        return;
    }
  }

  void reclaim_loop() {
    MutexLock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] {
        mutex.assert_held();
        return stopping || reclaim_wanted;
      });
      if (stopping) return;
      reclaim_wanted = false;
      reclaiming = true;
      lock.unlock();
      reclaim();
      lock.lock();
      reclaiming = false;
      changed.notify_all();
    }
  }
};

FeatureCache::FeatureCache() = default;

FeatureCache::~FeatureCache() {
  if (!impl_) return;
  {
    const MutexLock lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.notify_all();
  }
  if (impl_->reclaimer.joinable()) impl_->reclaimer.join();
  if (impl_->database->writable()) write_held(folder(), held(kMaxHeld));
}

Result<std::unique_ptr<FeatureCache>> FeatureCache::open(const FeatureCacheOptions& options,
                                                         CacheOwner owner, Observer observer) {
  ASSIGN_OR_RETURN(auto folder, PrivateFolder::claim(options.directory, "worker-" + owner.slot));
  const std::uint64_t limit_bytes =
      options.limit_bytes == 0 ? default_limit(folder.path()) : options.limit_bytes;
  remove_old_formats(folder.path());
  ASSIGN_OR_RETURN(auto database,
                   Database::open(folder.path() + std::string(kDatabaseFolder), limit_bytes,
                                  Database::Access::kWrite, owner.clock));
  std::unique_ptr<FeatureCache> cache(new FeatureCache());
  cache->impl_ = std::make_unique<Impl>(std::move(owner), limit_bytes, std::move(folder),
                                        std::move(database), std::move(observer));
  Impl& impl = *cache->impl_;
  const MutexLock lock(impl.mutex);
  const Status read = impl.database->each_use([&impl](const std::string& name, const Use& use) {
    impl.mutex.assert_held();
    impl.lru.note(name, use);
  });
  if (!read.ok()) log::warn("feature cache {}: {}", impl.folder.path(), read.message());
  impl.tell_size();
  if (impl.database->writable()) {
    impl.evict();
    impl.reclaimer = std::thread([&impl] { impl.reclaim_loop(); });
  }
  return cache;
}

FeatureCache::Found FeatureCache::get(EntryKind kind, const Digest& key) {
  const EntryName name = impl_->name_of(kind, key);
  const auto bytes = impl_->database->get(name.bytes());
  if (!bytes.ok() && bytes.status().code() == StatusCode::kNotFound) return impl_->answer(kind, {});
  const auto entry = bytes.ok() ? decode_entry(name, *bytes) : Result<Entry>(bytes.status());
  if (!entry.ok()) {
    log::warn("feature cache {}: a {} entry is not usable: {}", impl_->folder.path(),
              to_string(kind), entry.status().message());
    impl_->drop(name.bytes());
    return impl_->answer(kind, {Outcome::kDamaged, {}, 0});
  }
  impl_->used(name.bytes(), bytes->size(), entry->made_seconds);
  return impl_->answer(kind, {Outcome::kHit, std::string(entry->payload), entry->made_seconds});
}

bool FeatureCache::put(EntryKind kind, const Digest& key, const Entry& entry) {
  if (!impl_->database->writable()) return false;
  const EntryName name = impl_->name_of(kind, key);
  const std::string value = encode_entry(name, entry);
  if (value.size() > impl_->limit_bytes / 2) return false;
  const MutexLock lock(impl_->mutex);
  const Use use{impl_->lru.next_sequence(), value.size(), entry.made_seconds};
  if (!impl_->note_write(impl_->database->put(name.bytes(), value, use))) return false;
  impl_->lru.note(name.bytes(), use);
  impl_->tell_size();
  impl_->evict();
  return true;
}

std::vector<jobs::HeldFeature> FeatureCache::held(std::size_t at_most) const {
  std::vector<jobs::HeldFeature> held;
  const MutexLock lock(impl_->mutex);
  impl_->lru.newest_first([&](const std::string& bytes, const Use& use) {
    const auto name = EntryName::from_bytes(bytes);
    if (name && name->numerics == impl_->owner.numerics) {
      held.push_back({jobs::feature_tag(name->key), use.made_seconds});
    }
    return held.size() < at_most;
  });
  return held;
}

const std::string& FeatureCache::folder() const { return impl_->folder.path(); }
std::uint64_t FeatureCache::limit_bytes() const { return impl_->limit_bytes; }
std::uint64_t FeatureCache::disk_bytes() const { return impl_->database->disk_bytes(); }

void FeatureCache::settle() {
  MutexLock lock(impl_->mutex);
  impl_->changed.wait(lock, [impl = impl_.get()] {
    impl->mutex.assert_held();
    return !impl->reclaim_wanted && !impl->reclaiming;
  });
}

}  // namespace mimicfleet::cache
