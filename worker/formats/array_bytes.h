#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/model_files/weights/safetensors.h"

// What feature cache and artefacts hold: safetensors documents in memory.
namespace mimicfleet::formats {

// `bytes` as a TensorSet that keeps them alive. kBadInput if they are no safetensors document.
[[nodiscard]] Result<weights::TensorSet> parse_arrays(std::string bytes, const std::string& origin);

// The tensor of that name if it has this type and so many dimensions; kBadInput otherwise.
[[nodiscard]] Result<weights::TensorView> array_of(const weights::TensorSet& set,
                                                   const std::string& name, weights::DType dtype,
                                                   std::size_t dimensions);

// The string of that name as an integer of 0 to `limit`; kBadInput otherwise.
[[nodiscard]] Result<std::int64_t> integer_of(const weights::TensorSet& set,
                                              const std::string& name, std::int64_t limit);

template <typename T>
[[nodiscard]] std::span<const std::uint8_t> raw_bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace mimicfleet::formats
