#include "coordinator/store/job_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include "common/bytes.h"
#include "common/digest.h"
#include "common/wire/codec.h"

namespace mimicfleet::coordinator {
namespace {

constexpr std::uint64_t kFormatVersion = 1;
constexpr std::uint64_t kMarkEvery = 256;           // events between two updates of the mark file
constexpr std::uint64_t kLeastFreeBytes = 4 << 20;  // to open a database

// Keys sort by what they hold: j<job>, t<job><position>, e<sequence>, m<name>; numbers big-endian.
std::string big_endian(std::uint64_t value) {
  std::string bytes;
  append_big_endian(bytes, value, sizeof(value));
  return bytes;
}
std::string job_key(const JobId& id) { return "j" + to_string(id); }
std::string task_key(const Task& task) {
  return "t" + to_string(task.spec.job) + big_endian(task.position);
}
std::string event_key(std::uint64_t sequence) { return "e" + big_endian(sequence); }

// Every value carries its checksum, so that bit rot below RocksDB's own checks is noticed too.
template <typename T>
std::string sealed(const T& record) {
  std::string bytes = wire::encode_struct(record);
  return big_endian(checksum64(bytes)) + bytes;
}

template <typename T>
Result<T> unsealed(std::string_view value) {
  if (value.size() < 8 || value.substr(0, 8) != big_endian(checksum64(value.substr(8)))) {
    return Status(StatusCode::kCorruption, "a record fails its checksum");
  }
  return wire::decode_struct<T>(value.substr(8), wire::Limits{.bytes = 64 << 20});
}

// Whether it says that another process, or another store of this one, holds the folder's lock.
// RocksDB tells it by its words alone: they stand before the path and the system's reason after it.
bool is_held_by_another(const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (text.starts_with("IO error: lock hold by current process")) return true;
  return text.starts_with("IO error: While lock file") &&
         (text.ends_with(std::strerror(EAGAIN)) || text.ends_with(std::strerror(EACCES)));
}

Status from(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return {};
  const std::string text = fmt::format("{}: {}", directory, status.ToString());
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit) {
    return {StatusCode::kResourceExhausted, text + "; free some space"};
  }
  if (status.IsCorruption()) {
    return {StatusCode::kCorruption,
            text +
                ": the state is damaged; restore a copy of the folder, or move it away to "
                "start empty (outputs that are done will be found again)"};
  }
  if (is_held_by_another(status)) {
    return {
        StatusCode::kFailedPrecondition,
        directory +
            ": another coordinator uses this state folder; stop it or choose another --state-dir"};
  }
  return {StatusCode::kInternal, text};
}

// How far the database had come, outside of it.
struct Mark {
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;
};

Mark read_mark(const std::string& path) {
  std::ifstream in(path);
  Mark mark;
  in >> mark.epoch >> mark.sequence;
  return mark;
}

Status write_mark(const std::string& path, const Mark& mark) {
  const std::string temporary = path + ".new";
  const std::string text = fmt::format("{} {}\n", mark.epoch, mark.sequence);
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = fd >= 0 &&
                       ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(fd) == 0 && ::rename(temporary.c_str(), path.c_str()) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!written)
    return {StatusCode::kResourceExhausted, fmt::format("{}: {}", path, std::strerror(error))};
  return {};
}

// Instead of RocksDB's own file LOG, whose second line aborts it on a full disk where it was built
// with assertions (as in Debian). What matters comes as a status.
struct NoLog : rocksdb::Logger {
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::Options database_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  // A damaged record in the middle of the log is an error, not a reason to forget what came after
  // it.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.paranoid_checks = true;
  options.max_open_files = 128;
  options.info_log = std::make_shared<NoLog>();
  options.max_bgerror_resume_count = 0;  // see Impl::recover
  return options;
}

Result<std::unique_ptr<rocksdb::DB>> open_database(const std::string& directory) {
  rocksdb::DB* database = nullptr;
  RETURN_IF_ERROR(
      from(rocksdb::DB::Open(database_options(), directory + "/jobs.db", &database), directory));
  return std::unique_ptr<rocksdb::DB>(database);
}

void close_database(std::unique_ptr<rocksdb::DB>& database) {
  if (database != nullptr) database->Close().PermitUncheckedError();
  database.reset();
}

}  // namespace

struct JobStore::Impl {
  std::string directory;
  std::string mark_path;
  std::unique_ptr<rocksdb::DB> database;
  std::uint64_t epoch = 0;
  std::uint64_t sequence = 0;         // of the newest event
  std::uint64_t marked_sequence = 0;  // what the mark file says
  bool write_failed = false;

  Status begin_epoch();
  Status recover();
  template <typename Visit>
  Status each(const std::string& prefix, Visit visit) const;
};

JobStore::JobStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

JobStore::~JobStore() {
  if (impl_->epoch == 0) return;
  static_cast<void>(write_mark(impl_->mark_path, {impl_->epoch, impl_->sequence}));
  close_database(impl_->database);
}

Result<std::unique_ptr<JobStore>> JobStore::open(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (std::error_code ignored; !std::filesystem::is_directory(directory, ignored)) {
    return Status(
        StatusCode::kFailedPrecondition,
        fmt::format("{}: cannot be made a folder for the state: {}; choose another --state-dir",
                    directory, error ? error.message() : "a file is there"));
  }
  // RocksDB's lock knows a folder by its name only: two names of one folder would open twice.
  const auto real = std::filesystem::canonical(directory, error);
  if (error)
    return Status(StatusCode::kFailedPrecondition,
                  fmt::format("{}: {}", directory, error.message()));
  ::chmod(real.c_str(), 0700);
  auto impl = std::make_unique<Impl>();
  impl->directory = real;
  impl->mark_path = real / "mark";
  ASSIGN_OR_RETURN(impl->database, open_database(real));
  RETURN_IF_ERROR(impl->begin_epoch());
  return std::unique_ptr<JobStore>(new JobStore(std::move(impl)));
}

Status JobStore::Impl::begin_epoch() {
  std::string stored;
  const auto got = database->Get(rocksdb::ReadOptions(), "mepoch", &stored);
  if (!got.ok() && !got.IsNotFound()) return from(got, directory);
  std::uint64_t version = kFormatVersion;
  std::uint64_t last_epoch = 0;
  std::sscanf(stored.c_str(), "%lu %lu", &version, &last_epoch);  // NOLINT(cert-err34-c)
  if (version != kFormatVersion) {
    return {StatusCode::kUnsupported,
            fmt::format("{}: state of format {}, this program knows {}: use the newer mimicfleet",
                        directory, version, kFormatVersion)};
  }
  std::unique_ptr<rocksdb::Iterator> last(database->NewIterator(rocksdb::ReadOptions()));
  last->SeekForPrev(event_key(~std::uint64_t{0}));
  if (last->Valid() && last->key().starts_with("e")) {
    sequence = from_big_endian(last->key().ToString().substr(1));
  }
  const Mark mark = read_mark(mark_path);
  if (last_epoch < mark.epoch || sequence < mark.sequence) {
    return {
        StatusCode::kFailedPrecondition,
        fmt::format(
            "{}: the state went back in time (it knows {} events, the mark file says {}): files "
            "of jobs.db are "
            "missing or an old copy was restored; remove {} to accept that",
            directory, sequence, mark.sequence, mark_path)};
  }
  epoch = last_epoch + 1;
  rocksdb::WriteOptions write;
  write.sync = true;
  RETURN_IF_ERROR(
      from(database->Put(write, "mepoch", fmt::format("{} {}", kFormatVersion, epoch)), directory));
  marked_sequence = sequence;
  return write_mark(mark_path, {epoch, sequence});
}

// RocksDB writes nothing more after a failed write, also when there is space again. What its log
// holds then is in doubt until it is read anew, which needs some space itself.
Status JobStore::Impl::recover() {
  if (!write_failed) return {};
  std::error_code error;
  const auto space = std::filesystem::space(directory, error);
  if (!error && space.available < kLeastFreeBytes) {
    return {StatusCode::kResourceExhausted, directory + ": the disk is full; free some space"};
  }
  close_database(database);
  ASSIGN_OR_RETURN(database, open_database(directory));
  write_failed = false;
  return {};
}

template <typename Visit>
Status JobStore::Impl::each(const std::string& prefix, Visit visit) const {
  std::unique_ptr<rocksdb::Iterator> entry(database->NewIterator(rocksdb::ReadOptions()));
  for (entry->Seek(prefix); entry->Valid() && entry->key().starts_with(prefix); entry->Next()) {
    const auto value = entry->value();
    if (Status status = visit(std::string_view(value.data(), value.size())); !status.ok())
      return status.prefixed(directory);
  }
  return from(entry->status(), directory);
}

std::uint64_t JobStore::epoch() const { return impl_->epoch; }

Result<JobStore::Contents> JobStore::load() const {
  Contents contents;
  RETURN_IF_ERROR(impl_->each("j", [&](std::string_view value) -> Status {
    ASSIGN_OR_RETURN(Job job, unsealed<Job>(value));
    contents.jobs.push_back(std::move(job));
    return {};
  }));
  RETURN_IF_ERROR(impl_->each("t", [&](std::string_view value) -> Status {
    ASSIGN_OR_RETURN(Task task, unsealed<Task>(value));
    contents.tasks.push_back(std::move(task));
    return {};
  }));
  contents.last_sequence = impl_->sequence;
  return contents;
}

Status JobStore::commit(const std::vector<const Job*>& jobs, const std::vector<const Task*>& tasks,
                        const std::vector<jobs::Event>& events) {
  if (jobs.empty() && tasks.empty() && events.empty()) return {};
  RETURN_IF_ERROR(impl_->recover());
  rocksdb::WriteBatch batch;
  for (const Job* job : jobs) batch.Put(job_key(job->id), sealed(*job));
  for (const Task* task : tasks) batch.Put(task_key(*task), sealed(*task));
  for (const auto& event : events) batch.Put(event_key(event.sequence), sealed(event));
  rocksdb::WriteOptions write;
  write.sync = true;
  const Status written = from(impl_->database->Write(write, &batch), impl_->directory);
  impl_->write_failed = !written.ok();
  RETURN_IF_ERROR(written);
  if (!events.empty()) impl_->sequence = events.back().sequence;
  if (impl_->sequence >= impl_->marked_sequence + kMarkEvery) {
    if (write_mark(impl_->mark_path, {impl_->epoch, impl_->sequence}).ok())
      impl_->marked_sequence = impl_->sequence;
  }
  return {};
}

Result<std::vector<jobs::Event>> JobStore::events(std::uint64_t after, std::size_t count) const {
  std::vector<jobs::Event> found;
  if (impl_->database == nullptr)
    return Status(StatusCode::kUnavailable, impl_->directory + ": is not open now");
  std::unique_ptr<rocksdb::Iterator> entry(impl_->database->NewIterator(rocksdb::ReadOptions()));
  for (entry->Seek(event_key(after + 1));
       entry->Valid() && entry->key().starts_with("e") && found.size() < count; entry->Next()) {
    const auto value = entry->value();
    ASSIGN_OR_RETURN(jobs::Event event,
                     unsealed<jobs::Event>(std::string_view(value.data(), value.size())));
    found.push_back(std::move(event));
  }
  RETURN_IF_ERROR(from(entry->status(), impl_->directory));
  return found;
}

}  // namespace mimicfleet::coordinator
