#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "coordinator/client/plan/planner.h"

namespace mimicfleet::coordinator {

// Flags of latents that are kept and of concatenated videos joined from them, as CLI11 reads them.
struct LatentsFlags {
  std::string mode = "generate";
  std::string video_folder;
  bool disable_individual_videos = false;
  bool keep_first_frame = false;
  bool no_use_float16 = false;
};

void add_latents_flags(CLI::App& command, SubmitRequest& request, LatentsFlags& flags);

// Puts what was read into the request. kInvalidArgument: flags that do not go together.
[[nodiscard]] Status complete_latents_flags(const CLI::App& command, const LatentsFlags& flags,
                                            SubmitRequest& request);

}  // namespace mimicfleet::coordinator
