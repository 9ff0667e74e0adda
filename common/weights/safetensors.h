#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/weights/tensor_set.h"

namespace mimicfleet::weights {

// The safetensors format: 8 bytes little-endian header length, a JSON header, the tensors without
// gaps. (https://huggingface.co/docs/safetensors) Whatever does not follow it to the letter is
// kBadInput: a header longer than the file or 100 MB, duplicate or unknown keys, unknown types,
// gaps, overlaps, bytes left over.
[[nodiscard]] Result<TensorSet> parse_safetensors(const BufferPtr& buffer);

// Maps the file; its tensors are pages of the file.
[[nodiscard]] Result<TensorSet> open_safetensors(const std::string& path);

struct TensorToWrite {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::uint8_t> bytes;  // contiguous, exactly the tensor's size
};

// The bytes of such a file, in memory. The same input gives the same bytes.
[[nodiscard]] std::string safetensors_bytes(
    std::vector<TensorToWrite> tensors,
    const std::map<std::string, std::string, std::less<>>& metadata);

// Writes a new file (an existing one is replaced in place) and syncs it; the same input gives the
// same bytes. For a path that readers may see, write a temporary file and rename it.
[[nodiscard]] Status write_safetensors(
    const std::string& path, std::vector<TensorToWrite> tensors,
    const std::map<std::string, std::string, std::less<>>& metadata);

}  // namespace mimicfleet::weights
