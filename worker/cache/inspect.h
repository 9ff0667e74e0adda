#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/status.h"

// Feature caches as `worker cache` looks at them: all workers' folders below one directory. What a
// worker uses just now is only looked at by inspect().
namespace mimicfleet::cache {

struct KindStats {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  double made_seconds = 0;  // what making them cost
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("entries", self.entries);
    field("bytes", self.bytes);
    field("made_seconds", self.made_seconds);
  }
};

// What was found of one worker's folder.
struct FolderReport {
  std::string folder;
  std::string
      trouble;  // why it could not be looked at, such as a worker that uses it; empty: it was
  bool in_use = false;  // by a worker: what it had written when it was looked at
  std::uint64_t disk_bytes = 0;
  std::map<std::string, KindStats> kinds;        // by jobs::FeatureKind
  std::map<std::string, std::uint64_t> classes;  // numerics class -> entries
  std::uint64_t damaged = 0;                     // verify: entries that were removed

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("folder", self.folder);
    field("trouble", self.trouble);
    field("in_use", self.in_use);
    field("disk_bytes", self.disk_bytes);
    field("kinds", self.kinds);
    field("classes", self.classes);
    field("damaged", self.damaged);
  }
};

// kNotFound when there is no such directory.
[[nodiscard]] Result<std::vector<FolderReport>> inspect(const std::string& directory);
// Reads every entry; removes those that are damaged.
[[nodiscard]] Result<std::vector<FolderReport>> verify(const std::string& directory);
// Removes all entries; the reports say what was there.
[[nodiscard]] Result<std::vector<FolderReport>> clear(const std::string& directory);

}  // namespace mimicfleet::cache
