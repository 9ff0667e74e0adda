#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "common/weights/tensor_set.h"
#include "common/weights/zip.h"

namespace mimicfleet::weights {

// The tensors of one model, of one file or of all its shards: safetensors by the suffix, else what
// torch.save wrote. Files stay mapped while their tensors are in use. A tensor in two files is
// kBadInput.
[[nodiscard]] Result<TensorSet> open_weights(const std::vector<std::string>& files);

// The tensors of one file that is open: what torch.save wrote if it begins so, else safetensors,
// whatever it is called. Without the dictionary that training programs put around them
// (`state_dict`, `model`), if all are in it. What people have in place of weights is kBadInput with
// the remedy. `origin` is for messages.
[[nodiscard]] Result<TensorSet> open_weights(int fd, const std::string& origin,
                                             Sums sums = Sums::kCheck);

}  // namespace mimicfleet::weights
