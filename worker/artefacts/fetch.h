#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::artefacts {

struct FetchOptions {
  std::chrono::milliseconds silence_timeout{
      5000};  // a holder that sends no piece for so long is given up, …
  double least_bytes_per_second = 100e3;  // … and one that is slower than this in the end
  std::uint32_t piece_bytes = 1 << 20;
  std::size_t pieces_in_flight = 4;
  std::uint64_t max_bytes = std::uint64_t{8} << 30;
};

struct Fetched {
  Status status;  // ok: `bytes` is the artefact, its digest checked
  std::string bytes;
  std::uint64_t received_bytes = 0;   // from all holders, the refused ones too
  std::uint32_t refused_holders = 0;  // that sent other bytes than they should
};

// Gets an artefact from the first of `holders` (data endpoints of workers) that delivers it whole
// and right. kUnavailable says what was wrong with each of them; kCancelled once `cancelled` says
// so.
[[nodiscard]] Fetched fetch_artefact(const jobs::ArtefactRef& artefact,
                                     const std::vector<std::string>& holders,
                                     const std::function<bool()>& cancelled,
                                     const FetchOptions& options = {});

}  // namespace mimicfleet::artefacts
