#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/files/digest_cache.h"
#include "common/model_root/model_root.h"
#include "common/status.h"
#include "jobs/model_set.h"

namespace mimicfleet::coordinator {

// What the user said about models.
struct ModelRequest {
  std::string root;             // --models: a folder, or with a server the name of one of its sets
  std::string dwpose;           // --dwpose
  std::string base_model_path;  // of the config
  std::string ckpt_path;
  std::string config_folder;  // where the config lies; empty without one
};

struct ChosenModels {
  jobs::ModelSet set;  // of found files only name and defaults, until name_models()
  std::optional<model_root::ModelFiles> files;  // none when only the server's workers have them
  std::string warning;                          // to be said first; empty: nothing
};

// The model sets that a server's workers have; asked for only where they decide, since it may wait
// for workers that load theirs. No function: no server.
using OfferedModels = std::function<Result<std::vector<jobs::ModelSet>>()>;

// --models, else what the config names: found here, whoever computes with them, since their content
// decides which workers can; --models may also be the name of a set that is offered. Where nothing
// is named, the set that is offered (without a notice rather than with one), else the pack that
// comes with the program, with a warning unless it is an ordinary one. Errors name the missing
// file, or the sets that there are.
[[nodiscard]] Result<ChosenModels> choose_models(const ModelRequest& request,
                                                 const OfferedModels& offered);

// Whether there are models for everybody among them: toys have a notice that says what they are.
[[nodiscard]] bool any_without_notice(const std::vector<jobs::ModelSet>& sets);

// What is to be told of the workers of a server before a job for `models` goes there: that none has
// them yet; that some have models with a notice instead.
[[nodiscard]] std::vector<std::string> remarks_on_workers(
    const jobs::ModelSet& models, const std::vector<jobs::ModelSet>& offered);

// Reads the found files, unless `cache` knows them, to name the set by content.
[[nodiscard]] Status name_models(ChosenModels& chosen, FileDigestCache& cache);

// A folder that `worker --models` finds exactly these files below: their own root, or links in
// `scratch`.
[[nodiscard]] Result<std::string> worker_root(const model_root::ModelFiles& files,
                                              const std::string& scratch);

}  // namespace mimicfleet::coordinator
