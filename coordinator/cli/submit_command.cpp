#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "common/cli/command_line.h"
#include "common/config/byte_size.h"
#include "common/log.h"
#include "coordinator/cli/command.h"
#include "coordinator/cli/latents_flags.h"
#include "coordinator/cli/submit_flags.h"
#include "coordinator/client/embedded/devices.h"
#include "coordinator/client/report/exit_code.h"
#include "coordinator/config/presets.h"
#include "coordinator/config/settings.h"

namespace mimicfleet::coordinator {
namespace {

constexpr const char* kSubmitExamples = R"(examples:
  coordinator submit videos/ --ref-image person.png --models models/
  coordinator submit videos/a.mp4 --config test.yaml --steps 4 --scheduler euler --save-latents
  coordinator submit videos/ --ref-image person.png --filter 'word_*' --limit 10 --dry-run
  coordinator submit list.csv --server tcp://gpu1:5555 --no-wait
  find . -name '*.mp4' | coordinator submit - --ref-image person.png
  coordinator submit words/ --ref-image person.png --mode encode --output-dir out/
  coordinator submit words/ --mode decode --videos a.mp4 b.mp4 --interp-frames 5 --output-dir out/
  coordinator submit words/ --ref-image person.png --sentences sentences.csv

Run again, it makes only what is missing or changed. docs/cli.md tells more.)";

std::string flag_names(const jobs::Setting& setting) {
  std::string names = fmt::format("--{}", setting.flag);
  for (const auto other : setting.others) {
    std::string dashed(other);
    std::replace(dashed.begin(), dashed.end(), '_', '-');
    names += fmt::format(",--{}", dashed);
  }
  return names;
}

std::string help_of(const jobs::Setting& setting) {
  const std::string built_in = setting.default_text();
  if (built_in.empty()) return std::string(setting.help);
  return fmt::format("{}; default {}", setting.help, built_in);
}

Status read_shard(const std::string& text, InputSelection& selection) {
  int end = 0;
  const bool read =
      std::sscanf(text.c_str(), "%5zu/%5zu%n", &selection.shard, &selection.shards, &end) == 2;
  if (read && static_cast<std::size_t>(end) == text.size() && selection.shard >= 1 &&
      selection.shard <= selection.shards) {
    return {};
  }
  return {StatusCode::kInvalidArgument,
          fmt::format("--shard {}: write I/N, such as 1/4 for the first of four", text)};
}

// What only an embedded run can honour must not be dropped in silence.
Status check_embedded_flags(const CLI::App& command, const std::string& endpoint) {
  std::vector<const char*> flags = {"--device", "--workers", "--threads"};
  for (const auto& flag : kWorkerFlags) flags.push_back(flag.name);
  for (const char* flag : flags) {
    if (command.count(flag) > 0) {
      return {StatusCode::kInvalidArgument,
              fmt::format("{} is for embedded runs; the workers of {} have their own (or give "
                          "--server embedded)",
                          flag, endpoint)};
    }
  }
  return {};
}

Status complete_feature_cache(SubmitOptions& options) {
  if (!options.embedded.feature_cache_limit.empty()) {
    const auto limit = config::parse_byte_size(options.embedded.feature_cache_limit);
    if (!limit.ok()) return limit.status().prefixed("--feature-cache-limit");
  }
  if (!options.benchmark_cache) return {};
  if (!options.wait)
    return {StatusCode::kInvalidArgument, "--benchmark-cache waits: leave out --no-wait"};
  if (!options.request.features.use) {
    log::warn("--benchmark-cache measures the cache: --disable-feature-cache is ignored");
  }
  // One worker, so that the second pass finds what the first one left.
  if (options.embedded.workers == 0) options.embedded.workers = 1;
  return {};
}

void add_worker_flags(CLI::App& command, std::string_view group, EmbeddedOptions& embedded) {
  for (const auto& flag : kWorkerFlags) {
    if (flag.group != group) continue;
    command.add_option(flag.name, embedded.*flag.value, flag.help)
        ->type_name(flag.type)
        ->group(flag.group);
  }
}

}  // namespace

void add_inputs(CLI::App& command, SubmitFlags& flags) {
  auto& request = flags.options.request;
  command
      .add_option("PATH", request.paths,
                  "folders (walked), videos, manifests (.txt .csv .tsv .json .jsonl), or - for "
                  "paths on stdin")
      ->type_name("");
  const char* group = "Inputs";
  command.add_option("--ref-image", request.reference, "picture of the character")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--config,--inference-config", request.config,
                  "YAML as configs/test.yaml; flags win over it")
      ->type_name("FILE")
      ->group(group);
  command
      .add_option("--filter", request.selection.filter, "only videos whose path or name matches")
      ->type_name("GLOB")
      ->group(group);
  command.add_option("--shard", flags.shard, "only every N-th video, from the I-th")
      ->type_name("I/N")
      ->group(group);
  command.add_option("--limit", request.selection.limit, "at most N videos")
      ->type_name("N")
      ->check(cli::whole_number(1))
      ->group(group);
}

void add_models(CLI::App& command, SubmitFlags& flags) {
  auto& request = flags.options.request;
  const char* group = "Models";
  command
      .add_option("--models", request.models,
                  "folder with MimicMotion_1-1.pth, DWPose/ and the SVD folder, or the name of "
                  "models that a "
                  "server's workers have; default: the config's, the workers', else toy models")
      ->type_name("DIR")
      ->group(group);
  command
      .add_option("--dwpose", request.dwpose, "DWPose folder, if not beside the config's ckpt_path")
      ->type_name("DIR")
      ->group(group);
}

void add_generation(CLI::App& command, SubmitFlags& flags, Repeats repeats) {
  std::string help = "settings that go together, over which flags win:";
  for (const auto& preset : presets()) help += fmt::format(" {} ({});", preset.name, preset.help);
  help.pop_back();
  command.add_option("--preset", flags.options.request.preset, help)
      ->type_name("NAME")
      ->group("Generation");
  for (const auto& setting : jobs::settings()) {
    if (setting.flag.empty()) continue;
    auto& [known, texts] =
        flags.settings.emplace_back(&setting, std::make_unique<std::vector<std::string>>());
    const bool is_switch = setting.value.empty();
    const bool may_repeat = setting.repeats || repeats == Repeats::kAll;
    const auto policy =
        may_repeat ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::Throw;
    auto* option = is_switch ? command.add_flag(flag_names(setting), *texts, help_of(setting))
                             : command.add_option(flag_names(setting), *texts, help_of(setting));
    option->group(setting.of_scripts ? "Constants of the lcm scheduler" : "Generation");
    if (!is_switch) {
      option->type_name(std::string(setting.value))
          ->expected(1)
          ->allow_extra_args(false)
          ->multi_option_policy(policy);
    }
  }
}

void add_outputs(CLI::App& command, SubmitFlags& flags) {
  auto& request = flags.options.request;
  const char* group = "Outputs";
  command.add_option("--output-dir", request.output_dir, "default: outputs")
      ->type_name("DIR")
      ->group(group);
  command.add_flag("--save-latents", request.save_latents, "also _latents/NAME.safetensors")
      ->group(group);
  command.add_flag("--save-frames", request.save_frames, "also _frames/NAME/000000.png …")
      ->group(group);
  command.add_option("--log-file", flags.log_file, "log, progress and results go there, too")
      ->type_name("FILE")
      ->group(group);
  add_output_flag(command, flags.common, group);
}

void add_place(CLI::App& command, SubmitFlags& flags) {
  auto& embedded = flags.options.embedded;
  const char* group = kPlaceGroup;
  command
      .add_option("--server", flags.common.server,
                  "coordinator to submit to (also MIMICFLEET_SERVER); default: a running "
                  "`coordinator serve` of "
                  "this user, else an embedded one for this run; `embedded` asks for that")
      ->type_name("ENDPOINT")
      ->group(group);
  command
      .add_option("--priority", flags.options.request.priority,
                  "jobs of a higher priority start first; default 0")
      ->type_name("N")
      ->check(cli::whole_number(std::numeric_limits<std::int32_t>::min()))
      ->group(group);
  command
      .add_flag("--dry-run", flags.options.dry_run,
                "say what would be made and why, and make nothing")
      ->group(group);
  command
      .add_flag("--cancel-on-interrupt", flags.options.cancel_on_interrupt,
                "Ctrl-C, SIGTERM and SIGHUP also cancel the job on the server")
      ->group(group);
  command
      .add_option("--device", embedded.device,
                  "embedded: auto, cpu, cuda (the first GPU) or cuda:N")
      ->type_name("DEVICE")
      ->group(group);
  command
      .add_option("--workers", embedded.workers,
                  "embedded: number of workers; default one for each GPU, else one")
      ->type_name("N")
      ->check(cli::whole_number(1, 1024))
      ->group(group);
  command
      .add_option("--threads", embedded.threads,
                  "embedded: threads of each worker; default its share of the cores")
      ->type_name("N")
      ->check(cli::whole_number(1, cli::kMostThreads))
      ->group(group);
  add_worker_flags(command, group, embedded);
}

void add_feature_cache(CLI::App& command, SubmitFlags& flags) {
  add_worker_flags(command, kFeatureCacheGroup, flags.options.embedded);
  const char* group = kFeatureCacheGroup;
  auto& features = flags.options.request.features;
  cli::add_off_switch(command, "--disable-feature-cache", features.use,
                      "do not use the feature cache")
      ->group(group);
  command
      .add_flag("--feature-cache-force-refresh", features.refresh,
                "compute all features anew and keep them")
      ->group(group);
  cli::add_off_switch(command, "--disable-pipeline-feature-cache", features.pipeline,
                      "cache poses and reference image only, not CLIP embedding and VAE latent")
      ->group(group);
}

// Flags of the Python scripts that are answered with the reason why there are none such
// (docs/from_python.md).
struct RefusedFlag {
  const char* name;
  bool has_value;
  const char* reason;
};
constexpr std::array kRefusedFlags = {
    RefusedFlag{"--no-fuse-lcm-lora", false, "LoRAs are always fused; leave the flag out"},
    RefusedFlag{"--lcm-beta-schedule", true,
                "the lcm scheduler here has no betas; leave the flag out"},
    RefusedFlag{"--bridge-file", true,
                "poses come from videos, not from a bridge file; give PATH, a video or a folder"},
    RefusedFlag{"--node-index", true,
                "the share of the inputs is --shard I/N here, counted from 1"},
    RefusedFlag{"--total-nodes", true,
                "the share of the inputs is --shard I/N here, counted from 1"},
};

void add_refused(CLI::App& command) {
  for (const auto& flag : kRefusedFlags) {
    CLI::Option* option = flag.has_value ? command.add_option_function<std::string>(
                                               flag.name, [](const std::string&) {})
                                         : command.add_flag_callback(flag.name, [] {});
    option->group("");  // in no help
  }
}

Status check_refused(const CLI::App& command) {
  for (const auto& flag : kRefusedFlags) {
    if (command.count(flag.name) == 0) continue;
    return {StatusCode::kInvalidArgument, fmt::format("{}: {}", flag.name, flag.reason)};
  }
  return {};
}

Status complete(const CLI::App& command, SubmitFlags& flags) {
  auto& options = flags.options;
  if (!flags.log_file.empty()) {
    const std::string failure = log::copy_to_file(flags.log_file);
    if (!failure.empty())
      return {StatusCode::kInvalidArgument, fmt::format("--log-file: {}", failure)};
  }
  RETURN_IF_ERROR(preset_layer(options.request.preset).status());
  RETURN_IF_ERROR(read_shard(flags.shard, options.request.selection));
  for (const auto& [setting, texts] : flags.settings) {
    const std::string name = fmt::format("--{}", setting->flag);
    for (const auto& text : *texts) options.request.flags.values.push_back({setting, text, name});
  }
  RETURN_IF_ERROR(complete_feature_cache(options));
  RETURN_IF_ERROR(worker_devices(options.embedded.device, options.embedded.workers, 0).status());
  options.server = flags.common.server;
  options.json = flags.common.json();
  ASSIGN_OR_RETURN(options.endpoint, find_target(options.server));
  return options.endpoint ? check_embedded_flags(command, *options.endpoint) : Status();
}

namespace {

void add_command(CLI::App& app, Chosen& chosen, const char* name, const char* description,
                 bool dry_run) {
  auto flags = std::make_shared<SubmitFlags>();
  auto latents = std::make_shared<LatentsFlags>();
  CLI::App* command = app.add_subcommand(name, description);
  add_inputs(*command, *flags);
  add_latents_flags(*command, flags->options.request, *latents);
  add_models(*command, *flags);
  add_generation(*command, *flags, Repeats::kLists);
  add_outputs(*command, *flags);
  add_place(*command, *flags);
  add_feature_cache(*command, *flags);
  add_refused(*command);
  command
      ->add_flag("--benchmark-cache", flags->options.benchmark_cache,
                 "make every clip twice below OUT/_benchmark, cold and warm, and compare")
      ->group(kFeatureCacheGroup);
  command
      ->add_flag("--overwrite", flags->options.request.overwrite,
                 "also replace videos of another seed, image or model, and files of other programs")
      ->group("Outputs");
  auto* no_wait = cli::add_off_switch(*command, "--no-wait", flags->options.wait,
                                      "return once the server has the job");
  no_wait->group(kPlaceGroup);
  command->add_flag("--wait", flags->waits, "return when all is done (the default)")
      ->group(kPlaceGroup)
      ->excludes(no_wait);
  command->footer(kSubmitExamples);
  command->callback([=, &chosen] {
    chosen = [=] {
      if (const Status refused = check_refused(*command); !refused.ok()) return report(refused);
      if (const Status wrong = complete(*command, *flags); !wrong.ok()) return report(wrong);
      const Status unfit = complete_latents_flags(*command, *latents, flags->options.request);
      if (!unfit.ok()) return report(unfit);
      if (dry_run) flags->options.dry_run = true;
      return SubmitRun(std::move(flags->options)).run();
    };
  });
}

}  // namespace

void add_submit(CLI::App& app, Chosen& chosen) {
  add_command(app, chosen, "submit", "make videos: embedded, or on a server", false);
  add_command(app, chosen, "plan", "what `submit` would make and why; same as submit --dry-run",
              true);
}

}  // namespace mimicfleet::coordinator
