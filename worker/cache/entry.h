#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/status.h"
#include "jobs/features.h"

// The bytes of one entry of the feature cache (docs/cache_format.md): a header that carries a
// checksum over key and payload, then the payload. What was stored under another key, cut, or
// changed in any bit is found out.
namespace mimicfleet::cache {

using EntryKind = jobs::FeatureKind;

// What an entry is filed under. Entries of other numerics classes have the same kind and key.
struct EntryName {
  EntryKind kind = EntryKind::kKeypoints;
  Digest key;            // jobs::FeatureKeys
  std::string numerics;  // NumericsClass::name() of what made it

  [[nodiscard]] std::string bytes() const;  // the database's key
  [[nodiscard]] static std::optional<EntryName> from_bytes(std::string_view bytes);
  // Nothing: this version has no such kind.
  [[nodiscard]] static std::optional<EntryKind> kind_of(std::string_view bytes);
  friend bool operator==(const EntryName&, const EntryName&) = default;
};

struct Entry {
  std::string_view payload;
  double made_seconds = 0;  // what making it cost
};

[[nodiscard]] std::string encode_entry(const EntryName& name, const Entry& entry);

// What is inside `bytes`, which must outlive it. kCorruption when it is not what encode_entry made
// under this name.
[[nodiscard]] Result<Entry> decode_entry(const EntryName& name, std::string_view bytes);

}  // namespace mimicfleet::cache
