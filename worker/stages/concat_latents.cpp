#include "worker/stages/concat_latents.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace mimicfleet::stages {
namespace {

// Below this angle the two ways between two frames are the same, and slerp would divide by nearly
// nothing.
constexpr double kSmallestAngle = 1e-4;

at::Tensor slerp(const at::Tensor& from, const at::Tensor& to, double alpha) {
  const at::Tensor a = from.flatten().to(at::kDouble);
  const at::Tensor b = to.flatten().to(at::kDouble);
  const double lengths =
      at::linalg_vector_norm(a).item<double>() * at::linalg_vector_norm(b).item<double>();
  const double cosine =
      lengths == 0 ? 1 : std::clamp(at::dot(a, b).item<double>() / lengths, -1.0, 1.0);
  const double angle = std::acos(cosine);
  const double sine = std::sin(angle);
  if (angle < kSmallestAngle || sine < kSmallestAngle) return at::lerp(from, to, alpha);
  return from * (std::sin((1 - alpha) * angle) / sine) + to * (std::sin(alpha * angle) / sine);
}

}  // namespace

at::Tensor blend(const at::Tensor& from, const at::Tensor& to, double alpha,
                 jobs::InterpMode mode) {
  const at::Tensor start = from.to(at::kFloat);
  const at::Tensor end = to.to(at::kFloat);
  const at::Tensor frame =
      mode == jobs::InterpMode::kSlerp ? slerp(start, end, alpha) : at::lerp(start, end, alpha);
  return frame.to(from.scalar_type());
}

void ConcatLatents::put(const at::Tensor& frames) {
  if (frames.size(1) == 0) return;
  ready_frames_ += frames.size(1);
  ready_.push_back(frames);
}

// Adds the frames between two clips, and removes from the beginning of `to` those that they
// contain.
void ConcatLatents::join(const at::Tensor& from, at::Tensor& to) {
  for (std::int64_t i = 1; i <= joining_.interp_frames; ++i) {
    const double alpha = static_cast<double>(i) / static_cast<double>(joining_.interp_frames + 1);
    put(blend(from.narrow(1, from.size(1) - 1, 1), to.narrow(1, 0, 1), alpha, joining_.mode));
  }
  const std::int64_t faded = joining_.crossfade_frames;
  for (std::int64_t i = 0; i < faded; ++i) {
    const double alpha = static_cast<double>(i + 1) / static_cast<double>(faded + 1);
    put(blend(from.narrow(1, i, 1), to.narrow(1, i, 1), alpha, joining_.mode));
  }
  to = to.narrow(1, faded, to.size(1) - faded);
}

Status ConcatLatents::add_clip() {
  const std::size_t clip = next_clip_++;
  ASSIGN_OR_RETURN(at::Tensor frames, load_(clip));
  const bool first = clip == 0;
  const bool last = next_clip_ == clips_.size();
  if (!first && joining_.drop_later_references) frames = frames.narrow(1, 1, frames.size(1) - 1);
  const std::int64_t faded = joining_.crossfade_frames;
  if (!first) join(tail_, frames);
  if (last) {
    put(frames);
    tail_.reset();
    return {};
  }
  // Copied, so that the whole clip is not kept for its end. Faded frames only come with the next
  // clip.
  put(frames.narrow(1, 0, frames.size(1) - faded));
  const std::int64_t kept = std::max<std::int64_t>(faded, 1);
  tail_ = frames.narrow(1, frames.size(1) - kept, kept).clone();
  return {};
}

at::Tensor ConcatLatents::take(std::int64_t count) {
  std::vector<at::Tensor> parts;
  ready_frames_ -= count;
  while (count > 0) {
    at::Tensor& front = ready_.front();
    const std::int64_t part = std::min(count, front.size(1));
    parts.push_back(front.narrow(1, 0, part));
    count -= part;
    if (part == front.size(1)) {
      ready_.pop_front();
    } else {
      front = front.narrow(1, part, front.size(1) - part);
    }
  }
  return parts.empty() ? at::Tensor() : at::cat(parts, 1);
}

Result<at::Tensor> ConcatLatents::next(std::int64_t count) {
  if (next_clip_ == 0) RETURN_IF_ERROR(joining_.check(clips_));
  while (ready_frames_ < count && next_clip_ < clips_.size()) RETURN_IF_ERROR(add_clip());
  return take(std::min(count, ready_frames_));
}

}  // namespace mimicfleet::stages
