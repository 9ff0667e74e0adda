#include "common/model_files/weights/zip.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

#include "common/log.h"

// Record layouts: PKWARE APPNOTE 4.3.
namespace mimicfleet::weights {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kEnd64LocatorSignature = 0x07064b50;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kCentralBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kEnd64LocatorBytes = 20;
constexpr std::uint16_t kZip64ExtraId = 1;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // the value lies in a 64-bit field
constexpr std::uint64_t kMaxEntries = 100'000;
constexpr std::size_t kMaxEntryNameBytes = 512;

template <typename T>
T read(Bytes bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

struct Central {
  std::string name;
  std::uint16_t flags;
  std::uint16_t method;
  std::uint32_t crc;
  std::uint64_t stored_size;
  std::uint64_t size;
  std::uint64_t local_offset;
};

struct Directory {
  std::uint64_t entries;
  std::uint64_t size;
  std::uint64_t offset;
};

class ZipReader {
 public:
  explicit ZipReader(const BufferPtr& buffer) : buffer_(buffer), file_(buffer->bytes) {}

  Result<ZipEntries> read_all(Sums sums) {
    ASSIGN_OR_RETURN(const Directory directory, find_directory());
    const Bytes records = file_.subspan(directory.offset, directory.size);
    std::size_t at = 0;
    ZipEntries entries;
    for (std::uint64_t i = 0; i < directory.entries; ++i) {
      ASSIGN_OR_RETURN(Central record, next_record(records, at));
      ASSIGN_OR_RETURN(const Bytes bytes, content(record, directory.offset));
      if (!entries.try_emplace(record.name, bytes).second)
        return bad(record.name + " is there twice");
      contents_.push_back({std::move(record.name), record.crc, bytes});
    }
    if (at != records.size()) return bad("its directory has bytes left over");
    RETURN_IF_ERROR(check_no_overlap());
    if (sums == Sums::kCheck) RETURN_IF_ERROR(check_sums());
    return entries;
  }

 private:
  Status bad(const std::string& cause, std::string_view remedy = "fetch the file again") const {
    return {StatusCode::kBadInput, fmt::format("{}: not a valid torch zip archive: {}; {}",
                                               buffer_->origin, log::printable(cause), remedy)};
  }

  Result<Directory> find_directory() const {
    constexpr std::size_t kMaxCommentBytes = 0xFFFF;
    if (file_.size() < kEndBytes) return bad("it is too short");
    const std::size_t last = file_.size() - kEndBytes;
    const std::size_t first = last > kMaxCommentBytes ? last - kMaxCommentBytes : 0;
    for (std::size_t at = last + 1; at-- > first;) {
      if (read<std::uint32_t>(file_, at) != kEndSignature) continue;
      if (read<std::uint16_t>(file_, at + 20) != file_.size() - at - kEndBytes) continue;
      return directory_at(at);
    }
    return bad("it is cut off (no directory at its end)");
  }

  Result<Directory> directory_at(std::size_t end) const {
    if (read<std::uint16_t>(file_, end + 4) != 0 || read<std::uint16_t>(file_, end + 6) != 0) {
      return bad("it spans several disks");
    }
    Directory directory{read<std::uint16_t>(file_, end + 10), read<std::uint32_t>(file_, end + 12),
                        read<std::uint32_t>(file_, end + 16)};
    std::uint64_t directory_end = end;
    if (end >= kEnd64LocatorBytes &&
        read<std::uint32_t>(file_, end - kEnd64LocatorBytes) == kEnd64LocatorSignature) {
      const auto end64 = read<std::uint64_t>(file_, end - kEnd64LocatorBytes + 8);
      if (end64 > end - kEnd64LocatorBytes || end - kEnd64LocatorBytes - end64 < kEnd64Bytes ||
          read<std::uint32_t>(file_, end64) != kEnd64Signature) {
        return bad("its 64-bit directory is not where it should be");
      }
      directory = {read<std::uint64_t>(file_, end64 + 32), read<std::uint64_t>(file_, end64 + 40),
                   read<std::uint64_t>(file_, end64 + 48)};
      directory_end = end64;
    }
    if (directory.entries > kMaxEntries) return bad("it has too many entries");
    if (directory.offset > directory_end || directory.size > directory_end - directory.offset) {
      return bad("its directory lies outside the file");
    }
    return directory;
  }

  Result<Central> next_record(Bytes records, std::size_t& at) const {
    if (records.size() - at < kCentralBytes ||
        read<std::uint32_t>(records, at) != kCentralSignature) {
      return bad("its directory is damaged");
    }
    const Bytes fixed = records.subspan(at, kCentralBytes);
    const std::size_t name_size = read<std::uint16_t>(fixed, 28);
    const std::size_t extra_size = read<std::uint16_t>(fixed, 30);
    const std::size_t comment_size = read<std::uint16_t>(fixed, 32);
    at += kCentralBytes;
    if (records.size() - at < name_size + extra_size + comment_size)
      return bad("its directory is cut off");
    if (name_size > kMaxEntryNameBytes) return bad("an entry's name is too long");
    Central record{std::string(reinterpret_cast<const char*>(records.data() + at), name_size),
                   read<std::uint16_t>(fixed, 8),
                   read<std::uint16_t>(fixed, 10),
                   read<std::uint32_t>(fixed, 16),
                   read<std::uint32_t>(fixed, 20),
                   read<std::uint32_t>(fixed, 24),
                   read<std::uint32_t>(fixed, 42)};
    RETURN_IF_ERROR(apply_zip64(records.subspan(at + name_size, extra_size), record));
    at += name_size + extra_size + comment_size;
    return record;
  }

  // The 64-bit extra field holds, in this order, only the values that did not fit into the fixed
  // fields.
  Status apply_zip64(Bytes extra, Central& record) const {
    std::uint64_t* wanted[] = {&record.size, &record.stored_size, &record.local_offset};
    while (extra.size() >= 4) {
      const auto id = read<std::uint16_t>(extra, 0);
      const std::size_t size = read<std::uint16_t>(extra, 2);
      if (size > extra.size() - 4) return bad("an extra field is damaged");
      Bytes field = extra.subspan(4, size);
      extra = extra.subspan(4 + size);
      if (id != kZip64ExtraId) continue;
      for (std::uint64_t* value : wanted) {
        if (*value != kIn64) continue;
        if (field.size() < 8) return bad("a 64-bit field is too short");
        *value = read<std::uint64_t>(field, 0);
        field = field.subspan(8);
      }
      return {};
    }
    return {};
  }

  Result<Bytes> content(const Central& record, std::uint64_t directory_offset) {
    constexpr std::uint16_t kEncrypted = 1;
    if ((record.flags & kEncrypted) != 0) return bad(record.name + " is encrypted");
    if (record.method != 0 || record.stored_size != record.size) {
      return bad(record.name + " is compressed, which torch.save never does",
                 "unpack it and name the file in it, or save the weights as safetensors");
    }
    const std::uint64_t local = record.local_offset;
    if (local > directory_offset || directory_offset - local < kLocalBytes ||
        read<std::uint32_t>(file_, local) != kLocalSignature) {
      return bad(record.name + " is not where the directory says");
    }
    const std::size_t name_size = read<std::uint16_t>(file_, local + 26);
    const std::size_t skip = name_size + read<std::uint16_t>(file_, local + 28);
    const std::uint64_t begin = local + kLocalBytes + skip;
    if (begin > directory_offset || record.size > directory_offset - begin) {
      return bad(record.name + " lies outside the file");
    }
    if (std::string_view(reinterpret_cast<const char*>(file_.data() + local + kLocalBytes),
                         name_size) != record.name) {
      return bad(record.name + " has two names");
    }
    ranges_.emplace_back(local, begin + record.size);
    return file_.subspan(begin, record.size);
  }

  Status check_no_overlap() {
    std::sort(ranges_.begin(), ranges_.end());
    for (std::size_t i = 1; i < ranges_.size(); ++i) {
      if (ranges_[i].first < ranges_[i - 1].second) return bad("entries overlap");
    }
    return {};
  }

  // After the check for overlap: else a small archive could ask for many reads of the same bytes.
  Status check_sums() const {
    for (const auto& content : contents_) {
      if (crc32_z(0, content.bytes.data(), content.bytes.size()) != content.crc) {
        return bad(content.name + " does not match its checksum");
      }
    }
    return {};
  }

  struct Content {
    std::string name;
    std::uint32_t crc;
    Bytes bytes;
  };

  BufferPtr buffer_;
  Bytes file_;
  std::vector<Content> contents_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;  // of the file, taken by entries
};

}  // namespace

Result<ZipEntries> read_stored_zip(const BufferPtr& buffer, Sums sums) {
  return ZipReader(buffer).read_all(sums);
}

bool looks_like_zip(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 4 && read<std::uint32_t>(bytes, 0) == kLocalSignature;
}

}  // namespace mimicfleet::weights
