#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

// Sentences as lists of words (docs/cli.md): CSV with the columns `sentence_id` and `ref_ids`, the
// ids of a sentence's words being separated by spaces. Other columns are left alone. Encodings and
// separators as those of manifests.
namespace mimicfleet::coordinator {

struct Sentence {
  std::string id;  // safe as a path below the output folder
  std::vector<std::string> words;
  std::string where;  // "words.csv: line 3"
};

inline constexpr std::size_t kMaxSentencesBytes = 32 << 20;
inline constexpr std::size_t kMaxSentences = 200'000;
inline constexpr std::size_t kMaxWords = 1000;  // of a sentence

// kInvalidArgument or kBadInput with file, line and cause: no such columns, an id that is no file
// name or is there twice, a sentence without words or with too many.
[[nodiscard]] Result<std::vector<Sentence>> parse_sentences(std::string_view bytes,
                                                            const std::string& name);

}  // namespace mimicfleet::coordinator
