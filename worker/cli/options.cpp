#include "worker/cli/options.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/cli/command_line.h"
#include "common/cli/config_file.h"
#include "common/config/byte_size.h"
#include "common/config/device_name.h"
#include "common/endpoint.h"
#include "common/host_name.h"
#include "common/user_folders.h"
#include "common/wire/utf8.h"
#include "worker/artefacts/data_port.h"
#include "worker/cli/latents_command.h"

namespace mimicfleet::worker {
namespace {

constexpr const char* kExamples = R"(examples:
  worker --models models/                     for the coordinator of this user on this host
  worker --coordinator tcp://node1:5555 --models /data/models --device cuda:1
  worker --models models/ --device cpu --threads 4 --roots /data/clips /data/out
  worker --models models/ --kinds decode_video  only turns latents into videos
  worker cache stats                          what the feature caches of this host's workers hold
  worker latents import a.pt b.pt --output-dir out/_latents     latents of the original

The coordinator is found by --coordinator, MIMICFLEET_SERVER, or the file that `coordinator serve`
writes; while there is no answer, that file is read again.
Exit codes: 0 it was asked to leave, 1 it failed, 2 a mistake on the command line, 3 no coordinator
is known, 4 starting it again cannot help (models or device that it cannot use; refused).)";

constexpr int kIdleSeconds = 60;

Status no_choice(const std::string& flag, const std::string& text, const std::string& choices) {
  return {StatusCode::kInvalidArgument, fmt::format("{}: '{}' is not {}", flag, text, choices)};
}

Status read(const std::string& flag, const std::string& text, jobs::Precision& precision) {
  const auto parsed = enum_from<jobs::Precision>(text);
  if (!parsed) return no_choice(flag, text, choices<jobs::Precision>());
  precision = *parsed;
  return {};
}

Status read(const std::string& flag, const std::string& text, std::uint64_t& bytes) {
  if (text.empty()) return {};
  const auto parsed = config::parse_byte_size(text);
  if (!parsed.ok()) return parsed.status().prefixed(flag);
  bytes = *parsed;
  return {};
}

Status read(const std::string& flag, const std::vector<std::string>& names,
            std::vector<jobs::TaskKind>& kinds) {
  if (names.empty()) return {};
  kinds.clear();
  for (const auto& name : names) {
    const auto kind = enum_from<jobs::TaskKind>(name);
    if (!kind) return no_choice(flag, name, choices<jobs::TaskKind>());
    if (std::find(kinds.begin(), kinds.end(), *kind) == kinds.end()) kinds.push_back(*kind);
  }
  return {};
}

Status read(const std::string& flag, const std::string& text, std::optional<Duration>& idle) {
  int seconds = kIdleSeconds;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds);
  if (!text.empty() && (error != std::errc() || rest != end || seconds < 0)) {
    return {StatusCode::kInvalidArgument,
            fmt::format("{}: '{}' is no number of seconds", flag, text)};
  }
  idle = std::chrono::seconds(seconds);
  return {};
}

// Makes a flag of each row of WorkerConfig::flags(), by the type of its member.
class Flags {
 public:
  explicit Flags(CLI::App& app) : app_(app) {}

  void operator()(const char* flag, std::string& value, const char* type, const char* help) {
    app_.add_option(flag, value, help)->type_name(type);
  }
  void operator()(const char* flag, std::vector<std::string>& values, const char* type,
                  const char* help) {
    app_.add_option(flag, values, help)->type_name(type)->expected(1, -1);
  }
  void operator()(const char* flag, bool& value, const char* /*type*/, const char* help) {
    app_.add_flag(flag, value, help);
  }
  void operator()(const char* flag, int& value, const char* type, const char* help,
                  FlagRange range) {
    app_.add_option(flag, value, help)
        ->type_name(type)
        ->check(cli::whole_number(range.least, range.most));
  }
  void operator()(const char* flag, Duration& value, const char* type, const char* help) {
    app_.add_option_function<std::int32_t>(
            flag, [&value](std::int32_t seconds) { value = std::chrono::seconds(seconds); }, help)
        ->type_name(type)
        ->check(cli::whole_number(0));
  }
  void operator()(const char* flag, std::optional<Duration>& value, const char* type,
                  const char* help) {
    add_text<std::string>(flag, value, help)->type_name(type)->expected(0, 1);
  }
  void operator()(const char* flag, std::vector<jobs::TaskKind>& value, const char* type,
                  const char* help) {
    add_text<std::vector<std::string>>(flag, value, help)
        ->type_name(type)
        ->expected(1, -1)
        ->delimiter(',');
  }
  template <typename T>  // what read() takes
  void operator()(const char* flag, T& value, const char* type, const char* help) {
    add_text<std::string>(flag, value, help)->type_name(type);
  }

  // What CLI11 took as text, read further.
  [[nodiscard]] Status read_texts() const {
    for (const auto& read_text : texts_) RETURN_IF_ERROR(read_text());
    return {};
  }

 private:
  template <typename Text, typename T>
  CLI::Option* add_text(const char* flag, T& value, const char* help) {
    const auto text = std::make_shared<Text>();
    CLI::Option* option = app_.add_option(flag, *text, help);
    texts_.push_back(
        [=, &value] { return option->count() == 0 ? Status() : read(flag, *text, value); });
    return option;
  }

  CLI::App& app_;
  std::vector<std::function<Status()>> texts_;
};

// worker cache stats|verify|clear
void add_cache_commands(CLI::App& app, CommandLine& line, std::string& output_mode) {
  CLI::App* cache = app.add_subcommand(
      "cache", "look at the feature caches of workers; verify and clear those that are stopped");
  cache->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, CacheCommand::Action action) {
    CLI::App* command = cache->add_subcommand(name, help);
    command
        ->add_option("--feature-cache-dir", line.config.cache.directory,
                     "default: ~/.cache/mimicfleet/features")
        ->type_name("DIR");
    command->add_option("--output-mode", output_mode, "human (default) or json")
        ->check(CLI::IsMember({"human", "json"}))
        ->type_name("MODE");
    command->callback([&line, action] { line.cache.action = action; });
  };
  add("stats", "entries, bytes, and the seconds that they save", CacheCommand::Action::kStats);
  add("verify", "read every entry and remove damaged ones", CacheCommand::Action::kVerify);
  add("clear", "remove all entries", CacheCommand::Action::kClear);
}

Status read_device(std::string& device) {
  auto named = config::parse_device_name(device);
  if (!named.ok()) return named.status().prefixed("--device");
  device = std::move(*named);
  return {};
}

Status check(WorkerConfig& config) {
  if (!wire::is_utf8(config.name)) {
    return {StatusCode::kInvalidArgument,
            fmt::format("--name: '{}' is not UTF-8", wire::in_utf8(config.name))};
  }
  RETURN_IF_ERROR(read_device(config.device));
  if (config.data_dir.empty()) {
    return {StatusCode::kInvalidArgument,
            "HOME is not set: give --data-dir and --feature-cache-dir"};
  }
  return artefacts::data_port(config.advertise, config.insecure).status();
}

// Defaults that depend on the user and the host.
void set_folders(WorkerConfig& config) {
  const std::string caches = user_cache_folder();
  if (caches.empty()) return;
  config.cache.directory = caches + "/features";
  config.data_dir = caches + "/worker";
  config.digest_store = caches + "/digests";
}

}  // namespace

std::optional<int> parse_command_line(int argc, char** argv, CommandLine& line) {
  CLI::App app("mimicfleet: computes the tasks that a coordinator hands out", "worker");
  app.set_version_flag("--version", std::string("mimicfleet ") + MIMICFLEET_VERSION);
  app.footer(kExamples);
  set_folders(line.config);
  cli::add_config_files(app);
  Flags flags(app);
  line.config.flags(flags);
  std::string output_mode = "human";
  add_cache_commands(app, line, output_mode);
  std::function<int()> chosen;
  add_latents_command(app, chosen);
  if (const auto code = cli::parse(app, argc, argv)) return code;
  if (chosen) return chosen();
  line.cache.json = output_mode == "json";
  Status wrong = flags.read_texts();
  if (wrong.ok()) wrong = check(line.config);
  if (!wrong.ok()) {
    fmt::print(stderr, "error: {}\n", wrong.message());
    return cli::kExitUsage;
  }
  if (line.config.name.empty()) {
    line.config.name = fmt::format("{}-{}-{}", host_name(), line.config.device, ::getpid());
  }
  return std::nullopt;
}

std::string metrics_endpoint(const std::string& address, const std::string& advertised_host) {
  const auto [host, port] = split_host_and_port(address);
  if (host != "0.0.0.0" && host != "[::]") return address;
  return fmt::format("{}:{}", advertised_host.empty() ? host_name() : advertised_host,
                     port.value_or(""));
}

}  // namespace mimicfleet::worker
