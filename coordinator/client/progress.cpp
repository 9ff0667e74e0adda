#include "coordinator/client/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

// How much of a clip's time its encode takes, and of that the stages before the denoising.
constexpr double kEncodeShare = 0.8;
constexpr double kBeforeDenoise = 0.15;
constexpr std::size_t kBarWidth = 24;
constexpr std::size_t kLeastBarWidth = 4;
constexpr std::size_t kRunningLines = 4;
constexpr std::chrono::seconds kLineEvery{30};

// Of its share: an encode may be what ends a video, where only latents are kept.
double part_of_task(const jobs::TaskInfo& task, double encode_share, double video_share) {
  const auto& progress = task.progress;
  const double steps = progress.steps > 0 ? static_cast<double>(progress.step) / progress.steps : 0;
  if (task.spec.kind == jobs::TaskKind::kDecodeVideo) {
    return video_share * (progress.stage == "vae_decode" ? steps : 0);
  }
  const double share = encode_share > 0 ? encode_share : video_share;
  if (progress.stage != "denoise") return share * kBeforeDenoise / 2;
  return share * (kBeforeDenoise + (1 - kBeforeDenoise) * steps);
}

// As wide as there is room, so that the time left, which stands last, is seen; empty where there is
// hardly any.
std::string bar_text(double fraction, std::size_t columns) {
  constexpr std::size_t kAround = 3;  // brackets and a space
  if (columns < kLeastBarWidth + kAround) return "";
  const std::size_t width = std::min(kBarWidth, columns - kAround);
  const auto filled = static_cast<std::size_t>(fraction * static_cast<double>(width));
  return fmt::format("[{}{}] ", std::string(filled, '#'), std::string(width - filled, '.'));
}

// At most `columns` bytes; cut at the start of a UTF-8 character.
std::string fitted(std::string line, std::size_t columns) {
  if (line.size() <= columns) return line;
  while (columns > 0 && (static_cast<unsigned char>(line[columns]) & 0xc0) == 0x80) --columns;
  line.resize(columns);
  return line;
}

std::string counts_text(const JobView& view) {
  const auto& videos = view.summary.videos;
  std::string text = fmt::format("{}/{} videos", videos.done, videos.total());
  if (videos.failed > 0) text += fmt::format(", {} failed", videos.failed);
  if (videos.cancelled > 0) text += fmt::format(", {} cancelled", videos.cancelled);
  return text;
}

std::string pace_text(const JobView& view, double seconds, double fraction_then,
                      const TimeLeft* left) {
  const double fraction = fraction_done(view);
  const double gained = fraction - fraction_then;
  std::string text = clock_text(seconds);
  if (view.stuck) return text;
  const bool has_rate = seconds > 0 && gained > 0;
  const double per_second = has_rate ? gained / seconds : 0;
  if (has_rate) {
    const double videos_an_hour = per_second * view.summary.videos.total() * 3600;
    text += videos_an_hour >= 60 ? fmt::format(", {:.1f} videos/min", videos_an_hour / 60)
                                 : fmt::format(", {:.1f} videos/h", videos_an_hour);
  }
  std::optional<double> seconds_left = left != nullptr ? left->seconds() : std::nullopt;
  // Of tasks too short to be seen; before the first video the shares of the work are no more than a
  // guess.
  const bool may_guess = left == nullptr || view.summary.videos.done > 0;
  if (!seconds_left && has_rate && may_guess) seconds_left = (1 - fraction) / per_second;
  return seconds_left ? fmt::format("{}, {} left", text, clock_text(*seconds_left)) : text;
}

std::string running_text(const jobs::TaskInfo& task) {
  std::string text = fmt::format("  {}  {} on {}", log::printable(task.spec.name),
                                 to_string(task.spec.kind), log::printable(task.worker));
  if (!task.progress.stage.empty())
    text += fmt::format(", {}", log::printable(task.progress.stage));
  if (task.progress.steps > 0)
    text += fmt::format(" {}/{}", task.progress.step, task.progress.steps);
  return task.attempt > 1 ? fmt::format("{} (attempt {})", text, task.attempt) : text;
}

std::size_t terminal_columns(std::FILE* out) {
  winsize size{};
  if (::ioctl(::fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

}  // namespace

double fraction_done(const JobView& view) {
  const auto& [videos, tasks] = std::tie(view.summary.videos, view.summary.tasks);
  if (videos.total() == 0) return 1;
  // Of a film there are several encodes, of latents that are there none.
  const double encodes = tasks.total() - std::min(tasks.total(), videos.total());
  const double encode_share = encodes > 0 ? kEncodeShare * videos.total() / encodes : 0;
  const double video_share = encodes > 0 ? 1 - kEncodeShare : 1;
  const double over = videos.failed + videos.cancelled;
  // A clip that failed or was cancelled is over, whatever became of its encode.
  const double encoded = tasks.done - std::min(tasks.done, videos.done);
  const double may_be_encoded = std::max(0.0, encodes - (encodes > 0 ? over : 0));
  double done = videos.done * video_share + std::min(encoded, may_be_encoded) * encode_share + over;
  for (const auto& task : view.running) done += part_of_task(task, encode_share, video_share);
  return std::clamp(done / videos.total(), 0.0, 1.0);
}

std::string clock_text(double seconds) {
  if (!std::isfinite(seconds) || seconds > 1e8) return "?";
  const auto whole = static_cast<std::int64_t>(std::max(0.0, std::round(seconds)));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::vector<std::string> progress_lines(const JobView& view, double seconds, double fraction_then,
                                        std::size_t columns, const TimeLeft* left) {
  const double fraction = fraction_done(view);
  const std::string told =
      fmt::format("{:3.0f} %  {}  {}", std::floor(fraction * 100), counts_text(view),
                  pace_text(view, seconds, fraction_then, left));
  std::vector<std::string> lines = {
      bar_text(fraction, columns - std::min(columns, told.size() + 1)) + told};
  for (const auto& task : view.running) {
    if (lines.size() > kRunningLines) {
      lines.push_back(fmt::format("  … {} more", view.running.size() - kRunningLines));
      break;
    }
    lines.push_back(running_text(task));
  }
  if (view.running.empty() && !view.waits_for.empty())
    lines.push_back("  " + log::printable(view.waits_for));
  for (auto& line : lines) line = fitted(std::move(line), columns - 1);
  return lines;
}

std::string progress_line(const JobView& view, double seconds, double fraction_then,
                          const TimeLeft* left) {
  std::string line =
      fmt::format("{}; {}", counts_text(view), pace_text(view, seconds, fraction_then, left));
  if (view.running.empty() && !view.waits_for.empty())
    line += "; " + log::printable(view.waits_for);
  return line;
}

void ProgressDisplay::show(const JobView& view, Instant now) {
  if (!first_ || job_ != view.summary.number) {
    first_ = now;
    last_line_ = now;
    fraction_then_ = fraction_done(view);
    job_ = view.summary.number;
  }
  left_.see(view, now);
  const double seconds = to_seconds(now - *first_);
  if (terminal_)
    draw(progress_lines(view, seconds, fraction_then_, terminal_columns(out_), &left_));
  if (now - *last_line_ < kLineEvery) return;
  last_line_ = now;
  const std::string line = progress_line(view, seconds, fraction_then_, &left_);
  terminal_ ? log::note(line) : log::info("{}", line);
}

void ProgressDisplay::note(const std::string& line) {
  if (terminal_) draw({fitted(line, terminal_columns(out_) - 1)});
}

void ProgressDisplay::clear() {
  if (drawn_ == 0) return;
  fmt::print(out_, "\x1b[{}F\x1b[J", drawn_);
  std::fflush(out_);
  drawn_ = 0;
}

void ProgressDisplay::draw(const std::vector<std::string>& lines) {
  std::string text;
  if (drawn_ > 0) text += fmt::format("\x1b[{}F", drawn_);
  for (const auto& line : lines) text += line + "\x1b[K\n";
  text += "\x1b[J";
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
  drawn_ = lines.size();
}

bool stderr_is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
}

}  // namespace mimicfleet::coordinator
