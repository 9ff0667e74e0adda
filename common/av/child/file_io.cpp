#include "common/av/child/file_io.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/check.h"

extern "C" {
#include <libavutil/mem.h>
}

namespace mimicfleet::av::child {
namespace {
constexpr int kBufferBytes = 64 << 10;
}  // namespace

FileIo::FileIo(int fd, std::int64_t size, bool writable) : fd_(fd), size_(size) {
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(kBufferBytes));
  CHECK(buffer != nullptr);
  context_ = avio_alloc_context(buffer, kBufferBytes, writable ? 1 : 0, this,
                                writable ? nullptr : &read, writable ? &write : nullptr, &seek);
  CHECK(context_ != nullptr);
}

FileIo::~FileIo() {
  av_freep(&context_->buffer);
  avio_context_free(&context_);
}

int FileIo::read(void* self, std::uint8_t* buffer, int size) {
  auto& io = *static_cast<FileIo*>(self);
  ssize_t got = 0;
  do {
    got = ::pread(io.fd_, buffer, static_cast<std::size_t>(size), io.position_);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return AVERROR_EOF;
  if (got < 0) {
    io.error_ = errno;
    return AVERROR(errno);
  }
  io.position_ += got;
  return static_cast<int>(got);
}

int FileIo::write(void* self, std::uint8_t* buffer, int size) {
  auto& io = *static_cast<FileIo*>(self);
  for (int done = 0; done < size;) {
    const ssize_t put =
        ::pwrite(io.fd_, buffer + done, static_cast<std::size_t>(size - done), io.position_);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      if (io.error_ == 0) io.error_ = errno;
      return AVERROR(errno);
    }
    done += static_cast<int>(put);
    io.position_ += put;
    io.size_ = std::max(io.size_, io.position_);
  }
  return size;
}

std::int64_t FileIo::seek(void* self, std::int64_t offset, int whence) {
  auto& io = *static_cast<FileIo*>(self);
  whence &= ~AVSEEK_FORCE;
  if (whence == AVSEEK_SIZE) return io.size_;
  const std::int64_t base = whence == SEEK_CUR ? io.position_ : whence == SEEK_END ? io.size_ : 0;
  std::int64_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0) return AVERROR(EINVAL);
  return io.position_ = target;
}

}  // namespace mimicfleet::av::child
