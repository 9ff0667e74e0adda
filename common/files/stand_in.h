#pragma once

#include <string_view>

namespace mimicfleet {

// What is found in place of a file that was to be downloaded.
enum class StandIn { kNone, kLfsPointer, kWebPage };

// By the first bytes of a file.
[[nodiscard]] StandIn stand_in_of(std::string_view head);

// The cause and the remedy, to stand after the file's name; empty if there is none.
[[nodiscard]] std::string_view why_stand_in(StandIn stand_in);

}  // namespace mimicfleet
