#include "common/model_root/hub_cache.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "common/files/absolute_path.h"
#include "common/files/list_folder.h"
#include "common/files/read_text.h"

namespace mimicfleet::model_root {
namespace {

namespace fs = std::filesystem;

bool is_plain_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), allowed);
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// What refs/main says, or nothing usable.
std::string main_commit(const fs::path& repository) {
  const auto text = read_text((repository / "refs" / "main").string(), 256);
  if (!text.ok()) return {};
  std::string commit = *text;
  while (!commit.empty() && (commit.back() == '\n' || commit.back() == ' ')) commit.pop_back();
  return is_plain_name(commit) ? commit : "";
}

}  // namespace

bool is_hub_id(std::string_view text) {
  const std::size_t slash = text.find('/');
  return slash != std::string_view::npos && is_plain_name(text.substr(0, slash)) &&
         is_plain_name(text.substr(slash + 1));
}

std::string hub_cache_folder() {
  if (auto cache = environment("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (auto home = environment("HF_HOME"); !home.empty()) return home + "/hub";
  if (auto cache = environment("XDG_CACHE_HOME"); !cache.empty()) return cache + "/huggingface/hub";
  return environment("HOME") + "/.cache/huggingface/hub";
}

Result<std::string> hub_snapshot(const std::string& cache, const std::string& id) {
  const std::size_t slash = id.find('/');
  const fs::path repository =
      fs::path(cache) / fmt::format("models--{}--{}", id.substr(0, slash),
                                    slash == std::string::npos ? "" : id.substr(slash + 1));
  std::error_code error;
  if (const std::string commit = main_commit(repository); !commit.empty()) {
    const fs::path snapshot = repository / "snapshots" / commit;
    if (fs::is_directory(snapshot, error)) return absolute_path(snapshot).string();
  }
  std::vector<fs::path> snapshots;
  const auto entries = list_folder((repository / "snapshots").string());
  if (entries.ok()) {
    for (const auto& entry : *entries) {
      if (entry.is_directory(error)) snapshots.push_back(entry.path());
    }
  }
  if (snapshots.size() == 1) return absolute_path(snapshots.front()).string();
  return Status(
      StatusCode::kNotFound,
      fmt::format(
          "{}: is neither a folder here nor in the Hugging Face cache {}; nothing is "
          "downloaded at run time: fetch it once with `huggingface-cli download {}`, or set "
          "HF_HOME to the cache that has it",
          id, cache, id));
}

}  // namespace mimicfleet::model_root
