#include "worker/models/weights/model_folder.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/log.h"
#include "worker/models/weights/safetensors.h"
#include "worker/models/weights/torch_checkpoint.h"

namespace mimicfleet::weights {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxIndexBytes = 64 << 20;

fs::path hub_cache(const Environment& environment) {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto folder = environment(name); folder && !folder->empty()) return *folder;
  }
  if (const auto home = environment("HF_HOME"); home && !home->empty()) return fs::path(*home) / "hub";
  if (const auto cache = environment("XDG_CACHE_HOME"); cache && !cache->empty()) {
    return fs::path(*cache) / "huggingface" / "hub";
  }
  return fs::path(environment("HOME").value_or("/")) / ".cache" / "huggingface" / "hub";
}

bool is_hub_id(const std::string& text) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  const auto slash = text.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size() || text.front() == '.')
    return false;
  return std::count_if(text.begin(), text.end(),
                       [&](char c) { return !allowed(static_cast<unsigned char>(c)); }) == 1;
}

// The snapshot that refs/main names, else the most recent one.
std::optional<fs::path> newest_snapshot(const fs::path& repository) {
  std::error_code ignored;
  std::ifstream reference(repository / "refs" / "main");
  std::string revision;
  if (reference >> revision && revision.find('/') == std::string::npos) {
    const fs::path snapshot = repository / "snapshots" / revision;
    if (fs::is_directory(snapshot, ignored)) return snapshot;
  }
  std::vector<std::pair<fs::file_time_type, fs::path>> snapshots;
  for (const auto& entry : fs::directory_iterator(repository / "snapshots", ignored)) {
    if (entry.is_directory(ignored)) snapshots.emplace_back(entry.last_write_time(ignored), entry.path());
  }
  if (snapshots.empty()) return std::nullopt;
  return std::max_element(snapshots.begin(), snapshots.end())->second;
}

Result<nlohmann::json> read_index(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return Status(StatusCode::kNotFound, path + ": " + error.message());
  if (size > kMaxIndexBytes) return Status(StatusCode::kBadInput, path + ": too large for an index file");
  std::ifstream file(path);
  auto index = nlohmann::json::parse(file, nullptr, false);
  if (index.is_discarded() || !index.is_object() || !index.contains("weight_map") ||
      !index["weight_map"].is_object()) {
    return Status(StatusCode::kBadInput, path + ": not a sharded index: no JSON object with a weight_map");
  }
  return index;
}

Result<TensorSet> open_sharded(const std::string& path) {
  ASSIGN_OR_RETURN(const nlohmann::json index, read_index(path));
  std::set<std::string> files;
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!file.is_string() || file.get<std::string>().find('/') != std::string::npos) {
      return Status(StatusCode::kBadInput,
                    path + ": the shard of " + log::printable(name) + " is no file name");
    }
    files.insert(file.get<std::string>());
  }
  TensorSet all;
  for (const auto& file : files) {
    ASSIGN_OR_RETURN(TensorSet shard, open_safetensors(fs::path(path).parent_path() / file));
    all.tensors.merge(shard.tensors);
    if (!shard.tensors.empty()) {
      return Status(StatusCode::kBadInput, path + ": " + log::printable(shard.tensors.begin()->first) +
                                               " is in two shards; fetch the folder again");
    }
  }
  for (const auto& [name, file] : index["weight_map"].items()) {
    if (!all.tensors.contains(name)) {
      return Status(StatusCode::kBadInput, path + ": " + log::printable(name) + " is not in " +
                                               file.get<std::string>() + "; fetch the folder again");
    }
  }
  return all;
}

}  // namespace

std::optional<std::string> process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<std::string> find_model_folder(const std::string& path_or_id, const Environment& environment) {
  std::error_code ignored;
  if (fs::is_directory(path_or_id, ignored)) return path_or_id;
  if (!is_hub_id(path_or_id)) {
    return Status(StatusCode::kNotFound, path_or_id + ": no such model folder");
  }
  std::string name = "models--" + path_or_id;
  name.replace(name.find('/'), 1, "--");
  const fs::path cache = hub_cache(environment);
  if (const auto snapshot = newest_snapshot(cache / name)) return snapshot->string();
  return Status(StatusCode::kNotFound,
                path_or_id + ": neither a folder nor a model in the Hugging Face cache " + cache.string() +
                    "; fetch it with: huggingface-cli download " + path_or_id);
}

Result<TensorSet> open_weights(const std::string& path) {
  if (path.ends_with(".index.json")) return open_sharded(path);
  if (path.ends_with(".safetensors")) return open_safetensors(path);
  return open_torch_checkpoint(path);
}

Result<TensorSet> open_component(const std::string& folder, std::string_view stem) {
  const std::string base = (fs::path(folder) / stem).string();
  std::error_code ignored;
  for (const char* suffix :
       {".fp16.safetensors", ".safetensors", ".safetensors.index.fp16.json", ".fp16.safetensors.index.json",
        ".safetensors.index.json", ".fp16.bin", ".bin"}) {
    const std::string path = base + suffix;
    if (!fs::exists(path, ignored)) continue;
    if (path.ends_with(".json")) return open_sharded(path);
    return open_weights(path);
  }
  return Status(StatusCode::kNotFound,
                base +
                    ".fp16.safetensors: no such file, nor another form of these weights; "
                    "the folder is part of a Stable Video Diffusion download");
}

}  // namespace mimicfleet::weights
