#pragma once

#include <string>

#include "jobs/model_set.h"
#include "jobs/parameters.h"

namespace mimicfleet::coordinator {

// The first setting that differs, with the value that it had ("steps was 25"); of equal ones that
// the program changed. Files are compared by content.
[[nodiscard]] std::string changed_setting(jobs::Parameters before, jobs::Parameters now);

// By what else than `now` names something was made, if it was somebody's choice: "seed 42", "the
// LoRA a.safetensors", "no LoRA"; else empty. A file whose content changed in its place is no
// choice.
[[nodiscard]] std::string other_choice(const jobs::Parameters& before, const jobs::Parameters& now);

// Whether it is another file, and not the same one that was written to meanwhile.
[[nodiscard]] bool is_another_file(const jobs::FileRef& before, const jobs::FileRef& now);

// "the models NAME", with their checkpoint if the name does not tell them apart; empty if they are
// the same, or the same files with other content. Either may leave out what is not known: digests
// of parts, the checkpoint.
[[nodiscard]] std::string other_models(const jobs::ModelSet& before, const jobs::ModelSet& now);

// Only what latents, and only what the decode of a film depends on; the rest as it is by default.
[[nodiscard]] jobs::Parameters of_encode(jobs::Parameters parameters);
[[nodiscard]] jobs::Parameters of_decode(const jobs::Parameters& parameters);

}  // namespace mimicfleet::coordinator
