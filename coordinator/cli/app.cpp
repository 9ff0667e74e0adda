#include <algorithm>
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include "common/cli/command_line.h"
#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/client/report/exit_code.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kCommandExamples = R"(examples:
  coordinator submit videos/ --ref-image person.png --models models/
  coordinator submit videos/ --config test.yaml --output-dir out/ --steps 8
  coordinator compare videos/ --ref-image person.png --steps 25 --steps 4
  coordinator serve                            a server that keeps jobs
  coordinator submit list.csv --no-wait        to that server
  coordinator job list
  coordinator verify out/

Each command has its own --help. docs/cli.md tells more.)";

}  // namespace

void add_server_flag(CLI::App& command, CommonFlags& flags) {
  command
      .add_option("--server", flags.server, "coordinator to talk to, such as tcp://127.0.0.1:5555")
      ->type_name("ENDPOINT");
}

void add_output_flag(CLI::App& command, CommonFlags& flags, const char* group) {
  const auto known = [](const std::string& mode) {
    return mode == "human" || mode == "json" ? std::string()
                                             : fmt::format("'{}' is not human or json", mode);
  };
  command
      .add_option("--output-mode", flags.output_mode, "what stdout gets: human (default) or json")
      ->check(CLI::Validator(known, "", ""))
      ->type_name("MODE")
      ->group(group);
}

int run_program(int argc, char** argv) {
  log::initialize("coordinator", "info");
  CLI::App app("mimicfleet: motion videos become videos of a chosen character", "coordinator");
  app.set_version_flag("--version", std::string("mimicfleet ") + MIMICFLEET_VERSION);
  Chosen chosen;
  add_submit(app, chosen);
  add_compare(app, chosen);
  add_serve(app, chosen);
  add_job(app, chosen);
  add_task(app, chosen);
  add_worker(app, chosen);
  add_verify(app, chosen);
  app.footer(kCommandExamples);  // after the commands, which else had it as their own
  app.require_subcommand(0, 1);
  if (cli::gives(argc, argv, "--output-mode", "json")) errors_as_json();
  const auto on_mistake = [](const std::string& mistake) {
    print_error_document(mistake, StatusCode::kInvalidArgument, kUsage);
  };
  if (const auto code = cli::parse(app, argc, argv, on_mistake)) return *code;
  if (!chosen) {
    fmt::print("{}", app.help());
    return kUsage;
  }
  const int code = chosen();
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  fmt::print(stderr,
             "error: standard output cannot be written; what was made is there nevertheless\n");
  return std::max(code, kSomeFailed);
}

}  // namespace mimicfleet::coordinator
