#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

// The header of a safetensors file (https://huggingface.co/docs/safetensors): 8 bytes little-endian
// length, then JSON that names each tensor with its type, shape and place, and strings beside them.
namespace mimicfleet::safetensors {

inline constexpr std::uint64_t kLengthBytes = 8;
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
inline constexpr std::size_t kMaxRank = 8;

struct Entry {
  std::string dtype;  // as the file spells it: "F16"
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // in the data, which follows the header
  std::uint64_t end = 0;
};

struct Header {
  std::map<std::string, Entry, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
  std::uint64_t data_offset = 0;  // in the file
};

// `json`: the header without its length. kBadInput with the cause, for callers to say of which
// file: no JSON, duplicate or unknown keys, sizes that are none, tensors that overlap, leave gaps
// or do not end with the `data_bytes` that follow the header.
[[nodiscard]] Result<Header> parse_header(std::string_view json, std::uint64_t data_bytes);

// The header of a file, of which nothing else is read. kBadInput naming the file; codes of
// open_for_reading().
[[nodiscard]] Result<Header> read_header(const std::string& path);

}  // namespace mimicfleet::safetensors
