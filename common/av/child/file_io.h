#pragma once

#include <cstdint>
#include <memory>

#include "common/av/child/libav.h"

namespace mimicfleet::av::child {

// FFmpeg's view of one open descriptor: it can open nothing else. Reads and writes at positions of
// its own (pread, pwrite), so that the descriptor's position, which the parent shares, stays as it
// is.
class FileIo {
 public:
  FileIo(int fd, std::int64_t size, bool writable);
  ~FileIo();
  FileIo(const FileIo&) = delete;
  FileIo& operator=(const FileIo&) = delete;

  [[nodiscard]] AVIOContext* context() { return context_; }
  [[nodiscard]] std::int64_t size() const { return size_; }
  // errno of the first failed read or write, or 0.
  [[nodiscard]] int error() const { return error_; }

 private:
  static int read(void* self, std::uint8_t* buffer, int size);
  static int write(void* self, std::uint8_t* buffer, int size);
  static std::int64_t seek(void* self, std::int64_t offset, int whence);

  int fd_;
  std::int64_t size_;
  std::int64_t position_ = 0;
  int error_ = 0;
  AVIOContext* context_ = nullptr;
};

}  // namespace mimicfleet::av::child
