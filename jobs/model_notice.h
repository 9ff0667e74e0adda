#pragma once

#include <map>
#include <string>
#include <string_view>

namespace mimicfleet::jobs {

// A key of a model root's defaults.yaml: a sentence that whoever uses these models should read,
// such as that they are toys.
inline constexpr std::string_view kNoticeKey = "notice";

// Of a model set's defaults; empty without one.
[[nodiscard]] inline std::string notice_of(const std::map<std::string, std::string>& defaults) {
  const auto found = defaults.find(std::string(kNoticeKey));
  return found == defaults.end() ? std::string() : found->second;
}

}  // namespace mimicfleet::jobs
