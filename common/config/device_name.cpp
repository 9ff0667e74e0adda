#include "common/config/device_name.h"

#include <algorithm>
#include <cctype>
#include <string>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::config {

Result<std::string> parse_device_name(std::string_view text) {
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name == "auto" || name == "cpu") return name;
  if (name == "cuda") return std::string("cuda:0");
  const std::string number = name.starts_with("cuda:") ? name.substr(5) : "";
  if (!number.empty() && number.size() <= 3 &&
      number.find_first_not_of("0123456789") == std::string::npos) {
    return name;
  }
  return Status(StatusCode::kInvalidArgument,
                fmt::format("'{}' is not auto, cpu, cuda or cuda:N", log::printable(text)));
}

}  // namespace mimicfleet::config
