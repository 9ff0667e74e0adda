#pragma once

#include <string>

#include "common/status.h"
#include "worker/models/weights/tensor_set.h"

namespace mimicfleet::weights {

// A file of torch.save (.pth, .pt): a zip archive with a pickle and storages, read without running anything.
// Nested dictionaries become names with dots. Numbers and strings become metadata, other objects are left
// out. TorchScript archives and files of torch before 1.6 are kUnsupported with the way out.
[[nodiscard]] Result<TensorSet> parse_torch_checkpoint(const BufferPtr& buffer);

// Maps the file; its tensors are pages of the file.
[[nodiscard]] Result<TensorSet> open_torch_checkpoint(const std::string& path);

}  // namespace mimicfleet::weights
