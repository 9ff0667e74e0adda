#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/status.h"

namespace mimicfleet::av {

struct GivenFd {
  int fd;  // here
  int as;  // there
};

// Starts the `media` program with exactly these descriptors (and /dev/null for errors), default
// signals, a process group of its own and an empty environment. It lies beside the running
// executable, or in ../bin, or where MIMICFLEET_MEDIA says.
[[nodiscard]] Result<pid_t> spawn_media(const std::vector<std::string>& arguments,
                                        const std::vector<GivenFd>& fds);

}  // namespace mimicfleet::av
