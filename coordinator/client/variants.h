#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "coordinator/config/settings.h"

// The settings that `coordinator compare` holds against each other (docs/turbo.md).
namespace mimicfleet::coordinator {

struct Variant {
  std::string name;  // also of the folder that its videos are written to
  SettingLayer layer{"variant", {}};
};

inline constexpr std::size_t kMostVariants = 16;

struct Variants {
  std::vector<SettingValue> shared;  // flags that hold for all
  std::vector<Variant> variants;  // at least two; the first one is what the others are held against
};

// From `--variant 'steps=4, guidance-scale=1, name=fast'`, each a list of settings; or, without
// any, from flags that are given several times: what is given once holds for all, the others are
// dealt out in order. kInvalidArgument: an unknown setting (with the nearest known one), fewer than
// two variants, flags given another number of times, two variants of one name.
[[nodiscard]] Result<Variants> make_variants(std::span<const SettingValue> flags,
                                             std::span<const std::string> texts);

}  // namespace mimicfleet::coordinator
