#include "worker/cache/entry.h"

namespace mimicfleet::cache {
namespace {

constexpr std::string_view kMagic = "MFC1";
constexpr std::size_t kChecksumOffset = 4;
constexpr std::size_t kHeaderBytes = 12;

void append_little_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::uint64_t checksum(EntryKind kind, const Digest& key, std::string_view payload) {
  std::string covered = entry_key(kind, key);
  append_little_endian(covered, payload.size(), 8);
  append_little_endian(covered, checksum64(payload), 8);
  return checksum64(covered);
}

}  // namespace

std::string_view to_string(EntryKind kind) {
  switch (kind) {
    case EntryKind::kKeypoints:
      return "keypoints";
    case EntryKind::kReferenceKeypoints:
      return "reference_keypoints";
    case EntryKind::kReferenceImage:
      return "reference_image";
    case EntryKind::kClipEmbedding:
      return "clip_embedding";
    case EntryKind::kVaeLatent:
      return "vae_latent";
  }
  return "unknown";
}

std::string entry_key(EntryKind kind, const Digest& key) {
  std::string bytes;
  append_little_endian(bytes, static_cast<std::uint64_t>(kind), 2);
  bytes.append(reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size());
  return bytes;
}

std::string encode_entry(EntryKind kind, const Digest& key, std::string_view payload) {
  std::string bytes;
  bytes.reserve(kHeaderBytes + payload.size());
  bytes += kMagic;
  append_little_endian(bytes, checksum(kind, key, payload), 8);
  bytes += payload;
  return bytes;
}

Result<std::string_view> decode_entry(EntryKind kind, const Digest& key, std::string_view bytes) {
  const Status damaged(StatusCode::kCorruption, "a cache entry is damaged");
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) return damaged;
  const std::string_view payload = bytes.substr(kHeaderBytes);
  if (little_endian(bytes.substr(kChecksumOffset, 8)) != checksum(kind, key, payload)) return damaged;
  return payload;
}

}  // namespace mimicfleet::cache
