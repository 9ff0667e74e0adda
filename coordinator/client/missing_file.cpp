#include "coordinator/client/missing_file.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

bool is_there(const std::string& path) {
  std::error_code error;
  return !path.empty() && fs::exists(path, error);
}

std::string with_slashes(std::string_view path) {
  std::string text(path);
  std::replace(text.begin(), text.end(), '\\', '/');
  return text;
}

// "~" or "~name", as a shell would have replaced it at the beginning.
std::string of_home(const fs::path& path) {
  for (const fs::path& part : path) {
    if (!part.native().starts_with('~')) continue;
    const char* home = std::getenv("HOME");
    const bool own = part == "~" && home != nullptr && *home != '\0';
    return fmt::format("{} stands for no folder here: write {}", log::printable(part.string()),
                       own ? home : "the folder out");
  }
  return "";
}

std::string of_backslashes(std::string_view path) {
  if (path.find('\\') == std::string_view::npos) return "";
  const std::string other = with_slashes(path);
  const std::string example =
      is_there(other) ? fmt::format(", as in {}", log::printable(other)) : "";
  return fmt::format("the folders of a path are separated by / here, not by \\: write it so{}",
                     example);
}

std::string of_address(std::string_view path) {
  for (const std::string_view scheme : {"http:/", "https:/", "ftp:/", "s3:/"}) {
    if (path.find(scheme) != std::string_view::npos)
      return "only files are read, no addresses: fetch it first";
  }
  if (path.find("file:/") == std::string_view::npos) return "";
  return "write the path without file://";
}

// A path whose folder begins with a quote ends with one, too.
std::string of_edges(std::string_view path) {
  const std::string name = fs::path(path).filename().string();
  if (name.ends_with('"') || name.ends_with('\''))
    return "its quotes are taken as part of the name: leave them out";
  if (name.ends_with(' ') || name.starts_with(' ')) {
    return "the blanks around it are taken as part of the name: leave them out";
  }
  return "";
}

// "${NAME}", or a part of the path that is "$NAME" in capitals; "Ke$ha" is a name.
bool has_variable(std::string_view path) {
  if (path.find("${") != std::string_view::npos) return true;
  const fs::path whole(path);
  return std::any_of(whole.begin(), whole.end(), [](const fs::path& part) {
    const std::string name = part.string();
    return name.size() > 1 && name[0] == '$' &&
           std::isupper(static_cast<unsigned char>(name[1])) != 0 &&
           std::all_of(name.begin() + 1, name.end(), [](unsigned char c) {
             return std::isupper(c) != 0 || std::isdigit(c) != 0 || c == '_';
           });
  });
}

constexpr const char* kVariables =
    "variables such as $HOME are not replaced here: write the path out";

}  // namespace

std::string why_not_meant(std::string_view path) {
  for (const auto& explain : {of_address, of_backslashes}) {
    if (std::string why = explain(path); !why.empty()) return why;
  }
  const std::size_t end = std::min(path.find('/'), path.size());
  const bool is_home = path == "~" || (path.starts_with('~') && end < path.size());
  if (is_home) return of_home(fs::path(path.substr(0, end)));
  return has_variable(path) ? kVariables : "";
}

std::string why_missing(std::string_view path) {
  for (const auto& explain : {of_address, of_backslashes, of_edges}) {
    if (std::string why = explain(path); !why.empty()) return why;
  }
  if (std::string why = of_home(fs::path(path)); !why.empty()) return why;
  if (path.find('$') == std::string_view::npos) return "";
  return kVariables;
}

}  // namespace mimicfleet::coordinator
