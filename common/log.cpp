#include "common/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace mimicfleet::log {
namespace {

constexpr const char* kPattern = "%Y-%m-%d %H:%M:%S.%e %l [%n %P] %v";
constexpr const char* kJournalPattern =
    "<%*>%v";  // the journal has time, program and process of its own

// The level as syslog counts, by which `journalctl -p warning` selects.
class SyslogLevel final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    constexpr std::string_view kLevels = "776432";  // trace, debug, info, warn, error, critical
    out.push_back(kLevels[std::min<std::size_t>(message.level, kLevels.size() - 1)]);
  }
  [[nodiscard]] std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<SyslogLevel>();
  }
};

// systemd names the device and inode of the stream that it made (systemd.exec(5), JOURNAL_STREAM).
bool stderr_goes_to_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

std::unique_ptr<spdlog::formatter> stderr_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (stderr_goes_to_the_journal()) {
    formatter->add_flag<SyslogLevel>('*').set_pattern(kJournalPattern);
  } else {
    formatter->set_pattern(kPattern);
  }
  return formatter;
}

std::shared_ptr<spdlog::logger>& file_logger() {
  static auto* const logger = new std::shared_ptr<spdlog::logger>();
  return *logger;
}

}  // namespace

void initialize(std::string_view program, std::string_view level) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(std::string(program), std::move(sink));
  const char* override_level = std::getenv("MIMICFLEET_LOG");
  logger->set_level(
      spdlog::level::from_str(override_level != nullptr ? override_level : std::string(level)));
  logger->set_formatter(stderr_formatter());
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

std::string copy_to_file(const std::string& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path, /*truncate=*/true);
    sink->set_pattern(kPattern);
    const auto logger = spdlog::default_logger();
    file_logger() = std::make_shared<spdlog::logger>(logger->name(), sink);
    file_logger()->flush_on(spdlog::level::info);
    logger->sinks().push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    return error.what();
  }
  return "";
}

void note(std::string_view text) {
  if (file_logger()) file_logger()->info(text);
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace mimicfleet::log
