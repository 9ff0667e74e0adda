#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace mimicfleet::config {

struct YamlMember;

// A YAML document as a tree. Scalars are kept as they were written; `line` (1-based) is for
// messages.
struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  Kind kind = Kind::kNull;
  int line = 1;
  std::string scalar;
  std::vector<YamlNode> items;
  std::vector<YamlMember> members;  // in the order of the file

  [[nodiscard]] const YamlNode* find(std::string_view name) const;
};

// Not a std::pair: of a type that is not complete yet, clang refuses one.
struct YamlMember {
  std::string key;
  YamlNode value;
};

struct YamlLimits {
  std::size_t bytes = 1 << 20;
  std::size_t depth = 16;
  std::size_t nodes = 100'000;
};

// kBadInput with `name`, line and cause: malformed, beyond the limits, several documents, a
// duplicate or non-text key, anchors and aliases (which let a small file stand for a huge one).
[[nodiscard]] Result<YamlNode> parse_yaml(std::string_view text, std::string_view name,
                                          const YamlLimits& limits = {});
[[nodiscard]] Result<YamlNode> read_yaml(const std::string& path, const YamlLimits& limits = {});

}  // namespace mimicfleet::config
