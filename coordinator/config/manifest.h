#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"
#include "coordinator/config/settings.h"

// Lists of clips that users write or generate (docs/cli.md): one path a line, CSV with a header, a
// JSON array, or one JSON object a line. Columns and members: video, ref_image, output, and every
// setting.
namespace mimicfleet::coordinator {

enum class ManifestFormat { kLines, kCsv, kJson, kJsonLines };

struct ManifestEntry {
  std::string video;
  std::string reference;             // empty: the run's
  std::string output;                // below the output folder; empty: after the video
  std::vector<SettingValue> values;  // settings of this clip
  std::string where;                 // "list.csv: line 3"
};

inline constexpr std::size_t kMaxManifestBytes = 32 << 20;
inline constexpr std::size_t kMaxManifestEntries = 200'000;

inline constexpr std::string_view kManifestSuffixes = ".txt .csv .tsv .json .jsonl";

// By the suffix, in any case; false for another one.
[[nodiscard]] bool manifest_format_of(std::string_view path, ManifestFormat& format);

// kInvalidArgument or kBadInput with file, line and cause; an unknown column with the nearest known
// one. Lists are UTF-8 or UTF-16, cells of a CSV are separated by commas, semicolons or tabs. A
// path of kLines may be of any bytes, as file names are; other lists that are not UTF-8 are
// refused.
[[nodiscard]] Result<std::vector<ManifestEntry>> parse_manifest(std::string_view bytes,
                                                                const std::string& name,
                                                                ManifestFormat format);

}  // namespace mimicfleet::coordinator
