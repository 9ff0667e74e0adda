#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "common/media/child/encoder.h"
#include "common/media/child/output.h"
#include "common/media/child/tasks.h"
#include "common/mutex.h"

namespace mimicfleet::media::child {
namespace {

constexpr int kFrames = 4;  // converted ones, at most

// Fills `frame` from the descriptor; false at the end of the stream.
Result<bool> read_frame(int fd, std::vector<std::uint8_t>& frame) {
  for (std::size_t have = 0; have < frame.size();) {
    const ssize_t got = ::read(fd, frame.data() + have, frame.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return Status(StatusCode::kInternal, std::string("no frames: ") + std::strerror(errno));
    if (got == 0 && have == 0) return false;
    if (got == 0) return Status(StatusCode::kInternal, "the last frame is incomplete");
    have += static_cast<std::size_t>(got);
  }
  return true;
}

// Frames between the thread that reads and converts them and the one that encodes.
class Frames {
 public:
  void give_back(FramePtr frame) {
    const MutexLock lock(mutex_);
    free_.push_back(std::move(frame));
    changed_.notify_all();
  }
  [[nodiscard]] FramePtr take_free() { return take(&Frames::free_); }

  void add(FramePtr frame) {
    const MutexLock lock(mutex_);
    ready_.push_back(std::move(frame));
    changed_.notify_all();
  }
  void end(Status status) {
    const MutexLock lock(mutex_);
    over_ = true;
    ending_ = std::move(status);
    changed_.notify_all();
  }
  // The next one; null once all were taken.
  [[nodiscard]] Result<FramePtr> next() {
    FramePtr frame = take(&Frames::ready_);
    const MutexLock lock(mutex_);
    if (!frame) RETURN_IF_ERROR(ending_);
    return frame;
  }

 private:
  [[nodiscard]] FramePtr take(std::deque<FramePtr> Frames::*which) {
    MutexLock lock(mutex_);
    std::deque<FramePtr>& queue = this->*which;
    changed_.wait(lock, [&] {
      mutex_.assert_held();
      return over_ || !queue.empty();
    });
    if (queue.empty()) return nullptr;
    FramePtr frame = std::move(queue.front());
    queue.pop_front();
    return frame;
  }

  Mutex mutex_;
  Condition changed_;
  std::deque<FramePtr> free_ GUARDED_BY(mutex_);
  std::deque<FramePtr> ready_ GUARDED_BY(mutex_);
  bool over_ GUARDED_BY(mutex_) = false;
  Status ending_ GUARDED_BY(mutex_);
};

Status read_and_convert(const EncodeTask& task, const Encoder& encoder, Frames& frames) {
  std::vector<std::uint8_t> rgb(Image::bytes(task.format.width, task.format.height));
  for (;;) {
    ASSIGN_OR_RETURN(const bool more, read_frame(task.frames_fd, rgb));
    if (!more) return {};
    FramePtr frame = frames.take_free();
    encoder.convert(rgb, *frame);
    frames.add(std::move(frame));
  }
}

}  // namespace

Status encode_video(const EncodeTask& task) {
  // Of the whole process: after an error the other thread still reads, until the process ends.
  static Frames frames;
  static std::unique_ptr<Encoder> encoder;
  ASSIGN_OR_RETURN(encoder, Encoder::open(task.file_fd, task.format));
  for (int i = 0; i < kFrames; ++i) {
    ASSIGN_OR_RETURN(FramePtr frame, encoder->make_frame());
    frames.give_back(std::move(frame));
  }
  std::thread([task] { frames.end(read_and_convert(task, *encoder, frames)); }).detach();
  std::uint64_t count = 0;
  for (;; ++count) {
    ASSIGN_OR_RETURN(FramePtr frame, frames.next());
    if (!frame) break;
    RETURN_IF_ERROR(encoder->write(*frame));
    frames.give_back(std::move(frame));
  }
  RETURN_IF_ERROR(encoder->finish());
  send_end(count);
  return {};
}

}  // namespace mimicfleet::media::child
