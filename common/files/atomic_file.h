#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet {

// Asked right before something gets its name, after all that may take long: unless it is ok, all
// stays as it was. Empty: always ok.
using Permit = std::function<Status()>;

// A file that appears under its name whole and durable, or not at all. Until commit() the bytes are
// in a temporary file in the same folder (`.mimicfleet-<32 digits>.part`), which only this process
// can have made and holds a lock on; without a commit the destructor removes it.
class AtomicFile {
 public:
  // The folder must exist. kNotFound, kFailedPrecondition (not writable) or kResourceExhausted.
  [[nodiscard]] static Result<AtomicFile> create(const std::string& path);

  ~AtomicFile();
  AtomicFile(AtomicFile&&) noexcept;
  AtomicFile& operator=(AtomicFile&&) noexcept;

  // The temporary file, open for reading and writing.
  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

  [[nodiscard]] Status write(std::span<const std::uint8_t> bytes);
  [[nodiscard]] Status write(std::string_view bytes);

  // Syncs the file, gives it its name (replacing what had it) and syncs the folder.
  [[nodiscard]] Status commit(const Permit& permit = {});
  // The same without waiting for the disk: after a loss of power the file may be there and damaged.
  // For what is checked when it is read, and can be made again.
  [[nodiscard]] Status commit_unsynced();

  // Removes the temporary file; nothing may be called afterwards.
  void abandon();

 private:
  AtomicFile() = default;
  [[nodiscard]] Status rename();

  std::string path_;
  std::string name_;            // of the target in its folder
  std::string temporary_name_;  // empty once committed or abandoned
  UniqueFd folder_;
  UniqueFd file_;
};

[[nodiscard]] Status write_file_atomically(const std::string& path, std::string_view bytes,
                                           const Permit& permit = {});

// A folder of such a name that only this process uses, for many files that get their names at once.
// Removed with all that is in it by the destructor.
class ScratchFolder {
 public:
  // In the folder `parent`, which must exist. Codes as AtomicFile::create().
  [[nodiscard]] static Result<ScratchFolder> create(const std::string& parent);

  ~ScratchFolder();
  ScratchFolder(ScratchFolder&&) noexcept;
  ScratchFolder& operator=(ScratchFolder&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  ScratchFolder() = default;

  std::string path_;
  UniqueFd lock_;
};

// True for the names of temporary files and folders.
[[nodiscard]] bool is_temporary_name(std::string_view file_name);

// Removes the temporary files and folders that killed processes left in a folder (not below it),
// and returns how many. Those of living processes, on whatever host, are locked, and stay. So does
// what holds nothing yet and is younger than a minute: it may be about to be locked.
int remove_abandoned_files(const std::string& folder);
// The same in the folder and all below it.
int remove_abandoned_files_below(const std::string& folder);

}  // namespace mimicfleet
