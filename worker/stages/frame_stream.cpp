#include "worker/stages/frame_stream.h"

#include <chrono>

namespace mimicfleet::stages {

Result<std::unique_ptr<FrameStream>> FrameStream::open(StableFile file, int sample_stride,
                                                       std::size_t budget_bytes,
                                                       media::Reading reading,
                                                       std::shared_ptr<media::MediaStop> stop) {
  media::DecodeOptions options;
  options.sample_stride = sample_stride;
  options.reading = reading;
  options.stop = stop;
  ASSIGN_OR_RETURN(media::VideoFrames frames, media::VideoFrames::open(file, options));
  return std::unique_ptr<FrameStream>(
      new FrameStream(std::move(file), std::move(frames), budget_bytes, std::move(stop)));
}

FrameStream::FrameStream(StableFile file, media::VideoFrames frames, std::size_t budget_bytes,
                         std::shared_ptr<media::MediaStop> stop)
    : file_(std::move(file)),
      frames_(std::move(frames)),
      budget_bytes_(budget_bytes),
      stop_(std::move(stop)) {
  thread_ = std::thread([this] { decode(); });
}

FrameStream::~FrameStream() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  stop_->stop();  // the thread may wait for it
  thread_.join();
}

bool FrameStream::wait_for_room() {
  MutexLock lock(mutex_);
  changed_.wait(lock, [this] {
    mutex_.assert_held();
    return stopping_ || ready_.empty() || ready_bytes_ < budget_bytes_;
  });
  return !stopping_;
}

void FrameStream::decode() {
  Status status;
  std::size_t told = 0;
  while (wait_for_room()) {
    auto frame = frames_.next();
    if (!frame.ok() || !*frame) {
      status = file_.check_unchanged();  // says more than what a torn file looks like
      if (status.ok()) status = frame.status();
      break;
    }
    const auto& all = frames_.late_warnings();
    std::vector<std::string> warnings(all.begin() + static_cast<std::ptrdiff_t>(told), all.end());
    told = all.size();
    const MutexLock lock(mutex_);
    ready_bytes_ += (*frame)->image.pixels.size();
    ready_.push_back({std::move((*frame)->image), std::move(warnings)});
    changed_.notify_all();
  }
  const MutexLock lock(mutex_);
  over_ = true;
  end_ = std::move(status);
  changed_.notify_all();
}

Result<std::vector<media::Image>> FrameStream::next(std::size_t count,
                                                    const std::function<bool()>& cancelled) {
  std::vector<media::Image> frames;
  MutexLock lock(mutex_);
  while (frames.size() < count) {
    const auto is_ready = [this] {
      mutex_.assert_held();
      return over_ || !ready_.empty();
    };
    while (!changed_.wait_for(lock, std::chrono::milliseconds(100), is_ready)) {
      if (cancelled()) return Status(StatusCode::kCancelled, "cancelled");
    }
    if (ready_.empty()) {
      RETURN_IF_ERROR(end_);
      break;
    }
    Ready& first = ready_.front();
    ready_bytes_ -= first.image.pixels.size();
    for (std::string& warning : first.warnings) warnings_.push_back({taken_, std::move(warning)});
    frames.push_back(std::move(first.image));
    ready_.pop_front();
    ++taken_;
    changed_.notify_all();
  }
  return frames;
}

}  // namespace mimicfleet::stages
