#include "worker/cache/entry.h"

#include <algorithm>
#include <bit>

#include "common/bytes.h"

namespace mimicfleet::cache {
namespace {

constexpr std::string_view kMagic = "MFC2";
constexpr std::size_t kHeaderBytes = 20;  // magic, checksum, seconds
constexpr std::size_t kNameBytes = 34;    // kind and key, before the numerics class

std::uint64_t checksum(const EntryName& name, const Entry& entry) {
  std::string covered = name.bytes();
  append_little_endian(covered, std::bit_cast<std::uint64_t>(entry.made_seconds), 8);
  append_little_endian(covered, entry.payload.size(), 8);
  append_little_endian(covered, checksum64(entry.payload), 8);
  return checksum64(covered);
}

}  // namespace

std::string EntryName::bytes() const {
  std::string bytes;
  append_little_endian(bytes, static_cast<std::uint64_t>(kind), 2);
  bytes.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  return bytes + numerics;
}

std::optional<EntryKind> EntryName::kind_of(std::string_view bytes) {
  if (bytes.size() < kNameBytes) return std::nullopt;
  const auto kind = static_cast<EntryKind>(from_little_endian(bytes.substr(0, 2)));
  const auto& kinds = jobs::kFeatureKinds;
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) return std::nullopt;
  return kind;
}

std::optional<EntryName> EntryName::from_bytes(std::string_view bytes) {
  const auto kind = kind_of(bytes);
  if (!kind) return std::nullopt;
  EntryName name;
  name.kind = *kind;
  std::copy_n(bytes.begin() + 2, name.key.bytes.size(), name.key.bytes.begin());
  name.numerics = bytes.substr(kNameBytes);
  return name;
}

std::string encode_entry(const EntryName& name, const Entry& entry) {
  std::string bytes;
  bytes.reserve(kHeaderBytes + entry.payload.size());
  bytes += kMagic;
  append_little_endian(bytes, checksum(name, entry), 8);
  append_little_endian(bytes, std::bit_cast<std::uint64_t>(entry.made_seconds), 8);
  bytes += entry.payload;
  return bytes;
}

Result<Entry> decode_entry(const EntryName& name, std::string_view bytes) {
  const Status damaged(StatusCode::kCorruption, "a cache entry is damaged");
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) return damaged;
  const Entry entry{bytes.substr(kHeaderBytes),
                    std::bit_cast<double>(from_little_endian(bytes.substr(12, 8)))};
  if (from_little_endian(bytes.substr(4, 8)) != checksum(name, entry)) return damaged;
  return entry;
}

}  // namespace mimicfleet::cache
