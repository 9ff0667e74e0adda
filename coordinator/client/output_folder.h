#pragma once

#include <cstdint>
#include <string>

#include "common/files/unique_fd.h"
#include "common/status.h"
#include "jobs/task.h"

namespace mimicfleet::coordinator {

// The folder that a run writes to. Below it:
//   _run/nonce          tells a worker that it sees the same folder
//   _run/…              what this run keeps: state, logs, summary; for a shard _run/shard-I-of-N/…
class OutputFolder {
 public:
  // Makes the folder. kFailedPrecondition: not writable; kResourceExhausted: (nearly) full.
  [[nodiscard]] static Result<OutputFolder> prepare(const std::string& path, std::size_t shard,
                                                    std::size_t shards);

  // Whether prepare() would succeed, without leaving anything behind. The same codes.
  [[nodiscard]] static Status check(const std::string& path);

  [[nodiscard]] const std::string& path() const { return path_; }  // absolute, without links
  [[nodiscard]] const std::string& run_folder() const { return run_folder_; }
  [[nodiscard]] const std::string& nonce() const { return nonce_; }

  // kResourceExhausted once its disk is full, so that nothing more can be written there.
  [[nodiscard]] Status check_full() const;

  // Until the process ends no other run may use the run folder. kFailedPrecondition: one does.
  [[nodiscard]] Status lock();

 private:
  std::string path_;
  std::string run_folder_;
  std::string nonce_;
  UniqueFd lock_;
};

// Where latents are kept: `cache_dir`, or _latents in the output folder. With `make` the folder and
// its nonce are made, with codes of OutputFolder::prepare().
[[nodiscard]] Result<jobs::LatentsTarget> latents_place(const std::string& cache_dir,
                                                        const jobs::OutputTarget& output,
                                                        bool make);

// Whether that folder can be made and written, without leaving anything behind.
[[nodiscard]] Status check_latents_place(const std::string& cache_dir);

// kResourceExhausted if a run would hardly get anywhere with so little space.
[[nodiscard]] Status check_space(const std::string& path, std::uint64_t free_bytes);

// kFailedPrecondition naming what stands in the way of making the folder: a file, or a link to
// nothing.
[[nodiscard]] Status check_way(const std::string& folder);

// `path`, or the folder nearest to it that exists.
[[nodiscard]] std::string nearest_that_exists(const std::string& path);

// Where `path` leads, without links; also when its end does not exist yet.
[[nodiscard]] std::string real_path(const std::string& path);

}  // namespace mimicfleet::coordinator
