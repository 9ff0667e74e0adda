#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace mimicfleet::weights {

// What people have in place of weights, told by how the file begins, with the remedy: an empty
// file, a Git LFS pointer, a web page, an archive, weights of another format. Empty: it may be
// safetensors.
[[nodiscard]] std::string_view something_else(std::span<const std::uint8_t> file);

}  // namespace mimicfleet::weights
