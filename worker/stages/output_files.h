#pragma once

#include <string>
#include <string_view>

#include "common/files/atomic_file.h"
#include "common/status.h"
#include "jobs/record.h"
#include "jobs/task.h"
#include "worker/stages/input_files.h"

namespace mimicfleet::stages {

// The file of latents that are kept for good, after making its folder. kFailedPrecondition as
// OutputFiles::open().
[[nodiscard]] Result<std::string> open_latents_target(const jobs::LatentsTarget& target,
                                                      const InputFiles& allowed);

// Where the results of one task go (docs/outputs.md): DIR/<relative>.mp4 and .json, DIR/_latents/…,
// DIR/_frames/….
class OutputFiles {
 public:
  // Makes the folders of the outputs. kFailedPrecondition: this worker does not see the folder that
  // the client meant (its nonce differs or is not there), may not write there, or the folder is
  // below no root.
  [[nodiscard]] static Result<OutputFiles> open(const jobs::OutputTarget& target,
                                                const InputFiles& allowed);

  // Relative to the output folder, as the record names it, and absolute.
  [[nodiscard]] std::string video_name() const { return target_.relative + ".mp4"; }
  [[nodiscard]] std::string video_path() const { return below(video_name()); }
  [[nodiscard]] std::string latents_path() const {
    return below("_latents/" + target_.relative + ".safetensors");
  }
  [[nodiscard]] std::string frame_path(std::size_t index) const;

  [[nodiscard]] std::string frames_folder() const;

  // Removes what an earlier run left in the folder of the frames, of that number and later ones.
  // Goes on after what cannot be removed; the first of these is the error.
  [[nodiscard]] Status clear_frames(std::size_t from = 0) const;

  // The record says that everything beside it is whole, so it is written last.
  [[nodiscard]] Status write_record(const jobs::OutputRecord& record,
                                    const Permit& permit = {}) const;

 private:
  explicit OutputFiles(jobs::OutputTarget target) : target_(std::move(target)) {}
  [[nodiscard]] std::string below(std::string_view relative) const;

  jobs::OutputTarget target_;
};

}  // namespace mimicfleet::stages
