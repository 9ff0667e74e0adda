#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/safetensors/header.h"
#include "common/status.h"
#include "jobs/model_set.h"
#include "jobs/plan.h"

namespace mimicfleet::coordinator {

// A file of latents (docs/latent_format.md) as a client sees it: what its header says, without the
// numbers. What it does not say is empty or zero.
struct LatentsFile {
  jobs::SavedLatents saved;
  jobs::ModelSet models;  // id, name and checkpoint
  Digest driving;
  Digest reference;
  std::string reference_path;
  std::string precision;
  std::optional<jobs::Parameters> parameters;
  std::vector<std::string> warnings;  // of what they were made of
};

// kNotFound; kBadInput: no safetensors file, or not one of latents.
[[nodiscard]] Result<LatentsFile> read_latents_file(const std::string& path,
                                                    FileDigestCache& cache);

// The same of a header; `saved.file` stays empty. kBadInput without naming the file.
[[nodiscard]] Result<LatentsFile> describe_latents(const safetensors::Header& header);

// Why the latents are not what this clip's encode would make ("steps was 25"); empty if they are,
// or if nothing is known of how they were made.
[[nodiscard]] std::string latents_differ(const LatentsFile& file, const jobs::ClipPlan& clip,
                                         const jobs::ModelSet& models);

// By what else they were made, if it was somebody's choice (see changed_setting.h); empty if not,
// or unknown.
[[nodiscard]] std::string latents_made_with(const LatentsFile& file, const jobs::ClipPlan& clip,
                                            const jobs::ModelSet& models);

}  // namespace mimicfleet::coordinator
