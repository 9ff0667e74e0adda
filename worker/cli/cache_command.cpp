#include "worker/cli/cache_command.h"

#include <cstdio>

#include <fmt/format.h>

#include "common/cli/command_line.h"
#include "common/json/json.h"
#include "common/log.h"
#include "worker/cache/inspect.h"

namespace mimicfleet::worker {
namespace {

constexpr int kTrouble = 1;

struct CacheReport {
  std::string directory;
  std::vector<cache::FolderReport> folders;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("directory", self.directory);
    field("folders", self.folders);
  }
};

std::string size_text(std::uint64_t bytes) {
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

void print_folder(const cache::FolderReport& report, CacheCommand::Action action) {
  fmt::print("{}: {} on the disk\n", log::printable(report.folder), size_text(report.disk_bytes));
  if (!report.trouble.empty()) {
    fmt::print("  {}\n", log::printable(report.trouble));
  } else if (report.in_use) {
    fmt::print("  a worker uses it now\n");
  }
  for (const auto& [kind, stats] : report.kinds) {
    fmt::print("  {:<20} {:>8} entries {:>12} {:>10.1f} s to make\n", kind, stats.entries,
               size_text(stats.bytes), stats.made_seconds);
  }
  for (const auto& [numerics, entries] : report.classes) {
    fmt::print("  {:>8} entries of {}\n", entries, log::printable(numerics));
  }
  if (action == CacheCommand::Action::kVerify)
    fmt::print("  {} damaged, removed\n", report.damaged);
  if (action == CacheCommand::Action::kClear && report.trouble.empty())
    fmt::print("  all of that was removed\n");
}

Result<std::vector<cache::FolderReport>> act(CacheCommand::Action action,
                                             const std::string& directory) {
  switch (action) {
    case CacheCommand::Action::kVerify:
      return cache::verify(directory);
    case CacheCommand::Action::kClear:
      return cache::clear(directory);
    default:
      return cache::inspect(directory);
  }
}

}  // namespace

int run_cache_command(const CacheCommand& command, const std::string& directory) {
  const auto reports = act(command.action, directory);
  if (!reports.ok()) {
    fmt::print(stderr, "error: {}\n", log::printable(reports.status().message()));
    return cli::kExitUsage;
  }
  bool sound = true;
  for (const auto& report : *reports) {
    sound = sound && report.trouble.empty() && report.damaged == 0;
    if (!command.json) print_folder(report, command.action);
  }
  if (command.json) fmt::print("{}", json::write(CacheReport{directory, *reports}));
  if (!command.json && reports->empty())
    fmt::print("{}: no feature cache there\n", log::printable(directory));
  return sound ? 0 : kTrouble;
}

}  // namespace mimicfleet::worker
