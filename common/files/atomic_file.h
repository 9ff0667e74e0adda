#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/files/unique_fd.h"
#include "common/status.h"

namespace mimicfleet {

// A file that appears under its name whole and durable, or not at all. Until commit() the bytes are in a
// temporary file in the same folder (`.mimicfleet-<32 digits>.part`), which only this process can have made
// and holds a lock on; without a commit the destructor removes it.
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
  [[nodiscard]] Status commit();
  // The same without waiting for the disk: after a loss of power the file may be there and damaged. For what
  // is checked when it is read, and can be made again.
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

[[nodiscard]] Status write_file_atomically(const std::string& path, std::string_view bytes);

// True for the names of AtomicFile's temporary files.
[[nodiscard]] bool is_temporary_name(std::string_view file_name);

// Removes the temporary files that killed processes left in a folder (not below it), and returns how many.
// Those of living processes are locked, and stay; so does what is younger than a minute.
int remove_abandoned_files(const std::string& folder);

}  // namespace mimicfleet
