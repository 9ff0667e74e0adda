// media: decodes one foreign video or image, or encodes one video, in a sandbox. Started by
// VideoFrames, read_image and VideoWriter with the descriptors of media_child.h; of no use to
// people.
//
//   media decode|probe --format=… [limits]     media image --format=… [limits]
//   media encode --width=… --height=… …        media selftest --what=…
//   media wait: is told later, see media_child.h     media look [limits]: is told about many files
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <map>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "common/av/child/libav.h"
#include "common/av/child/order.h"
#include "common/av/child/output.h"
#include "common/av/child/sandbox.h"
#include "common/av/child/tasks.h"
#include "common/av/media_child.h"

namespace mimicfleet::av::child {
namespace {

constexpr std::size_t kMaxAllocationBytes = 512 << 20;

class Arguments {
 public:
  // The task comes first.
  explicit Arguments(const std::vector<std::string>& arguments) {
    for (const std::string_view argument : arguments) {
      if (task_.empty()) task_ = argument;
      const auto equals = argument.find('=');
      if (!argument.starts_with("--") || equals == std::string_view::npos) continue;
      values_[std::string(argument.substr(2, equals - 2))] = argument.substr(equals + 1);
    }
  }

  [[nodiscard]] const std::string& task() const { return task_; }
  [[nodiscard]] std::string text(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "" : found->second;
  }
  [[nodiscard]] std::int64_t number(const std::string& name, std::int64_t otherwise) const {
    const std::string value = text(name);
    std::int64_t out = otherwise;
    std::from_chars(value.data(), value.data() + value.size(), out);
    return out;
  }
  [[nodiscard]] Result<Reading> reading() const {
    if (const auto reading = Reading::parse(text("reading"))) return *reading;
    return Status(StatusCode::kInvalidArgument,
                  "the media program cannot read as " + text("reading"));
  }
  [[nodiscard]] int integer(const std::string& name, int otherwise) const {
    return static_cast<int>(number(name, otherwise));
  }

 private:
  std::string task_;
  std::map<std::string, std::string> values_;
};

Status decode(const Arguments& arguments, std::int64_t file_bytes) {
  DecodeTask task{.fd = kChildFile,
                  .file_bytes = file_bytes,
                  .format = arguments.text("format"),
                  .options = {}};
  DecodeLimits& limits = task.options.limits;
  task.options.sample_stride = arguments.integer("sample-stride", 1);
  task.options.stride_follows_fps = arguments.number("stride-follows-fps", 1) != 0;
  limits.max_pixels = arguments.number("max-pixels", limits.max_pixels);
  limits.max_frames = arguments.number("max-frames", limits.max_frames);
  ASSIGN_OR_RETURN(task.options.reading, arguments.reading());
  return arguments.task() == "probe" ? look_at_video(task) : decode_video(task);
}

Status image(const Arguments& arguments, std::int64_t file_bytes, bool look_only) {
  ASSIGN_OR_RETURN(const Reading reading, arguments.reading());
  return decode_image({.fd = kChildFile,
                       .file_bytes = file_bytes,
                       .format = arguments.text("format"),
                       .max_pixels = arguments.number("max-pixels", ImageLimits().max_pixels),
                       .reading = reading,
                       .look_only = look_only});
}

Status encode(const Arguments& arguments) {
  const VideoFormat standard;
  return encode_video(
      {.frames_fd = kChildFrames,
       .file_fd = kChildFile,
       .format = {.width = arguments.integer("width", 0),
                  .height = arguments.integer("height", 0),
                  .fps = {arguments.integer("fps-numerator", standard.fps.numerator),
                          arguments.integer("fps-denominator", standard.fps.denominator)},
                  .crf = arguments.integer("crf", standard.crf)}});
}

Status look_at(const Arguments& arguments) {
  if (arguments.task() == "selftest") return self_test(arguments.text("what"));
  const std::int64_t file_bytes = arguments.number("file-bytes", 0);
  return arguments.task() == "image" ? image(arguments, file_bytes, true)
                                     : decode(arguments, file_bytes);
}

SandboxLimits limits_of(const Arguments& arguments) {
  const DecodeLimits standard;
  return {.memory_bytes = arguments.number("memory-bytes", standard.memory_bytes),
          .cpu_seconds = arguments.number("cpu-seconds", standard.cpu_seconds)};
}

// Until there are no more files to look at, or one cannot be read.
Status look(const Arguments& arguments) {
  SandboxLimits limits = limits_of(arguments);
  limits.may_receive_files = true;
  RETURN_IF_ERROR(enter_sandbox(limits));
  prepare_libav(kMaxAllocationBytes);
  for (;;) {
    ASSIGN_OR_RETURN(const auto order, await_order());
    forget_libav_error();
    RETURN_IF_ERROR(look_at(Arguments(order)));
    ::close(kChildFile);
  }
}

Status run(const Arguments& arguments) {
  if (arguments.task() == "look") return look(arguments);
  struct stat file {};
  if (::fstat(kChildFile, &file) != 0) {
    return {StatusCode::kInvalidArgument, "the media program is started by the others only"};
  }
  const bool encodes = arguments.task() == "encode";
  SandboxLimits limits = limits_of(arguments);
  limits.may_write_file = encodes;
  RETURN_IF_ERROR(enter_sandbox(limits));
  prepare_libav(kMaxAllocationBytes);
  if (arguments.task() == "decode" || arguments.task() == "probe")
    return decode(arguments, file.st_size);
  if (arguments.task() == "image") return image(arguments, file.st_size, false);
  if (encodes) return encode(arguments);
  if (arguments.task() == "selftest") return self_test(arguments.text("what"));
  return {StatusCode::kInvalidArgument, "the media program has no task " + arguments.task()};
}

}  // namespace
}  // namespace mimicfleet::av::child

int main(int argc, char** argv) {
  using namespace mimicfleet;
  Status status;
  try {
    Result<std::vector<std::string>> arguments =
        std::vector<std::string>(argv + 1, argv + std::max(argc, 1));
    const bool waits = arguments->size() == 1 && arguments->front() == av::kWaitForOrder;
    if (waits) arguments = av::child::await_order();
    status = arguments.ok() ? av::child::run(av::child::Arguments(*arguments)) : arguments.status();
  } catch (const std::bad_alloc&) {
    status = {StatusCode::kResourceExhausted, "does not fit into the memory limit; scale it down"};
  }
  if (!status.ok()) av::child::send_failure(status);
  ::_exit(status.ok() ? 0 : 1);  // no destructors of half the multimedia world
}
