#include <cstdlib>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "jobs/events.h"
#include "jobs/settings.h"
#include "jobs/stages.h"
#include "tests/paths.h"
#include "tests/temporary_folder.h"

// Tables of the documentation are made from those of the code. With MIMICFLEET_WRITE_DOCS=1 these
// tests write them.
namespace mimicfleet::jobs {
namespace {

void expect_documented(const std::string& page, const std::string& source,
                       const std::string& table) {
  const std::string path = source_path(page);
  const std::string text = read_file(path);
  const std::string begin = fmt::format("<!-- {}: begin -->\n", source);
  const auto from = text.find(begin);
  const auto to = text.find(fmt::format("<!-- {}: end -->\n", source));
  ASSERT_NE(from, std::string::npos) << page << " has no mark for " << source;
  ASSERT_NE(to, std::string::npos) << page << " has no mark for " << source;
  const auto start = from + begin.size();
  if (std::getenv("MIMICFLEET_WRITE_DOCS") != nullptr) {
    std::ofstream(path, std::ios::binary) << text.substr(0, start) << table << text.substr(to);
    return;
  }
  EXPECT_EQ(text.substr(start, to - start), table)
      << page << " is old: run this test with MIMICFLEET_WRITE_DOCS=1";
}

TEST(DocumentedTables, OfStages) {
  std::string table = "| stage | of | |\n|---|---|---|\n";
  for (const auto& stage : kStages) {
    if (!stage.is_timed()) continue;
    const std::string_view of = !stage.of                               ? "both"
                                : *stage.of == TaskKind::kEncodeLatents ? "encode"
                                                                        : "decode";
    table += fmt::format("| `{}` | {} | {} |\n", stage.name, of, stage.help);
  }
  expect_documented("docs/outputs.md", "jobs/stages.h", table);
}

TEST(DocumentedTables, OfEvents) {
  std::string table = "| kind | |\n|---|---|\n";
  for (const auto& event : kEvents) {
    table += fmt::format("| `{}` | {} |\n", event.name, event.help);
  }
  expect_documented("docs/protocol.md", "jobs/events.h", table);
}

std::string in_a_cell(std::string_view text) {
  std::string cell;
  for (const char letter : text) cell.append(letter == '|' ? "\\" : "").push_back(letter);
  return cell;
}

TEST(DocumentedTables, OfSettings) {
  std::string table = "| flag | also | takes | built-in | |\n|---|---|---|---|---|\n";
  for (const auto& setting : settings()) {
    std::string others;
    for (const auto other : setting.others) {
      others += fmt::format("{}`{}`", others.empty() ? "" : ", ", other);
    }
    std::string takes = setting.value.empty() ? "" : fmt::format("`{}`", in_a_cell(setting.value));
    if (setting.number != nullptr && setting.most < 1e9) {
      takes += fmt::format(", {} to {}", setting.least, setting.most);
    }
    table +=
        fmt::format("| {} | {} | {} | {} | {} |\n",
                    setting.flag.empty() ? "" : fmt::format("`--{}`", setting.flag),
                    setting.flag.empty() ? fmt::format("`{}` (in files)", setting.name) : others,
                    takes, setting.default_text(), in_a_cell(setting.help));
  }
  expect_documented("docs/cli.md", "jobs/settings.cpp", table);
}

}  // namespace
}  // namespace mimicfleet::jobs
