#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/cli/command.h"
#include "coordinator/cli/submit_run.h"
#include "coordinator/config/settings.h"

// The flags by which a user says what is to be made, of what, and where: those of `submit`, of
// which other commands have most.
namespace mimicfleet::coordinator {

struct SubmitFlags {
  SubmitOptions options;
  CommonFlags common;
  std::string shard = "1/1";
  std::string log_file;
  bool waits = false;  // said, beside being the default
  std::vector<std::pair<const Setting*, std::unique_ptr<std::vector<std::string>>>> settings;
};

enum class Repeats { kLists, kAll };  // which settings may be given several times

void add_inputs(CLI::App& command, SubmitFlags& flags);
void add_models(CLI::App& command, SubmitFlags& flags);
void add_generation(CLI::App& command, SubmitFlags& flags, Repeats repeats);
void add_outputs(CLI::App& command, SubmitFlags& flags);
void add_place(CLI::App& command, SubmitFlags& flags);
void add_feature_cache(CLI::App& command, SubmitFlags& flags);

// Takes what was parsed into the options. kInvalidArgument: what only an embedded run could honour,
// …
[[nodiscard]] Status complete(const CLI::App& command, SubmitFlags& flags);

}  // namespace mimicfleet::coordinator
