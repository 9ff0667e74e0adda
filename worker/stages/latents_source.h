#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/formats/latents_bytes.h"
#include "worker/runner/runner.h"
#include "worker/stages/services.h"

namespace mimicfleet::stages {

// Where the latents of one clip are on this host: in the artefact store, or in a file that keeps
// them.
struct LatentsSource {
  std::string name;  // of the clip, for messages
  std::optional<jobs::FileRef> file;
  Digest content;  // in the store, without `file`
  std::int64_t frames = 0;
  std::int64_t height = 0;  // of the video
  std::int64_t width = 0;
};

// Finds what a decode takes, in order: in this worker's store; else fetched into it from whoever
// holds them; of a concatenated video also in files. All have one size. kUnavailable with
// context.lost_inputs(): nobody could deliver these; kBadInput naming two clips of different sizes;
// codes of InputFiles::open_input().
[[nodiscard]] Result<std::vector<LatentsSource>> find_latents(const Services& services,
                                                              const jobs::LeaseGrant& lease,
                                                              runner::TaskContext& context);

// Gets an artefact into this worker's store unless it is there; `local` becomes false if it had to
// travel. Codes of artefacts::fetch_artefact() and ArtefactStore::put().
[[nodiscard]] Status fetch_into_store(const Services& services, const jobs::TaskInput& input,
                                      runner::TaskContext& context, bool& local);

// kUnavailable with context.lost_inputs() if the store has lost them meanwhile; kBadInput if a file
// is not what was announced; codes of InputFiles::open_input().
[[nodiscard]] Result<formats::Latents> read_latents(const Services& services,
                                                    const LatentsSource& source,
                                                    runner::TaskContext& context);

}  // namespace mimicfleet::stages
