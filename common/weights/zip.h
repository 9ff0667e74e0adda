#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "common/status.h"
#include "common/weights/tensor_set.h"

namespace mimicfleet::weights {

// The files of a zip archive whose entries are stored without compression, as torch.save writes
// them, by name.
using ZipEntries = std::map<std::string, std::span<const std::uint8_t>, std::less<>>;

// Whether the archive's CRC-32 sums are compared, for which all of it is read.
enum class Sums { kCheck, kSkip };

// Names are never used as paths. Compressed or encrypted entries, duplicate names, overlapping or
// out-of-range entries, several disks and wrong sums are kBadInput with the remedy.
[[nodiscard]] Result<ZipEntries> read_stored_zip(const BufferPtr& buffer, Sums sums = Sums::kCheck);

// Whether the bytes begin as a zip archive does.
[[nodiscard]] bool looks_like_zip(std::span<const std::uint8_t> bytes);

}  // namespace mimicfleet::weights
