#include "common/weights/open.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "common/log.h"
#include "common/weights/safetensors.h"
#include "common/weights/something_else.h"
#include "common/weights/torch_checkpoint.h"
#include "common/weights/zip.h"

namespace mimicfleet::weights {
namespace {

constexpr std::array<std::string_view, 4> kWrappers = {"state_dict.", "model_state_dict.", "model.",
                                                       "module."};

TensorSet unwrapped(TensorSet set) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view wrapper : kWrappers) {
      const bool holds_all =
          !set.tensors.empty() &&
          std::all_of(set.tensors.begin(), set.tensors.end(), [&](const auto& entry) {
            return entry.first.size() > wrapper.size() && entry.first.starts_with(wrapper);
          });
      if (!holds_all) continue;
      set = set.with_prefix(wrapper);
      again = true;
    }
  }
  return set;
}

}  // namespace

Result<TensorSet> open_weights(const std::vector<std::string>& files) {
  TensorSet all;
  for (const auto& file : files) {
    ASSIGN_OR_RETURN(TensorSet set, file.ends_with(".safetensors") ? open_safetensors(file)
                                                                   : open_torch_checkpoint(file));
    all.tensors.merge(set.tensors);
    all.metadata.merge(set.metadata);
    if (!set.tensors.empty()) {
      return Status(StatusCode::kBadInput,
                    file + ": holds " + log::printable(set.tensors.begin()->first) +
                        ", which another of these files holds too; fetch the folder again");
    }
  }
  return all;
}

Result<TensorSet> open_weights(int fd, const std::string& origin, Sums sums) {
  ASSIGN_OR_RETURN(const BufferPtr buffer, map_file(fd, origin));
  if (looks_like_zip(buffer->bytes) || looks_like_old_checkpoint(buffer->bytes)) {
    ASSIGN_OR_RETURN(const TensorSet set, parse_torch_checkpoint(buffer, sums));
    return unwrapped(set);
  }
  const std::string_view what = something_else(buffer->bytes);
  if (!what.empty()) return Status(StatusCode::kBadInput, fmt::format("{}: {}", origin, what));
  ASSIGN_OR_RETURN(const TensorSet set, parse_safetensors(buffer));
  return unwrapped(set);
}

}  // namespace mimicfleet::weights
