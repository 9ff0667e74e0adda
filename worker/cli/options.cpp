#include "worker/cli/options.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "common/cli/command_line.h"
#include "common/cli/config_file.h"
#include "common/config/byte_size.h"
#include "common/config/device_name.h"
#include "common/endpoint.h"
#include "common/host_name.h"
#include "common/user_folders.h"
#include "common/wire/utf8.h"
#include "worker/cli/latents_command.h"

namespace mimicfleet::worker {
namespace {

constexpr const char* kExamples = R"(examples:
  worker --models models/                           for the coordinator of this user on this host
  worker --coordinator tcp://node1:5555 --models /data/models --device cuda:1
  worker --models models/ --device cpu --threads 4 --roots /data/clips /data/out
  worker --models models/ --kinds decode_video      only turns latents into videos
  worker cache stats                                what the feature caches of this host's workers hold
  worker latents import a.pt b.pt --output-dir out/_latents     latents of the original

The coordinator is found by --coordinator, MIMICFLEET_SERVER, or the file that `coordinator serve` writes,
which is read again while nobody answers.
It ends with 0 when it was asked to leave, 1 when it failed, 2 for a mistake on the command line, 3 when no
coordinator is known, 4 when starting it again cannot help (models or device that it cannot use, refused).)";

// What CLI11 reads as text and we read further.
struct RawOptions {
  std::string precision = "auto";
  std::vector<std::string> kinds;
  std::string idle;
  std::string cache_limit;
  std::string output_mode = "human";
};

void add_flags(CLI::App& app, WorkerOptions& options, RawOptions& raw) {
  const auto text = [&](const char* flag, std::string& value, const char* help, const char* type) {
    app.add_option(flag, value, help)->type_name(type);
  };
  const auto list = [&](const char* flag, std::vector<std::string>& values, const char* help,
                        const char* type) {
    app.add_option(flag, values, help)->type_name(type)->expected(1, -1)->delimiter(',');
  };
  cli::add_config_files(app);
  text("--coordinator", options.coordinator, "coordinator to work for", "ENDPOINT");
  app.add_option("--models", options.models,
                 "model folders; default: the toy models that come with the program")
      ->type_name("DIR")
      ->expected(1, -1);
  text("--feature-cache-dir", options.feature_cache_dir,
       "default: ~/.cache/mimicfleet/features; '' for none", "DIR");
  text("--feature-cache-limit", raw.cache_limit,
       "bytes that it may hold, such as 20G; default: 50G, or a tenth of the disk if that is less",
       "SIZE");
  text("--data-dir", options.data_dir,
       "latents for other workers; default: ~/.cache/mimicfleet/worker", "DIR");
  text("--device", options.device, "auto, cpu, cuda (the first GPU) or cuda:N", "DEVICE");
  text("--precision", raw.precision, "auto, fp32, bf16 or fp16; auto: fp32 on a CPU, else fp16",
       "PRECISION");
  app.add_flag("--fp8", options.needs_fp8,
               "end unless the device can do the --fp8 of coordinator submit");
  app.add_option("--threads", options.threads,
                 "of the computations on a CPU; default: all physical cores")
      ->type_name("N")
      ->check(cli::whole_number(1, cli::kMostThreads));
  text("--advertise", options.advertise,
       "where other workers reach this one's latents; default: loopback", "HOST[:PORT]");
  app.add_flag("--insecure", options.insecure,
               "let --advertise be an address that strangers can reach");
  app.add_option("--roots", options.roots,
                 "only files below these folders are opened; default: any")
      ->type_name("DIR")
      ->expected(1, -1);
  list("--kinds", raw.kinds, "tasks to take: encode_latents, decode_video; default: both", "KIND");
  text("--metrics", options.metrics, "for Prometheus; off; default: 127.0.0.1:0 (any free port)",
       "HOST:PORT");
  text("--name", options.name, "for people; default: host, device and process", "NAME");
  app.add_flag("--exit-with-parent", options.exit_with_parent,
               "end when the starting process does");
  app.add_option("--drain-on-stop", options.drain_on_stop,
                 "when asked to stop (SIGTERM), finish what runs for at most so long; a second "
                 "signal hands "
                 "it back; default 0")
      ->type_name("SECONDS")
      ->check(cli::whole_number(0));
  app.add_option("--exit-when-idle", raw.idle, "end after so long without a task; default: 60")
      ->type_name("[SECONDS]")
      ->expected(0, 1);
}

// worker cache stats|verify|clear
void add_cache_commands(CLI::App& app, WorkerOptions& options, RawOptions& raw) {
  CLI::App* cache = app.add_subcommand(
      "cache", "look at the feature caches of workers; verify and clear those that are stopped");
  cache->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, CacheCommand::Action action) {
    CLI::App* command = cache->add_subcommand(name, help);
    command
        ->add_option("--feature-cache-dir", options.feature_cache_dir,
                     "default: ~/.cache/mimicfleet/features")
        ->type_name("DIR");
    command->add_option("--output-mode", raw.output_mode, "human (default) or json")
        ->check(CLI::IsMember({"human", "json"}))
        ->type_name("MODE");
    command->callback([&options, action] { options.cache.action = action; });
  };
  add("stats", "entries, bytes and what they are worth", CacheCommand::Action::kStats);
  add("verify", "read every entry and remove damaged ones", CacheCommand::Action::kVerify);
  add("clear", "remove all entries", CacheCommand::Action::kClear);
}

Status read_cache(const RawOptions& raw, WorkerOptions& options) {
  options.cache.directory = options.feature_cache_dir;
  options.cache.json = raw.output_mode == "json";
  if (raw.cache_limit.empty()) return {};
  const auto limit = config::parse_byte_size(raw.cache_limit);
  if (!limit.ok()) return limit.status().prefixed("--feature-cache-limit");
  options.feature_cache_limit = *limit;
  return {};
}

Status read_device(std::string& device) {
  auto named = config::parse_device_name(device);
  if (!named.ok()) return named.status().prefixed("--device");
  device = std::move(*named);
  return {};
}

Status read_precision(const std::string& name, jobs::Precision& precision) {
  const auto parsed = enum_from(name, static_cast<jobs::Precision*>(nullptr));
  if (!parsed) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--precision: '{}' is not auto, fp32, bf16 or fp16", name)};
  }
  precision = *parsed;
  return {};
}

Status read_kinds(const std::vector<std::string>& names, std::vector<jobs::TaskKind>& kinds) {
  if (names.empty()) return {};
  kinds.clear();
  for (const auto& name : names) {
    const auto kind = enum_from(name, static_cast<jobs::TaskKind*>(nullptr));
    if (!kind) {
      return {StatusCode::kInvalidArgument,
              fmt::format("--kinds: '{}' is not encode_latents or decode_video", name)};
    }
    if (std::find(kinds.begin(), kinds.end(), *kind) == kinds.end()) kinds.push_back(*kind);
  }
  return {};
}

Status read_idle(const CLI::App& app, const std::string& text,
                 std::optional<std::chrono::seconds>& idle) {
  if (app.count("--exit-when-idle") == 0) return {};
  int seconds = 60;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds);
  if (!text.empty() && (error != std::errc() || rest != end || seconds < 0)) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--exit-when-idle: '{}' is no number of seconds", text)};
  }
  idle = std::chrono::seconds(seconds);
  return {};
}

Status read_further(const CLI::App& app, const RawOptions& raw, WorkerOptions& options) {
  if (!wire::is_utf8(options.name)) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--name: '{}' is not UTF-8", wire::in_utf8(options.name))};
  }
  RETURN_IF_ERROR(read_device(options.device));
  RETURN_IF_ERROR(read_precision(raw.precision, options.precision));
  RETURN_IF_ERROR(read_kinds(raw.kinds, options.kinds));
  RETURN_IF_ERROR(read_idle(app, raw.idle, options.exit_when_idle));
  RETURN_IF_ERROR(read_cache(raw, options));
  if (options.data_dir.empty()) {
    return {StatusCode::kInvalidArgument,
            "HOME is not set: give --data-dir and --feature-cache-dir"};
  }
  return data_port(options.advertise, options.insecure).status();
}

}  // namespace

std::optional<int> parse_options(int argc, char** argv, WorkerOptions& options) {
  CLI::App app("mimicfleet: computes the tasks that a coordinator hands out", "worker");
  app.set_version_flag("--version", std::string("mimicfleet ") + MIMICFLEET_VERSION);
  app.footer(kExamples);
  if (const std::string caches = user_cache_folder(); !caches.empty()) {
    options.feature_cache_dir = caches + "/features";
    options.data_dir = caches + "/worker";
  }
  RawOptions raw;
  add_flags(app, options, raw);
  add_cache_commands(app, options, raw);
  std::function<int()> chosen;
  add_latents_command(app, chosen);
  if (const auto code = cli::parse(app, argc, argv)) return code;
  if (chosen) return chosen();
  if (const Status wrong = read_further(app, raw, options); !wrong.ok()) {
    fmt::print(stderr, "error: {}\n", wrong.message());
    return cli::kExitUsage;
  }
  return std::nullopt;
}

Result<DataPort> data_port(const std::string& advertise, bool insecure) {
  if (advertise.empty()) return DataPort{"tcp://127.0.0.1:*", {}};
  const auto [name, number] = split_host_and_port(advertise);
  const std::string host(name);
  const std::string port(number.value_or("*"));
  if (host.empty() || host.find(':') != std::string::npos ||
      (port != "*" && parse_port(port).value_or(0) == 0)) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("--advertise: '{}' is not HOST or HOST:PORT", advertise));
  }
  if (host == "localhost" || host.starts_with("127."))
    return DataPort{"tcp://127.0.0.1:" + port, host};
  if (!insecure) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format(
            "--advertise {}: anybody who reaches that address could read latents; give --insecure "
            "too if all of that network is trusted",
            host));
  }
  return DataPort{"tcp://0.0.0.0:" + port, host};
}

std::string metrics_endpoint(const std::string& address, const std::string& advertised_host) {
  const auto [host, port] = split_host_and_port(address);
  if (host != "0.0.0.0" && host != "[::]") return address;
  return fmt::format("{}:{}", advertised_host.empty() ? host_name() : advertised_host,
                     port.value_or(""));
}

}  // namespace mimicfleet::worker
