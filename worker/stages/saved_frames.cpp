#include "worker/stages/saved_frames.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "common/files/io.h"

namespace mimicfleet::stages {
namespace {

constexpr std::size_t kBudgetBytes = 256 << 20;

Status sync_folder(const std::string& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid() && (::fsync(fd.get()) == 0 || errno == EINVAL || errno == ENOTSUP)) return {};
  return file_error(folder, "cannot be synced", errno);
}

}  // namespace

Result<std::unique_ptr<SavedFrames>> SavedFrames::begin(const OutputFiles& outputs) {
  remove_abandoned_files(outputs.frames_folder());
  ASSIGN_OR_RETURN(ScratchFolder folder, ScratchFolder::create(outputs.frames_folder()));
  return std::unique_ptr<SavedFrames>(new SavedFrames(outputs, std::move(folder)));
}

SavedFrames::SavedFrames(const OutputFiles& outputs, ScratchFolder folder)
    : outputs_(outputs), folder_(std::move(folder)) {
  thread_ = std::thread([this] { write(); });
}

SavedFrames::~SavedFrames() { stop(/*drop_queue=*/true); }

std::string SavedFrames::path_of(std::size_t frame) const {
  return fmt::format("{}/{:06}.png", folder_.path(), frame);
}

void SavedFrames::stop(bool drop_queue) {
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    if (drop_queue) queue_.clear();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

Status SavedFrames::add(media::Image frame) {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.assert_held();
    return queue_.empty() || queued_bytes_ < kBudgetBytes || !error_.ok();
  });
  if (!error_.ok()) return error_;
  queued_bytes_ += frame.pixels.size();
  queue_.push_back(std::move(frame));
  changed_.notify_all();
  return {};
}

void SavedFrames::write() {
  MutexLock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] {
      mutex_.assert_held();
      return !queue_.empty() || ended_;
    });
    if (queue_.empty()) return;
    const media::Image frame = std::move(queue_.front());
    queue_.pop_front();
    const std::string path = path_of(written_);
    lock.unlock();
    const Status status = media::write_png(path, frame);
    lock.lock();
    queued_bytes_ -= frame.pixels.size();
    ++written_;
    changed_.notify_all();
    if (status.ok()) continue;
    error_ = status;
    return;
  }
}

Status SavedFrames::finish(const Permit& permit) {
  stop(/*drop_queue=*/false);
  const MutexLock lock(mutex_);
  RETURN_IF_ERROR(error_);
  for (std::size_t frame = 0; frame < written_; ++frame) {
    RETURN_IF_ERROR(permit());
    const std::string path = outputs_.frame_path(frame);
    if (std::rename(path_of(frame).c_str(), path.c_str()) != 0) {
      return file_error(path, "cannot be put in place", errno, StatusCode::kFailedPrecondition);
    }
  }
  RETURN_IF_ERROR(permit());
  RETURN_IF_ERROR(outputs_.clear_frames(written_));
  return sync_folder(outputs_.frames_folder());
}

}  // namespace mimicfleet::stages
