#pragma once

#include <span>
#include <string>
#include <vector>

#include "jobs/parameters.h"

// Programs of another version pass over settings that they do not know (docs/protocol.md). A
// setting that must not be lost that way is an ability: workers list theirs in their hello,
// coordinators theirs to clients, and what asks for one goes to nobody who lacks it.
namespace mimicfleet::jobs {

// Beyond being known this one takes a device that can do it.
inline constexpr const char* kFp8 = "fp8";

// The names of the settings that this version of the programs has beyond the first. A worker lists
// kFp8 only if its device can do it.
[[nodiscard]] std::vector<std::string> known_abilities(bool fp8 = true);

// The flag of a setting of an encode, such as "--guidance-interval", that is not among `abilities`;
// empty: all are.
[[nodiscard]] std::string lacking_ability(std::span<const std::string> abilities,
                                          const Parameters& parameters);
// The same of an encode with its inputs, which may have to be read otherwise than the first version
// did.
[[nodiscard]] std::string lacking_ability(std::span<const std::string> abilities,
                                          const Parameters& parameters, const FileRef& video,
                                          const FileRef& reference);

}  // namespace mimicfleet::jobs
