#include "coordinator/client/plan/path_text.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "common/log.h"
#include "common/wire/utf8.h"

namespace mimicfleet::coordinator {

Status wrong_path(const std::string& path, const std::string& cause) {
  return {StatusCode::kInvalidArgument,
          fmt::format("{}: {}", log::printable(wire::in_utf8(path)), cause)};
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace mimicfleet::coordinator
