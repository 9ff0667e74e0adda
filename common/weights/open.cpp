#include "common/weights/open.h"

#include "common/log.h"
#include "common/weights/safetensors.h"
#include "common/weights/torch_checkpoint.h"
#include "common/weights/zip.h"

namespace mimicfleet::weights {

Result<TensorSet> open_weights(const std::vector<std::string>& files) {
  TensorSet all;
  for (const auto& file : files) {
    ASSIGN_OR_RETURN(TensorSet set,
                     file.ends_with(".safetensors") ? open_safetensors(file) : open_torch_checkpoint(file));
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

Result<TensorSet> open_weights(int fd, const std::string& origin) {
  ASSIGN_OR_RETURN(const BufferPtr buffer, map_file(fd, origin));
  const bool is_of_torch = looks_like_zip(buffer->bytes) || looks_like_old_checkpoint(buffer->bytes);
  return is_of_torch ? parse_torch_checkpoint(buffer) : parse_safetensors(buffer);
}

}  // namespace mimicfleet::weights
