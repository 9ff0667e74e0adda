#pragma once

#include <string>
#include <string_view>

#include "common/status.h"

namespace mimicfleet::model_root {

// True for the form `organisation/name` of the Hugging Face hub.
[[nodiscard]] bool is_hub_id(std::string_view text);

// The local cache that huggingface_hub uses: HF_HUB_CACHE, else HF_HOME/hub, else
// ~/.cache/huggingface/hub.
[[nodiscard]] std::string hub_cache_folder();

// The folder of the snapshot that `id`'s main branch has in `cache`, or its only snapshot. Nothing
// is ever downloaded. kNotFound says how to get it.
[[nodiscard]] Result<std::string> hub_snapshot(const std::string& cache, const std::string& id);

}  // namespace mimicfleet::model_root
