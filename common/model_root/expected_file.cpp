#include "common/model_root/expected_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>

#include <fmt/format.h>

#include "common/files/io.h"
#include "common/files/stand_in.h"

namespace mimicfleet::model_root {
namespace {

std::string_view wanted_start(Format format) {
  switch (format) {
    case Format::kJson:
      return "JSON text";
    case Format::kSafetensors:
      return "a safetensors file";
    case Format::kTorchZip:
      return "a zip archive of torch.save (PyTorch 1.6 or later)";
    case Format::kOnnx:
      return "an ONNX graph";
  }
  return "";
}

bool starts_as(Format format, std::string_view head) {
  switch (format) {
    case Format::kJson: {
      const std::size_t first = head.find_first_not_of(" \t\r\n");
      return first != std::string_view::npos && head[first] == '{';
    }
    case Format::kSafetensors:
      return head.size() > 8 && head[8] == '{';
    case Format::kTorchZip:
      return head.starts_with("PK\x03\x04");
    case Format::kOnnx:
      return head[0] != '<' && head[0] != '{';
  }
  return false;
}

Status wrong(const std::filesystem::path& path, const Expected& expected, std::string_view cause) {
  return {StatusCode::kBadInput, fmt::format("{}: {}; expected {} ({}), get it from {}", path.string(), cause,
                                             expected.what, wanted_start(expected.format), expected.source)};
}

}  // namespace

Status check_file(const std::filesystem::path& path, const Expected& expected) {
  const auto fd = open_for_reading(path.string());
  if (!fd.ok()) {
    if (fd.status().code() != StatusCode::kNotFound) return fd.status();
    return {StatusCode::kNotFound, fmt::format("{}: is not there; expected {}, get it from {}", path.string(),
                                               expected.what, expected.source)};
  }
  std::array<char, 64> buffer{};
  const ssize_t got = ::read(fd->get(), buffer.data(), buffer.size());
  const std::string_view head(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (head.empty()) return wrong(path, expected, "is empty");
  if (const StandIn found = stand_in_of(head); found == StandIn::kLfsPointer) {
    return wrong(path, expected, why_stand_in(found));
  }
  if (!starts_as(expected.format, head)) return wrong(path, expected, "is something else");
  return {};
}

}  // namespace mimicfleet::model_root
