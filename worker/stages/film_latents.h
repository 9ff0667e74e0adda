#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "jobs/joining.h"

// The latents of clips joined into those of a film (UniSignMimicTurbo,
// scripts/inference/inference_latent_concat.py).
namespace mimicfleet::stages {

// Between two frames [1, 1, 4, h, w]; computed in float32 and given back in the frames' own
// precision. `alpha` 0: `from`, 1: `to`. Linear as torch.lerp; slerp turns the direction of the
// whole frame evenly and falls back to linear for frames that point the same way.
[[nodiscard]] at::Tensor blend(const at::Tensor& from, const at::Tensor& to, double alpha,
                               jobs::InterpMode mode);

// Reads a film's latents front to back. At most two clips are in memory at a time.
class FilmLatents {
 public:
  // [1, F, 4, h, w] of the clip at this position, F as announced; all of one height, width and
  // type.
  using Load = std::function<Result<at::Tensor>(std::size_t clip)>;

  FilmLatents(std::vector<jobs::FilmClip> clips, jobs::Joining joining, Load load)
      : clips_(std::move(clips)), joining_(joining), load_(std::move(load)) {}

  // The next `count` frames [1, n, 4, h, w], fewer at the end; an undefined tensor after it. Codes
  // of Load, and of Joining::check().
  [[nodiscard]] Result<at::Tensor> next(std::int64_t count);

 private:
  [[nodiscard]] Status add_clip();
  void join(const at::Tensor& from, at::Tensor& to);
  void put(const at::Tensor& frames);
  [[nodiscard]] at::Tensor take(std::int64_t count);

  const std::vector<jobs::FilmClip> clips_;
  const jobs::Joining joining_;
  const Load load_;
  std::size_t next_clip_ = 0;
  at::Tensor tail_;  // the end of the last clip, as far as the next one needs it
  std::deque<at::Tensor> ready_;
  std::int64_t ready_frames_ = 0;
};

}  // namespace mimicfleet::stages
