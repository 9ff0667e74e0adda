#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/status.h"
#include "common/weights/tensor_set.h"
#include "common/weights/zip.h"

namespace mimicfleet::weights {

// A file of torch.save (.pth, .pt): a zip archive with a pickle and storages or, before torch 1.6,
// one pickle after the other and then the storages; read without running anything. Nested
// dictionaries become names with dots. Numbers and strings become metadata, other objects are left
// out. TorchScript archives and other pickles are kUnsupported with the way out.
[[nodiscard]] Result<TensorSet> parse_torch_checkpoint(const BufferPtr& buffer,
                                                       Sums sums = Sums::kCheck);

// Whether the bytes begin as torch.save's did before torch 1.6.
[[nodiscard]] bool looks_like_old_checkpoint(std::span<const std::uint8_t> bytes);

// Maps the file; its tensors are pages of the file.
[[nodiscard]] Result<TensorSet> open_torch_checkpoint(const std::string& path,
                                                      Sums sums = Sums::kCheck);

}  // namespace mimicfleet::weights
