#pragma once

#include <string>

#include "jobs/parameters.h"

namespace mimicfleet::coordinator {

// The first setting that differs, with the value that it had ("steps was 25"); of equal ones that the program
// changed. Files are compared by content.
[[nodiscard]] std::string changed_setting(jobs::Parameters before, jobs::Parameters now);

// Only what latents, and only what the decode of a film depends on; the rest as it is by default.
[[nodiscard]] jobs::Parameters of_encode(jobs::Parameters parameters);
[[nodiscard]] jobs::Parameters of_decode(const jobs::Parameters& parameters);

}  // namespace mimicfleet::coordinator
