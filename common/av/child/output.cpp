#include "common/av/child/output.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>

#include "common/av/media_child.h"

namespace mimicfleet::av::child {
namespace {

void send(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(kChildRecords, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) ::_exit(1);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void send(RecordHeader header, std::span<const std::uint8_t> payload) {
  header.payload_bytes = payload.size();
  send({reinterpret_cast<const std::uint8_t*>(&header), sizeof(header)});
  send(payload);
}

}  // namespace

void send_info(const StreamInfo& info) { send({.type = RecordType::kInfo}, encode_info(info)); }

void send_notes(const ReadingNotes& notes) {
  const std::string bytes = encode_notes(notes);
  send({.type = RecordType::kNotes},
       {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

void send_frame(const Image& image, std::uint64_t index) {
  send({.type = RecordType::kFrame,
        .width = static_cast<std::uint32_t>(image.width),
        .height = static_cast<std::uint32_t>(image.height),
        .index = index},
       image.pixels);
}

void send_end(std::uint64_t count) { send({.type = RecordType::kEnd, .index = count}, {}); }

void send_failure(const Status& status) {
  const std::string bytes = encode_failure(status);
  send({.type = RecordType::kFailure},
       {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace mimicfleet::av::child
