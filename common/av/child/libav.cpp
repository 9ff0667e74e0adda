#include "common/av/child/libav.h"

#include <array>
#include <cstdarg>
#include <cstdio>

extern "C" {
#include <libavutil/mem.h>
}

namespace mimicfleet::av::child {
namespace {

std::array<char, 256> last_error{};

void remember(void* source, int level, const char* format, va_list arguments) {
  static_cast<void>(source);
  if (level > AV_LOG_ERROR) return;
  std::array<char, 256> line{};
  const int size = std::vsnprintf(line.data(), line.size(), format, arguments);
  if (size > 1) last_error = line;  // a lone line break ends an earlier line
}

}  // namespace

void prepare_libav(std::size_t max_allocation_bytes) {
  av_log_set_callback(remember);
  av_max_alloc(max_allocation_bytes);
}

void forget_libav_error() { last_error.fill(0); }

std::string libav_error(int error) {
  std::string text(last_error.data());
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '.'))
    text.pop_back();
  if (!text.empty()) return text;
  std::array<char, AV_ERROR_MAX_STRING_SIZE> words{};
  av_strerror(error, words.data(), words.size());
  return words.data();
}

}  // namespace mimicfleet::av::child
