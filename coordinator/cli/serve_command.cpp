#include <filesystem>
#include <memory>

#include "common/cli/command_line.h"
#include "common/cli/config_file.h"
#include "common/log.h"
#include "common/user_folders.h"
#include "coordinator/cli/command.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/server/serve.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kServeExamples = R"(examples:
  coordinator serve                    for this user, on this host
  coordinator serve --state-dir /var/lib/mimicfleet --config /etc/mimicfleet/coordinator.toml
  coordinator serve --listen tcp://0.0.0.0:5555 --insecure    for other hosts of a trusted network

It runs until SIGTERM. Its jobs survive a restart with the same --state-dir.)";

std::string default_state_dir() {
  const std::string folder = user_state_folder();
  return folder.empty() ? folder : folder + "/coordinator";
}

// An earlier README named the folder above the default's, so that jobs may be there.
void point_to_older_jobs(const ServeOptions& options) {
  const std::string older = user_state_folder();
  std::error_code error;
  if (options.state_dir != default_state_dir() ||
      !std::filesystem::exists(older + "/CURRENT", error))
    return;
  log::warn(
      "{} has jobs of a server that was started with --state-dir {}: give that again to go on with "
      "them",
      older, older);
}

int run(const ServeOptions& options) {
  if (options.state_dir.empty()) {
    return report({StatusCode::kInvalidArgument, "HOME is not set: give --state-dir"});
  }
  point_to_older_jobs(options);
  return report(serve(options));
}

}  // namespace

void add_serve(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<ServeOptions>();
  options->state_dir = default_state_dir();
  options->write_discovery = true;
  CLI::App* command =
      app.add_subcommand("serve", "run a coordinator that workers and clients connect to");
  command->footer(kServeExamples);
  cli::add_config_files(*command);
  command
      ->add_option("--listen", options->listen,
                   "default: tcp://127.0.0.1:5555; port * takes a free one")
      ->type_name("ENDPOINT");
  command->add_flag("--insecure", options->insecure,
                    "let --listen be an address that strangers can reach");
  command
      ->add_option("--state-dir", options->state_dir,
                   "default: ~/.local/state/mimicfleet/coordinator")
      ->type_name("DIR");
  command
      ->add_option("--metrics", options->metrics,
                   "default: 127.0.0.1:9464; off; port 0 takes a free one")
      ->type_name("HOST:PORT");
  command
      ->add_option("--file-sd", options->file_sd,
                   "a file that tells Prometheus where workers' metrics are; default: "
                   "file_sd/workers.json in "
                   "the state folder; off")
      ->type_name("FILE");
  cli::add_off_switch(*command, "--no-discovery", options->write_discovery,
                      "do not write the file by which clients of this user find the server");
  command
      ->add_option("--max-attempts", options->max_attempts, "how often a task is tried; default 3")
      ->type_name("N")
      ->check(cli::whole_number(1));
  command
      ->add_option(
          "--refusal-grace-ms", options->refusal_grace_ms,
          "how long a clip that no worker's host can do waits for another worker; default 60000")
      ->type_name("N")
      ->check(cli::whole_number(0));
  command
      ->add_option("--lease-ms", options->lease_ms,
                   "a worker that is silent for this long loses its tasks")
      ->type_name("N")
      ->check(cli::whole_number(1));
  command->add_option("--heartbeat-ms", options->heartbeat_ms, "how often workers report")
      ->type_name("N")
      ->check(cli::whole_number(1));
  command
      ->add_option("--ready-fd", options->ready_fd,
                   "file descriptor that gets one JSON line when the server listens")
      ->type_name("FD");
  command->add_flag("--exit-with-parent", options->exit_with_parent,
                    "end when the process that started this one ends");
  command->callback([=, &chosen] { chosen = [=] { return run(*options); }; });
}

}  // namespace mimicfleet::coordinator
