#include "common/model_root/expected_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>

#include <fmt/format.h>

#include "common/files/io.h"
#include "common/files/read_text.h"
#include "common/files/stand_in.h"
#include "common/json/json.h"
#include "common/model_root/onnx_frames.h"
#include "common/safetensors/header.h"
#include "common/weights/zip.h"

namespace mimicfleet::model_root {
namespace {

constexpr std::size_t kMaxJsonBytes = 1 << 20;

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
      return head[0] != '<' && head[0] != '{';  // frames are looked at later
  }
  return false;
}

// What is wrong with the file as a whole, as far as that shows without reading all of it; nothing:
// nothing.
Status check_structure(const std::string& path, Format format) {
  switch (format) {
    case Format::kJson: {
      ASSIGN_OR_RETURN(const std::string text, read_text(path, kMaxJsonBytes));
      return json::parse(text).status().prefixed("not valid JSON");
    }
    case Format::kSafetensors:
      return safetensors::read_header(path).status();
    case Format::kTorchZip: {
      ASSIGN_OR_RETURN(const weights::BufferPtr file, weights::map_file(path));
      return weights::read_stored_zip(file, weights::Sums::kSkip).status();
    }
    case Format::kOnnx: {
      ASSIGN_OR_RETURN(const weights::BufferPtr file, weights::map_file(path));
      return check_onnx_frames(file->bytes).prefixed("not a valid ONNX model");
    }
  }
  return {};
}

Status wrong(const std::filesystem::path& path, const Expected& expected, std::string_view cause) {
  return {StatusCode::kBadInput,
          fmt::format("{}: {}; expected {} ({}), get it from {}", path.string(), cause,
                      expected.what, wanted_start(expected.format), expected.source)};
}

}  // namespace

Status check_file(const std::filesystem::path& path, const Expected& expected) {
  const auto fd = open_for_reading(path.string());
  if (!fd.ok()) {
    if (fd.status().code() != StatusCode::kNotFound) return fd.status();
    return {StatusCode::kNotFound, fmt::format("{}: is not there; expected {}, get it from {}",
                                               path.string(), expected.what, expected.source)};
  }
  std::array<char, 64> buffer{};
  const ssize_t got = ::read(fd->get(), buffer.data(), buffer.size());
  const std::string_view head(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (head.empty()) return wrong(path, expected, "is empty");
  if (const StandIn found = stand_in_of(head); found != StandIn::kNone) {
    return wrong(path, expected, why_stand_in(found));
  }
  if (!starts_as(expected.format, head)) return wrong(path, expected, "is something else");
  const Status structure = check_structure(path.string(), expected.format);
  if (structure.code() != StatusCode::kBadInput) return structure;
  std::string_view cause = structure.message();
  const std::string named = path.string() + ": ";
  if (cause.starts_with(named)) cause.remove_prefix(named.size());
  return wrong(path, expected, cause);
}

}  // namespace mimicfleet::model_root
