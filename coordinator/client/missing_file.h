#pragma once

#include <string>
#include <string_view>

namespace mimicfleet::coordinator {

// Why a path that somebody wrote leads to nothing, and what to write instead: "~ stands for no
// folder here: write /home/me", backslashes, addresses of the web, quotes and blanks around it.
// Empty if nothing is wrong with how it is written.
[[nodiscard]] std::string why_missing(std::string_view path);

// The same of a path that is yet to be made, or may be called otherwise: only what nobody means so.
// Else it would be made as it is written, in silence.
[[nodiscard]] std::string why_not_meant(std::string_view path);

}  // namespace mimicfleet::coordinator
