#include "worker/cache/feature_cache.h"

#include <atomic>
#include <filesystem>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>

#include "common/log.h"
#include "worker/cache/private_folder.h"

namespace mimicfleet::cache {
namespace {

rocksdb::Options database_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  // After a crash the newest entries may be gone; none of the others is.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.write_buffer_size = 16 << 20;
  options.max_write_buffer_number = 2;
  options.max_open_files = 128;
  options.max_background_jobs = 1;
  options.compression = rocksdb::kNoCompression;  // float64 key points do not shrink
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(8 << 20);
  table.block_size = 16 << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

Result<std::unique_ptr<rocksdb::DB>> open_database(const std::string& path) {
  rocksdb::DB* database = nullptr;
  rocksdb::Status opened = rocksdb::DB::Open(database_options(), path, &database);
  if (opened.IsCorruption() || opened.IsInvalidArgument()) {
    log::warn("feature cache {} is damaged and starts anew: {}", path, opened.ToString());
    std::error_code error;
    std::filesystem::remove_all(path, error);
    opened = rocksdb::DB::Open(database_options(), path, &database);
  }
  if (opened.ok()) return std::unique_ptr<rocksdb::DB>(database);
  return Status(StatusCode::kFailedPrecondition,
                fmt::format("{}: the feature cache cannot be opened: {}", path, opened.ToString()));
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kHit:
      return "hit";
    case Outcome::kMiss:
      return "miss";
    case Outcome::kDamaged:
      return "damaged";
  }
  return "unknown";
}

struct FeatureCache::Impl {
  PrivateFolder folder;
  std::unique_ptr<rocksdb::DB> database;
  Observer observer;
  std::atomic<bool> write_failed = false;

  void note_write(const rocksdb::Status& status) {
    if (status.ok() == !write_failed.exchange(!status.ok())) return;
    if (status.ok()) {
      log::info("feature cache {}: written again", folder.path());
    } else {
      log::warn("feature cache {}: not written, going on without: {}", folder.path(), status.ToString());
    }
  }
};

FeatureCache::FeatureCache() = default;
FeatureCache::~FeatureCache() = default;

Result<std::unique_ptr<FeatureCache>> FeatureCache::open(const std::string& directory,
                                                         const std::string& slot, Observer observer) {
  ASSIGN_OR_RETURN(auto folder, PrivateFolder::claim(directory, "worker-" + slot));
  ASSIGN_OR_RETURN(auto database, open_database(folder.path() + "/features"));
  std::unique_ptr<FeatureCache> cache(new FeatureCache());
  cache->impl_.reset(new Impl{std::move(folder), std::move(database), std::move(observer)});
  return cache;
}

std::optional<std::string> FeatureCache::get(EntryKind kind, const Digest& key) {
  const std::string name = entry_key(kind, key);
  std::string bytes;
  const rocksdb::Status found = impl_->database->Get({}, name, &bytes);
  if (found.IsNotFound()) {
    impl_->observer(kind, Outcome::kMiss);
    return std::nullopt;
  }
  const auto payload = found.ok()
                           ? decode_entry(kind, key, bytes)
                           : Result<std::string_view>(Status(StatusCode::kCorruption, found.ToString()));
  if (payload.ok()) {
    impl_->observer(kind, Outcome::kHit);
    return std::string(*payload);
  }
  log::warn("feature cache {}: a {} entry is not usable: {}", impl_->folder.path(), to_string(kind),
            payload.status().message());
  impl_->note_write(impl_->database->Delete({}, name));
  impl_->observer(kind, Outcome::kDamaged);
  return std::nullopt;
}

void FeatureCache::put(EntryKind kind, const Digest& key, std::string_view payload) {
  impl_->note_write(impl_->database->Put({}, entry_key(kind, key), encode_entry(kind, key, payload)));
}

const std::string& FeatureCache::folder() const { return impl_->folder.path(); }

}  // namespace mimicfleet::cache
