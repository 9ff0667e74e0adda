#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <zlib.h>

namespace mimicfleet::weights {

struct StoredEntry {
  std::string name;
  std::string bytes;
  std::uint16_t method = 0;
  std::uint16_t flags = 0;
};

// A zip archive without compression, as torch.save writes it, for tests that then damage it.
inline std::string stored_zip(const std::vector<StoredEntry>& entries) {
  const auto little = [](std::uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  };
  std::string file;
  std::string directory;
  for (const auto& entry : entries) {
    const auto* data = reinterpret_cast<const unsigned char*>(entry.bytes.data());
    const std::string common =
        little(entry.flags, 2) + little(entry.method, 2) + little(0, 4) +
        little(crc32(0, data, static_cast<unsigned>(entry.bytes.size())), 4) +
        little(entry.bytes.size(), 4) + little(entry.bytes.size(), 4) +
        little(entry.name.size(), 2) + little(0, 2);
    directory += little(0x02014b50, 4) + little(0, 2) + little(0, 2) + common + little(0, 2) +
                 little(0, 2) + little(0, 2) + little(0, 4) + little(file.size(), 4) + entry.name;
    file += little(0x04034b50, 4) + little(0, 2) + common + entry.name + entry.bytes;
  }
  const std::string end = little(0x06054b50, 4) + little(0, 4) + little(entries.size(), 2) +
                          little(entries.size(), 2) + little(directory.size(), 4) +
                          little(file.size(), 4) + little(0, 2);
  return file + directory + end;
}

}  // namespace mimicfleet::weights
