#include <memory>
#include <vector>

#include <fmt/format.h>

#include "common/json/json.h"
#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/client/report/verify.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kVerifyExamples = R"(examples:
  coordinator verify out/              compare all outputs with their records
  coordinator verify out/ --quick      the same without decoding the videos)";

struct VerifyFlags {
  CommonFlags common;
  std::string folder;
  bool quick = false;
};

int verify(const VerifyFlags& flags) {
  std::vector<CheckedOutput> outputs;
  std::size_t damaged = 0;
  const Status checked =
      verify_outputs(flags.folder, flags.quick, [&](const CheckedOutput& output) {
        outputs.push_back(output);
        if (output.problem.empty()) return;
        ++damaged;
        if (!flags.common.json())
          fmt::print("{}: {}\n", log::printable(output.name), log::printable(output.problem));
      });
  if (!checked.ok()) return report(checked);
  if (flags.common.json()) {
    fmt::print("{}\n", json::to_text(wire::to_value(outputs), 2));
  } else {
    fmt::print("{} outputs checked, {} damaged{}\n", outputs.size(), damaged,
               damaged == 0 ? "" : "; `coordinator submit` with the same inputs makes those again");
  }
  return damaged == 0 ? kAllDone : kSomeFailed;
}

}  // namespace

void add_verify(CLI::App& app, Chosen& chosen) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* command = app.add_subcommand("verify", "check outputs against their records");
  command->add_option("DIR", flags->folder, "the --output-dir of a run")->required()->type_name("");
  command->footer(kVerifyExamples);
  command->add_flag("--quick", flags->quick, "compare digests only, decode nothing");
  add_output_flag(*command, flags->common);
  command->callback([=, &chosen] { chosen = [=] { return verify(*flags); }; });
}

}  // namespace mimicfleet::coordinator
