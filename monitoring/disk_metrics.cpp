#include "monitoring/disk_metrics.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "monitoring/background_read.h"

namespace mimicfleet::monitoring {
namespace {

namespace fs = std::filesystem;

using SpaceRead = BackgroundRead<fs::space_info>;

std::optional<fs::space_info> space_of(const std::string& folder) {
  std::error_code error;
  fs::path path = fs::absolute(folder, error);
  while (!error && !fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  const fs::space_info space = fs::space(path, error);
  if (error) return std::nullopt;
  return space;
}

}  // namespace

void add_disk_metrics(Metrics& metrics, const std::map<std::string, std::string>& folders) {
  std::map<std::string, std::shared_ptr<const SpaceRead>> spaces;
  for (const auto& [folder, path] : folders) {
    spaces[folder] = std::make_shared<const SpaceRead>([path] { return space_of(path); });
  }
  const auto add = [&](const char* name, const char* help, std::uintmax_t fs::space_info::*value) {
    metrics.gauges(name, help, [spaces, value] {
      std::vector<Sample> series;
      for (const auto& [folder, read] : spaces) {
        if (const auto space = read->value()) {
          series.push_back({{{"folder", folder}}, static_cast<double>((*space).*value)});
        }
      }
      return series;
    });
  };
  add("mimicfleet_disk_free_bytes", "Bytes that are free on the disk of a folder",
      &fs::space_info::available);
  add("mimicfleet_disk_size_bytes", "Size of the disk of a folder", &fs::space_info::capacity);
}

}  // namespace mimicfleet::monitoring
