#include "common/files/spelling.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include <utf8proc.h>

namespace mimicfleet {
namespace {

namespace fs = std::filesystem;

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

}  // namespace

std::string composed(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &result, kOptions);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (size < 0 || result == nullptr) return std::string(text);
  return {reinterpret_cast<const char*>(result), static_cast<std::size_t>(size)};
}

std::string SpelledPaths::find(const std::string& path) {
  if (is_ascii(path) || is_there(path)) return path;
  fs::path found;
  for (const fs::path& part : fs::path(path)) {
    const fs::path as_written = found / part;
    if (is_ascii(part.native()) || is_there(as_written)) {
      found = as_written;
      continue;
    }
    const Names& names = names_in(found.empty() ? "." : found.string());
    const auto name = names.find(composed(part.native()));
    if (name == names.end()) return path;
    found /= name->second;
  }
  return is_there(found) ? found.string() : path;
}

const SpelledPaths::Names& SpelledPaths::names_in(const std::string& folder) {
  const auto [place, is_new] = folders_.try_emplace(folder);
  if (!is_new) return place->second;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!is_ascii(name)) place->second.try_emplace(composed(name), std::move(name));
  }
  return place->second;
}

}  // namespace mimicfleet
