#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/files/atomic_file.h"
#include "common/json/json.h"
#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/cli/submit_flags.h"
#include "coordinator/client/compare/comparison.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/client/report/table.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kCompareExamples = R"(examples:
  coordinator compare words/ --ref-image a.png --models models/ --clips 8 --steps 25 --steps 4
  coordinator compare words/ --ref-image a.png --steps 25 --steps 4 \
    --guidance-scale 2 --guidance-scale 1 --lcm-lora-path none --lcm-lora-path lcm_lora
  coordinator compare words/ --ref-image a.png --min-psnr 28 --min-ssim 0.9 \
    --variant 'name=full, steps=25, guidance-scale=2' \
    --variant 'name=turbo, steps=4, guidance-scale=1, lora=lcm_lora'
  coordinator compare words/ --ref-image a.png --guidance-interval 0:1 --guidance-interval 0.2:0.8

A flag that is given once holds for all settings. If a flag is given several times, its first value
is for the first setting, its second value for the second. All settings are compared with the first
one. docs/turbo.md tells more.)";

struct CompareFlags {
  SubmitFlags submit;
  std::vector<std::string> variants;
  QualityGates gates;
  std::size_t side_by_side = 4;
};

// The columns of settings: headings and, of a variant, what stands below them.
std::vector<std::pair<std::string, std::string>> settings_of(const ComparedVariant& variant) {
  std::vector<std::pair<std::string, std::string>> columns;
  for (const auto& setting : jobs::settings()) {
    if (setting.column.empty()) continue;
    const std::string text = setting.text(variant.parameters);
    const auto same = std::find_if(columns.begin(), columns.end(), [&](const auto& column) {
      return column.first == setting.column;
    });
    if (same == columns.end()) {
      columns.emplace_back(setting.column, text);
    } else if (!setting.is_default(variant.parameters)) {
      same->second += fmt::format("{}{}", setting.joined_by, text);
    }
  }
  return columns;
}

std::string table_of(const ComparisonReport& report) {
  std::vector<std::string> headings = {"VARIANT"};
  for (const auto& [heading, text] : settings_of({})) headings.push_back(heading);
  headings.insert(headings.end(), {"UNET/TILE", "UNET", "SAMPLING", "RATIO", "PSNR", "SSIM"});
  Table table(headings);
  for (const auto& variant : report.variants) {
    std::vector<std::string> cells = {variant.name};
    for (const auto& [heading, text] : settings_of(variant)) cells.push_back(text);
    cells.insert(cells.end(),
                 {fmt::format("{:g}", variant.unet_evaluations_per_tile),
                  fmt::format("{}", variant.unet_evaluations),
                  fmt::format("{:.2f} s", variant.sampling_seconds),
                  fmt::format("{:.2f}", variant.sampling_ratio),
                  fmt::format("{:.2f} dB", variant.psnr_db), fmt::format("{:.4f}", variant.ssim)});
    table.add(cells);
  }
  return table.text();
}

void print(const ComparisonReport& report, const std::string& notice) {
  namespace fs = std::filesystem;
  fmt::print("{}", table_of(report));
  for (const auto& video : report.side_by_side) {
    fmt::print("side by side  {}\n",
               log::printable((fs::path(report.output_dir) / video).string()));
  }
  if (!notice.empty()) fmt::print("note          {}\n", log::printable(notice));
  for (const auto& warning : report.warnings)
    fmt::print("warning       {}\n", log::printable(warning));
  for (const auto& variant : report.variants) {
    if (variant.passed) continue;
    fmt::print(
        "missed        {}: {:.2f} dB and SSIM {:.4f}, but wanted were {:.2f} dB and {:.4f}\n",
        log::printable(variant.name), variant.psnr_db, variant.ssim, report.gates.min_psnr_db,
        std::max(report.gates.min_ssim, 0.0));
  }
}

Result<ComparisonReport> make_report(const CompareFlags& flags,
                                     const std::vector<Variant>& variants, const RunPlan& plan,
                                     const RunSummary& summary) {
  ASSIGN_OR_RETURN(ComparisonReport report,
                   compare_outputs(plan, variants, summary.output_dir, flags.gates));
  RETURN_IF_ERROR(make_side_by_side(report, flags.side_by_side));
  RETURN_IF_ERROR(
      write_file_atomically(summary.output_dir + "/_compare/report.json", json::write(report)));
  return report;
}

int run(const CLI::App& command, CompareFlags& flags) {
  auto& options = flags.submit.options;
  if (const Status wrong = complete(command, flags.submit); !wrong.ok()) return report(wrong);
  auto variants = make_variants(options.request.flags.values, flags.variants);
  if (!variants.ok()) return report(variants.status());
  options.request.flags.values = variants->shared;
  options.request.variants = variants->variants;
  options.report = [&](const RunPlan& plan, const RunSummary& summary) {
    const auto made = make_report(flags, options.request.variants, plan, summary);
    if (!made.ok()) return report(made.status());
    flags.submit.common.json() ? fmt::print("{}", json::write(*made))
                               : print(*made, summary.notice);
    return made->passed() ? kAllDone : kSomeFailed;
  };
  return SubmitRun(options).run();
}

void add_comparison(CLI::App& command, CompareFlags& flags) {
  const char* group = "Comparison";
  auto& selection = flags.submit.options.request.selection;
  command
      .add_option("--variant", flags.variants,
                  "settings of one variant, such as 'steps=4, guidance-scale=1'; repeat it")
      ->type_name("LIST")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(group);
  command.add_option("--clips", selection.sample, "N clips, chosen at random; default: all")
      ->type_name("N")
      ->group(group);
  command.add_option("--sample-seed", selection.sample_seed, "seed of that choice; default 0")
      ->type_name("N")
      ->group(group);
  command
      .add_option("--min-psnr", flags.gates.min_psnr_db,
                  "end with 1 if a variant's mean PSNR is less")
      ->type_name("DB")
      ->group(group);
  command
      .add_option("--min-ssim", flags.gates.min_ssim, "end with 1 if a variant's mean SSIM is less")
      ->type_name("X")
      ->group(group);
  command
      .add_option("--side-by-side", flags.side_by_side,
                  "side-by-side videos of the first N clips; default 4")
      ->type_name("N")
      ->group(group);
}

}  // namespace

void add_compare(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<CompareFlags>();
  flags->submit.options.request.output_dir = "outputs/compare";
  CLI::App* command = app.add_subcommand(
      "compare", "make the same clips with several settings; compare quality and cost");
  add_comparison(*command, *flags);
  add_inputs(*command, flags->submit);
  add_models(*command, flags->submit);
  add_generation(*command, flags->submit, Repeats::kAll);
  add_outputs(*command, flags->submit);
  add_place(*command, flags->submit);
  add_feature_cache(*command, flags->submit);
  command->footer(kCompareExamples);
  command->callback([=, &chosen] { chosen = [=] { return run(*command, *flags); }; });
}

}  // namespace mimicfleet::coordinator
