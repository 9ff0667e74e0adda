#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/status.h"

// The bytes of one entry of the feature cache (docs/cache_format.md): a header that carries a checksum over
// key and payload, then the payload. What was stored under another key, cut, or changed in any bit is found
// out.
namespace mimicfleet::cache {

// What an entry holds. The number is part of the format; a payload of another layout gets another number.
enum class EntryKind : std::uint16_t {
  kKeypoints = 1,           // raw key points of a driving video
  kReferenceKeypoints = 2,  // raw key points of the prepared reference image
  kReferenceImage = 3,      // the prepared reference image
  kClipEmbedding = 4,
  kVaeLatent = 5,
};
inline constexpr EntryKind kEntryKinds[] = {EntryKind::kKeypoints, EntryKind::kReferenceKeypoints,
                                            EntryKind::kReferenceImage, EntryKind::kClipEmbedding,
                                            EntryKind::kVaeLatent};
[[nodiscard]] std::string_view to_string(EntryKind kind);

// kind and key, as the database orders them: 34 bytes.
[[nodiscard]] std::string entry_key(EntryKind kind, const Digest& key);

[[nodiscard]] std::string encode_entry(EntryKind kind, const Digest& key, std::string_view payload);

// The payload inside `bytes`. kCorruption when it is not what encode_entry made for this kind and key.
[[nodiscard]] Result<std::string_view> decode_entry(EntryKind kind, const Digest& key,
                                                    std::string_view bytes);

}  // namespace mimicfleet::cache
