#include "worker/cache/inspect.h"

#include <algorithm>
#include <filesystem>
#include <functional>

#include <fmt/format.h>

#include "common/files/list_folder.h"
#include "worker/cache/database.h"
#include "worker/cache/feature_cache.h"
#include "worker/cache/private_folder.h"

namespace mimicfleet::cache {
namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_below(const std::string& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator file(folder, error), end; !error && file != end;
       file.increment(error)) {
    std::error_code gone;
    if (!file->is_regular_file(gone)) continue;
    const std::uintmax_t size = file->file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

void count_entry(FolderReport& report, const std::string& bytes, const Use& use) {
  const auto name = EntryName::from_bytes(bytes);
  if (!name) return;
  KindStats& kind = report.kinds[std::string(to_string(name->kind))];
  ++kind.entries;
  kind.bytes += use.bytes;
  kind.made_seconds += use.made_seconds;
  ++report.classes[name->numerics];
}

// Removes what does not decode.
Status check_entries(Database& database, FolderReport& report) {
  std::vector<std::string> damaged;
  RETURN_IF_ERROR(database.each_use([&](const std::string& bytes, const Use&) {
    const auto name = EntryName::from_bytes(bytes);
    const auto value = database.get(bytes);
    if (!name || !value.ok() || !decode_entry(*name, *value).ok()) damaged.push_back(bytes);
  }));
  report.damaged = damaged.size() + (database.was_damaged() ? 1 : 0);
  return damaged.empty() ? Status() : database.remove(damaged);
}

Status look(const std::string& database_folder, FolderReport& report, Database::Access access,
            const std::function<Status(Database&)>& use) {
  std::error_code error;
  if (!fs::exists(database_folder, error)) return {};
  ASSIGN_OR_RETURN(const auto database,
                   Database::open(database_folder, default_limit(database_folder), access));
  if (use) RETURN_IF_ERROR(use(*database));
  return database->each_use(
      [&](const std::string& name, const Use& noted) { count_entry(report, name, noted); });
}

enum class WhileInUse { kLeaveAlone, kLook };

// Every worker's folder, held while `act` looks at its database, unless a worker holds it.
Result<std::vector<FolderReport>> each_folder(
    const std::string& directory, WhileInUse in_use,
    const std::function<Status(const std::string& database_folder, FolderReport&)>& act) {
  std::vector<std::string> folders;
  ASSIGN_OR_RETURN(const auto entries, list_folder(directory));
  for (const auto& entry : entries) {
    std::error_code gone;
    if (entry.is_directory(gone) && entry.path().filename().string().starts_with("worker-")) {
      folders.push_back(entry.path());
    }
  }
  std::sort(folders.begin(), folders.end());
  std::vector<FolderReport> reports;
  for (const auto& folder : folders) {
    FolderReport report;
    report.folder = folder;
    const auto held = PrivateFolder::claim_existing(folder);
    report.in_use = !held.ok();
    const bool may_look = held.ok() || in_use == WhileInUse::kLook;
    const Status done =
        may_look ? act(folder + std::string(kDatabaseFolder), report) : held.status();
    report.trouble = done.message();
    report.disk_bytes = bytes_below(folder);
    reports.push_back(std::move(report));
  }
  return reports;
}

}  // namespace

Result<std::vector<FolderReport>> inspect(const std::string& directory) {
  return each_folder(directory, WhileInUse::kLook,
                     [](const std::string& database, FolderReport& report) {
                       return look(database, report, Database::Access::kReadOnly, nullptr);
                     });
}

Result<std::vector<FolderReport>> verify(const std::string& directory) {
  return each_folder(directory, WhileInUse::kLeaveAlone,
                     [](const std::string& database, FolderReport& report) {
                       return look(database, report, Database::Access::kWrite,
                                   [&](Database& opened) { return check_entries(opened, report); });
                     });
}

Result<std::vector<FolderReport>> clear(const std::string& directory) {
  return each_folder(directory, WhileInUse::kLeaveAlone,
                     [](const std::string& database, FolderReport& report) -> Status {
                       static_cast<void>(look(database, report, Database::Access::kReadOnly,
                                              nullptr));  // only to tell of it
                       std::error_code error;
                       fs::remove_all(database, error);
                       std::error_code ignored;
                       fs::remove(report.folder + "/held", ignored);
                       if (!error) return {};
                       return {StatusCode::kFailedPrecondition,
                               fmt::format("{}: cannot be removed: {}", database, error.message())};
                     });
}

}  // namespace mimicfleet::cache
