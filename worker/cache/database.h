#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/status.h"
#include "worker/cache/recency.h"

namespace mimicfleet::cache {

// The RocksDB database of one folder: entries in blob files, and beside each the note of its last
// use, written with it in one batch. Names are EntryName::bytes(). After a write that failed, such
// as on a full disk, a later one opens it anew if there is room, at most once in kReopenEvery.
// Thread-safe.
class Database {
 public:
  enum class Access { kWrite, kReadOnly };
  static constexpr Duration kReopenEvery = std::chrono::seconds(10);

  // Makes what is missing. For writing, a database that is damaged beyond the loss of its newest
  // entries is thrown away. When the folder cannot be written it is opened for reading.
  // `limit_bytes` is what the caller will hold it to: files are small beside that.
  // kFailedPrecondition naming the path.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(
      const std::string& path, std::uint64_t limit_bytes, Access access,
      std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>());
  ~Database();  // writes out what is in memory

  [[nodiscard]] bool writable() const;
  // Something had been lost when it was opened.
  [[nodiscard]] bool was_damaged() const;

  // kNotFound, or kCorruption.
  [[nodiscard]] Result<std::string> get(const std::string& name) const;
  [[nodiscard]] Status put(const std::string& name, const std::string& value, const Use& use);
  [[nodiscard]] Status note(const std::string& name, const Use& use);
  [[nodiscard]] Status remove(const std::vector<std::string>& names);
  [[nodiscard]] Status each_use(
      const std::function<void(const std::string& name, const Use& use)>& visit) const;

  // Gives the space of removed entries back to the disk. Of blob files that hold others, too, the
  // oldest `share` (0 to 1) is rewritten.
  [[nodiscard]] Status reclaim(double share);
  [[nodiscard]] std::uint64_t disk_bytes() const;

 private:
  Database();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimicfleet::cache
