#include "common/model_root/weight_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "common/files/absolute_path.h"
#include "common/files/read_text.h"
#include "common/json/json.h"

namespace mimicfleet::model_root {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxIndexBytes = 8 << 20;
constexpr std::size_t kMaxShards = 1000;

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// `weight_map` of an index: tensor name -> file name.
Result<std::vector<std::string>> shards_of(const fs::path& folder, const fs::path& index) {
  ASSIGN_OR_RETURN(const std::string text, read_text(index.string(), kMaxIndexBytes));
  wire::Limits limits;
  limits.bytes = kMaxIndexBytes;
  limits.map_size = 1 << 17;
  const auto document = json::parse(text, limits);
  if (!document.ok()) return document.status().prefixed(index.string());
  const wire::Value* map = document->find("weight_map");
  const auto* entries = map == nullptr ? nullptr : map->get_if<wire::Map>();
  if (entries == nullptr || entries->empty()) {
    return Status(StatusCode::kBadInput, fmt::format("{}: has no weight_map", index.string()));
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : *entries) {
    const auto* name = file.get_if<std::string>();
    if (name == nullptr || name->empty() || name->find('/') != std::string::npos ||
        name->front() == '.') {
      return Status(StatusCode::kBadInput,
                    fmt::format("{}: the file of '{}' is no plain file name in this folder",
                                index.string(), tensor));
    }
    names.insert(*name);
    if (names.size() > kMaxShards) {
      return Status(StatusCode::kBadInput, fmt::format("{}: lists too many files", index.string()));
    }
  }
  std::vector<std::string> shards;
  for (const auto& name : names) {
    if (!is_file(folder / name)) {
      return Status(StatusCode::kBadInput,
                    fmt::format("{}: lists {}, which is not there; download the folder again",
                                index.string(), (folder / name).string()));
    }
    shards.push_back((folder / name).string());
  }
  return shards;
}

}  // namespace

Result<std::vector<std::string>> weight_files(const std::string& folder, std::string_view stem) {
  const fs::path base = absolute_path(folder);
  const std::array<std::string, 2> whole = {fmt::format("{}.fp16.safetensors", stem),
                                            fmt::format("{}.safetensors", stem)};
  const std::array<std::string, 2> index = {fmt::format("{}.safetensors.index.fp16.json", stem),
                                            fmt::format("{}.safetensors.index.json", stem)};
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (is_file(base / whole[i])) return std::vector<std::string>{(base / whole[i]).string()};
    if (is_file(base / index[i])) return shards_of(base, base / index[i]);
  }
  return Status(StatusCode::kNotFound,
                fmt::format("{}: holds no weights: expected {}, {} or a sharded {}", base.string(),
                            whole[0], whole[1], index[1]));
}

}  // namespace mimicfleet::model_root
