#include "worker/cache/database.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdarg>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "common/files/list_folder.h"
#include "common/log.h"
#include "common/mutex.h"

namespace mimicfleet::cache {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::size_t kUseBytes = 24;
constexpr std::uint64_t kLeastFreeBytes = kMiB;   // to open a database, beside what its log becomes
constexpr const char* kDamagedMark = "/damaged";  // in the folder: the next opening starts anew

std::string use_bytes(const Use& use) {
  std::string bytes(kUseBytes, '\0');
  std::memcpy(bytes.data(), &use.sequence, 8);
  std::memcpy(bytes.data() + 8, &use.bytes, 8);
  std::memcpy(bytes.data() + 16, &use.made_seconds, 8);
  return bytes;
}
static_assert(std::endian::native == std::endian::little, "notes of uses are little-endian");

std::optional<Use> use_from(const rocksdb::Slice& bytes) {
  if (bytes.size() != kUseBytes) return std::nullopt;
  Use use;
  std::memcpy(&use.sequence, bytes.data(), 8);
  std::memcpy(&use.bytes, bytes.data() + 8, 8);
  std::memcpy(&use.made_seconds, bytes.data() + 16, 8);
  return use;
}

// Of those files in the folder; what goes away meanwhile counts nothing.
std::uint64_t bytes_in(const std::string& folder,
                       const std::function<bool(const fs::path&)>& counts) {
  std::uint64_t bytes = 0;
  const auto files = list_folder(folder);
  if (!files.ok()) return 0;
  for (const auto& file : *files) {
    std::error_code gone;
    const auto size = file.file_size(gone);
    if (!gone && counts(file.path())) bytes += size;
  }
  return bytes;
}

// Instead of RocksDB's own file LOG, whose second line aborts it on a full disk where it was built
// with assertions (as in Debian). What matters comes as a status.
struct NoLog : rocksdb::Logger {
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = options.create_missing_column_families = true;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.atomic_flush = true;  // an entry and its note stay together
  options.max_open_files = 128;
  options.max_background_jobs = 1;
  options.info_log = std::make_shared<NoLog>();
  options.allow_fallocate = false;
  options.manifest_preallocation_size = 64 << 10;
  options.max_bgerror_resume_count = 0;  // see Impl::go_on
  return options;
}

rocksdb::ColumnFamilyOptions family_options(std::uint64_t limit_bytes) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = std::clamp<std::uint64_t>(limit_bytes / 16, 64 << 10, 16 * kMiB);
  options.max_write_buffer_number = 2;
  options.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(8 * kMiB);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> families(std::uint64_t limit_bytes) {
  auto entries = family_options(limit_bytes);
  entries.enable_blob_files = true;
  entries.min_blob_size = 512;
  entries.blob_file_size = std::clamp<std::uint64_t>(limit_bytes / 64, 256 << 10, 64 * kMiB);
  entries.blob_compression_type = rocksdb::kNoCompression;  // float64 key points do not shrink
  entries.enable_blob_garbage_collection = true;
  entries.blob_garbage_collection_age_cutoff = 0.5;
  entries.blob_garbage_collection_force_threshold = 0.5;
  return {{rocksdb::kDefaultColumnFamilyName, entries}, {"uses", family_options(limit_bytes)}};
}

Status from(const rocksdb::Status& status) {
  if (status.ok()) return {};
  const auto code = status.IsNotFound()     ? StatusCode::kNotFound
                    : status.IsCorruption() ? StatusCode::kCorruption
                                            : StatusCode::kUnavailable;
  return {code, status.ToString()};
}

}  // namespace

struct Database::Impl {
  std::string path;
  std::uint64_t limit_bytes = 0;
  std::shared_ptr<const Clock> clock;
  SharedMutex use;  // shared by what uses the database, alone while it is opened
  std::unique_ptr<rocksdb::DB> database GUARDED_BY(use);
  std::vector<rocksdb::ColumnFamilyHandle*> handles GUARDED_BY(use);  // entries, uses
  bool writable = true;
  bool was_damaged = false;

  std::atomic<bool> write_failed = false;
  Mutex reopening;
  std::optional<Instant> reopened GUARDED_BY(reopening);

  [[nodiscard]] rocksdb::ColumnFamilyHandle* entries() const REQUIRES_SHARED(use) {
    return handles[0];
  }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* uses() const REQUIRES_SHARED(use) {
    return handles[1];
  }

  void close() REQUIRES(use) {
    if (!database) return;
    for (auto* handle : handles) static_cast<void>(database->DestroyColumnFamilyHandle(handle));
    handles.clear();
    database.reset();
  }

  rocksdb::Status open(const rocksdb::DBOptions& options) REQUIRES(use) {
    close();
    rocksdb::DB* opened = nullptr;
    auto status = rocksdb::DB::Open(options, path, families(limit_bytes), &handles, &opened);
    database.reset(opened);
    return status;
  }

  rocksdb::Status open_read_only() REQUIRES(use) {
    close();
    rocksdb::DB* opened = nullptr;
    auto status = rocksdb::DB::OpenForReadOnly(database_options(), path, families(limit_bytes),
                                               &handles, &opened);
    database.reset(opened);
    return status;
  }

  // Reads every note, so that damage to them shows at once.
  [[nodiscard]] bool notes_are_whole() const REQUIRES_SHARED(use) {
    const std::unique_ptr<rocksdb::Iterator> all(database->NewIterator({}, uses()));
    for (all->SeekToFirst(); all->Valid(); all->Next()) {
    }
    return !all->status().IsCorruption();
  }

  void start_anew(const std::string& why) REQUIRES(use) {
    log::warn("feature cache {} is damaged; a new one is begun: {}", path, why);
    close();
    std::error_code error;
    fs::remove_all(path, error);
    was_damaged = true;
  }

  rocksdb::Status open_for_writing() REQUIRES(use) {
    std::error_code error;
    if (fs::exists(path + kDamagedMark, error)) start_anew("writing to it had failed");
    auto options = database_options();
    auto opened = open(options);
    if (opened.IsCorruption()) {  // maybe only the log: then the newest entries are gone
      options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
      opened = open(options);
      was_damaged = true;
    }
    const bool lost = opened.IsCorruption() || opened.IsInvalidArgument();
    if (!lost && (!opened.ok() || notes_are_whole())) return opened;
    start_anew(lost ? opened.ToString() : "its notes cannot be read");
    return open(options);
  }

  // Opening writes out what the log holds.
  [[nodiscard]] bool has_room() const {
    const std::uint64_t log_bytes =
        bytes_in(path, [](const fs::path& file) { return file.extension() == ".log"; });
    std::error_code error;
    const auto space = fs::space(path, error);
    return error || space.available >= log_bytes + kLeastFreeBytes;
  }

  // After a write that failed RocksDB writes nothing more, also when there is space again. What its
  // log holds then is in doubt until it is read anew. If it cannot be written yet it is read until
  // the next try.
  void go_on() {
    if (!write_failed) return;
    const MutexLock one(reopening);
    const Instant now = clock->now();
    if (!write_failed || (reopened && now - *reopened < kReopenEvery) || !has_room()) return;
    reopened = now;
    {
      const ReaderLock lock(use);
      if (database) database->DisableManualCompaction();  // else reclaim() may be long
    }
    const WriterLock alone(use);
    const auto opened = open_for_writing();
    write_failed = !opened.ok();
    if (!opened.ok()) open_read_only().PermitUncheckedError();
  }

  // A compaction that met damage stops all writing: nothing but a new start helps.
  [[nodiscard]] Status written(const rocksdb::Status& status) {
    if (status.IsCorruption()) {
      std::ofstream(path + kDamagedMark).flush();
    } else if (!status.ok()) {
      write_failed = true;
    }
    return from(status);
  }

  // What `fill` puts into a batch.
  template <typename Fill>
  [[nodiscard]] Status write(const Fill& fill) {
    go_on();
    const ReaderLock lock(use);
    if (!database) return not_open();
    rocksdb::WriteBatch batch;
    fill(batch);
    return written(database->Write({}, &batch));
  }

  [[nodiscard]] Status not_open() const {
    return {StatusCode::kUnavailable, path + ": could not be opened again"};
  }
};

Database::Database() : impl_(std::make_unique<Impl>()) {}

Database::~Database() {
  const WriterLock alone(impl_->use);
  if (impl_->database && impl_->writable) {
    static_cast<void>(impl_->database->Flush({}, impl_->handles));
    rocksdb::CancelAllBackgroundWork(impl_->database.get(), true);
  }
  impl_->close();
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, std::uint64_t limit_bytes,
                                                 Access access,
                                                 std::shared_ptr<const Clock> clock) {
  std::unique_ptr<Database> database(new Database());
  Impl& impl = *database->impl_;
  impl.path = path;
  impl.limit_bytes = limit_bytes;
  impl.clock = std::move(clock);
  impl.writable = access == Access::kWrite;
  const WriterLock alone(impl.use);
  rocksdb::Status opened;
  if (impl.writable) opened = impl.open_for_writing();
  if (!impl.writable || !opened.ok()) {
    impl.writable = false;
    const auto read_only = impl.open_read_only();
    if (!read_only.ok()) {
      return Status(
          StatusCode::kFailedPrecondition,
          fmt::format("{}: the feature cache cannot be opened: {}", path, read_only.ToString()));
    }
    if (access == Access::kWrite)
      log::warn("feature cache {} can be read only: {}", path, opened.ToString());
  }
  return database;
}

bool Database::writable() const { return impl_->writable; }
bool Database::was_damaged() const { return impl_->was_damaged; }

Result<std::string> Database::get(const std::string& name) const {
  const ReaderLock lock(impl_->use);
  if (!impl_->database) return Status(StatusCode::kNotFound, impl_->not_open().message());
  std::string value;
  const auto found = impl_->database->Get({}, impl_->entries(), name, &value);
  if (found.ok()) return value;
  if (found.IsNotFound()) return from(found);
  return Status(StatusCode::kCorruption, found.ToString());
}

Status Database::put(const std::string& name, const std::string& value, const Use& use) {
  return impl_->write([&](rocksdb::WriteBatch& batch) {
    impl_->use.assert_held_shared();
    static_cast<void>(batch.Put(impl_->entries(), name, value));
    static_cast<void>(batch.Put(impl_->uses(), name, use_bytes(use)));
  });
}

Status Database::note(const std::string& name, const Use& use) {
  return impl_->write([&](rocksdb::WriteBatch& batch) {
    impl_->use.assert_held_shared();
    static_cast<void>(batch.Put(impl_->uses(), name, use_bytes(use)));
  });
}

Status Database::remove(const std::vector<std::string>& names) {
  return impl_->write([&](rocksdb::WriteBatch& batch) {
    impl_->use.assert_held_shared();
    for (const auto& name : names) {
      static_cast<void>(batch.Delete(impl_->entries(), name));
      static_cast<void>(batch.Delete(impl_->uses(), name));
    }
  });
}

Status Database::each_use(
    const std::function<void(const std::string& name, const Use& use)>& visit) const {
  const ReaderLock lock(impl_->use);
  if (!impl_->database) return impl_->not_open();
  const std::unique_ptr<rocksdb::Iterator> all(impl_->database->NewIterator({}, impl_->uses()));
  for (all->SeekToFirst(); all->Valid(); all->Next()) {
    if (const auto use = use_from(all->value())) visit(all->key().ToString(), *use);
  }
  return from(all->status());
}

Status Database::reclaim(double share) {
  const ReaderLock lock(impl_->use);
  if (!impl_->database) return impl_->not_open();
  const auto flushed = impl_->database->Flush({}, impl_->handles);
  if (!flushed.ok()) return impl_->written(flushed);
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
  options.blob_garbage_collection_age_cutoff = share;
  for (auto* family : impl_->handles) {
    const auto compacted = impl_->database->CompactRange(options, family, nullptr, nullptr);
    if (!compacted.ok()) return impl_->written(compacted);
  }
  return {};
}

std::uint64_t Database::disk_bytes() const {
  return bytes_in(impl_->path, [](const fs::path&) { return true; });
}

}  // namespace mimicfleet::cache
