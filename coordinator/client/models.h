#pragma once

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
  jobs::ModelSet set;                           // of found files only name and defaults, until name_models()
  std::optional<model_root::ModelFiles> files;  // none when only the server has them
};

// --models, else what the config names, else the pack that is shipped with the program; with a server
// (`offered` not null) what of these its workers have, or their only set. Errors name the missing file, or
// the sets that there are.
[[nodiscard]] Result<ChosenModels> choose_models(const ModelRequest& request,
                                                 const std::vector<jobs::ModelSet>* offered);

// Reads the found files, unless `cache` knows them, to name the set by content.
[[nodiscard]] Status name_models(ChosenModels& chosen, FileDigestCache& cache);

// A folder that `worker --models` finds exactly these files below: their own root, or links in `scratch`.
[[nodiscard]] Result<std::string> worker_root(const model_root::ModelFiles& files,
                                              const std::string& scratch);

}  // namespace mimicfleet::coordinator
