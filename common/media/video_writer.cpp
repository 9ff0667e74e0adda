#include "common/media/video_writer.h"

#include <deque>
#include <thread>

#include "common/media/media_child.h"
#include "common/mutex.h"

namespace mimicfleet::media {
namespace {

constexpr std::size_t kQueuedFrames = 8;
constexpr int kMaxSide = 16384;
constexpr int kMaxFps = 1000;
constexpr int kWorstCrf = 51;
constexpr int kWaitSeconds = 3600;
constexpr int kCpuSeconds = 100'000;
constexpr std::int64_t kMaxFrames = 10'000'000;

Status check(const std::string& path, const VideoFormat& format) {
  const auto wrong = [&path](const std::string& what) {
    return Status(StatusCode::kInvalidArgument, path + ": cannot be encoded: " + what);
  };
  const auto [width, height, fps, crf] = format;
  if (width < 2 || height < 2 || width % 2 != 0 || height % 2 != 0 || width > kMaxSide ||
      height > kMaxSide) {
    return wrong("the size " + std::to_string(width) + "x" + std::to_string(height) +
                 " is not even and between 2 and " + std::to_string(kMaxSide));
  }
  if (fps.numerator < 1 || fps.denominator < 1 || fps.value() > kMaxFps ||
      fps.value() < 1.0 / kMaxFps) {
    return wrong("the fps " + std::to_string(fps.numerator) + "/" +
                 std::to_string(fps.denominator) + " is not between 1/1000 and 1000");
  }
  if (crf < 0 || crf > kWorstCrf)
    return wrong("the crf " + std::to_string(crf) + " is not between 0 and 51");
  return {};
}

}  // namespace

// The caller fills the queue; a thread of its own hands the frames to the encoding process. Only
// that thread talks to the process until it is joined.
struct VideoWriter::Impl {
  Impl(AtomicFile target, std::unique_ptr<MediaChild> encoder, const VideoFormat& video_format)
      : file(std::move(target)),
        child(std::move(encoder)),
        format(video_format),
        feeder([this] { feed(); }) {}
  ~Impl() {
    if (child) child->stop();
    stop(/*drop_queue=*/true);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void feed();
  void stop(bool drop_queue);
  Status write(Image frame);
  Status finish(const Permit& permit);

  AtomicFile file;
  std::unique_ptr<MediaChild> child;
  const VideoFormat format;
  std::int64_t written = 0;

  Mutex mutex;
  Condition changed;
  std::deque<Image> queue GUARDED_BY(mutex);
  bool ended GUARDED_BY(mutex) = false;  // no more frames will come
  Status error GUARDED_BY(mutex);        // the first one
  std::thread feeder;                    // last: it uses all of the above
};

void VideoWriter::Impl::feed() {
  for (;;) {
    Image frame;
    {
      MutexLock lock(mutex);
      changed.wait(lock, [this] {
        mutex.assert_held();
        return !queue.empty() || ended;
      });
      if (queue.empty()) return;
      frame = std::move(queue.front());
      queue.pop_front();
    }
    changed.notify_all();
    const Status status = child->write(frame.pixels);
    if (status.ok()) continue;
    {
      const MutexLock lock(mutex);
      error = status;
    }
    changed.notify_all();
    return;
  }
}

void VideoWriter::Impl::stop(bool drop_queue) {
  {
    const MutexLock lock(mutex);
    ended = true;
    if (drop_queue) queue.clear();
  }
  changed.notify_all();
  if (feeder.joinable()) feeder.join();
}

Status VideoWriter::Impl::write(Image frame) {
  CHECK(frame.width == format.width && frame.height == format.height);
  CHECK(frame.pixels.size() == Image::bytes(frame.width, frame.height));
  {
    MutexLock lock(mutex);
    CHECK(!ended);
    changed.wait(lock, [this] {
      mutex.assert_held();
      return queue.size() < kQueuedFrames || !error.ok();
    });
    if (!error.ok()) return error;
    queue.push_back(std::move(frame));
  }
  ++written;
  changed.notify_all();
  return {};
}

Status VideoWriter::Impl::finish(const Permit& permit) {
  stop(/*drop_queue=*/false);
  Status status;
  {
    const MutexLock lock(mutex);
    status = error;
  }
  if (status.ok() && written == 0) {
    status = {StatusCode::kInvalidArgument,
              file.path() + ": cannot be encoded: no frames were written"};
  }
  if (status.ok()) {
    child->close_input();
    std::vector<std::uint8_t> nothing;
    const auto end = child->read(nothing);
    status = end.status();
    if (end.ok() && end->index != static_cast<std::uint64_t>(written)) {
      status = {StatusCode::kInternal, file.path() + ": the encoder lost frames"};
    }
  }
  // A child that has said so has written all, and ends by itself while the file is synced.
  if (status.ok()) status = file.commit(permit);
  child.reset();
  file.abandon();
  return status;
}

VideoWriter::VideoWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VideoWriter::~VideoWriter() = default;
VideoWriter::VideoWriter(VideoWriter&&) noexcept = default;
VideoWriter& VideoWriter::operator=(VideoWriter&&) noexcept = default;

Result<VideoWriter> VideoWriter::create(const std::string& path, const VideoFormat& format,
                                        std::shared_ptr<MediaStop> stop) {
  RETURN_IF_ERROR(check(path, format));
  ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  ASSIGN_OR_RETURN(auto child,
                   MediaChild::start(
                       {.name = path,
                        .file = file.fd(),
                        .arguments = {"encode", "--width=" + std::to_string(format.width),
                                      "--height=" + std::to_string(format.height),
                                      "--fps-numerator=" + std::to_string(format.fps.numerator),
                                      "--fps-denominator=" + std::to_string(format.fps.denominator),
                                      "--crf=" + std::to_string(format.crf),
                                      "--cpu-seconds=" + std::to_string(kCpuSeconds)},
                        .wait_seconds = kWaitSeconds,
                        .order = RecordOrder(RecordOrder::Task::kEncode, 1, kMaxFrames),
                        .stop = std::move(stop)}));
  return VideoWriter(std::make_unique<Impl>(std::move(file), std::move(child), format));
}

Status VideoWriter::write(Image frame) { return impl_->write(std::move(frame)); }
Status VideoWriter::finish(const Permit& permit) { return impl_->finish(permit); }

}  // namespace mimicfleet::media
