#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "worker/cache/entry.h"

namespace mimicfleet::cache {

// What is noted of an entry beside its payload.
struct Use {
  std::uint64_t sequence = 0;  // of all uses of all entries: the larger, the later
  std::uint64_t bytes = 0;
  double made_seconds = 0;
};

// What entries come to.
struct Size {
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;
};

// Of each kind; without one: entries whose kind this version does not know.
using SizeByKind = std::map<std::optional<EntryKind>, Size>;

// Which entry was used when, and what all of them come to. Names are EntryName::bytes().
class Recency {
 public:
  void note(const std::string& name, const Use& use);
  void forget(const std::string& name);

  [[nodiscard]] std::uint64_t next_sequence() const;
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const SizeByKind& by_kind() const { return by_kind_; }
  [[nodiscard]] std::size_t size() const { return uses_.size(); }
  [[nodiscard]] const Use* find(const std::string& name) const;

  // The entries unused for longest, as many as have to go so that the rest has at most `limit`
  // bytes.
  [[nodiscard]] std::vector<std::string> beyond(std::uint64_t limit) const;
  // From the one used last on, until `visit` returns false.
  void newest_first(
      const std::function<bool(const std::string& name, const Use& use)>& visit) const;

 private:
  std::unordered_map<std::string, Use> uses_;
  std::map<std::uint64_t, std::string> order_;  // sequence -> name
  std::uint64_t bytes_ = 0;
  SizeByKind by_kind_;
};

}  // namespace mimicfleet::cache
