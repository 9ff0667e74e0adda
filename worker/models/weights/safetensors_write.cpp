#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <nlohmann/json.hpp>

#include "worker/models/weights/safetensors.h"

namespace mimicfleet::weights {
namespace {

Status write_all(int fd, std::span<const std::uint8_t> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT;
      return {full ? StatusCode::kResourceExhausted : StatusCode::kFailedPrecondition,
              path + ": cannot be written: " + std::strerror(errno)};
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

// The header, padded with spaces so that the data begin at a multiple of 8.
std::string header_of(const std::vector<TensorToWrite>& tensors,
                      const std::map<std::string, std::string, std::less<>>& metadata) {
  auto header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t begin = 0;
  for (const auto& tensor : tensors) {
    const std::uint64_t end = begin + tensor.bytes.size();
    header[tensor.name] = {
        {"dtype", to_string(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

Status write_to(int fd, const std::vector<TensorToWrite>& tensors, const std::string& header,
                const std::string& path) {
  const std::uint64_t length = header.size();
  RETURN_IF_ERROR(write_all(fd, {reinterpret_cast<const std::uint8_t*>(&length), sizeof(length)}, path));
  RETURN_IF_ERROR(write_all(fd, {reinterpret_cast<const std::uint8_t*>(header.data()), header.size()}, path));
  for (const auto& tensor : tensors) RETURN_IF_ERROR(write_all(fd, tensor.bytes, path));
  if (::fsync(fd) != 0) {
    return {StatusCode::kFailedPrecondition, path + ": cannot be synced: " + std::strerror(errno)};
  }
  return {};
}

}  // namespace

Status write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                         const std::map<std::string, std::string, std::less<>>& metadata) {
  // The order of the reference implementation: wide types first, which keeps every tensor aligned.
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    return std::pair(item_size(b.dtype), std::string_view(a.name)) <
           std::pair(item_size(a.dtype), std::string_view(b.name));
  });
  for (const auto& tensor : tensors) {
    const auto count = element_count(tensor.shape);
    CHECK(count && static_cast<std::size_t>(*count) * item_size(tensor.dtype) == tensor.bytes.size());
  }
  const std::string header = header_of(tensors, metadata);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    return {StatusCode::kFailedPrecondition, path + ": cannot be created: " + std::strerror(errno)};
  }
  Status status = write_to(fd, tensors, header, path);
  if (::close(fd) != 0 && status.ok()) {
    status = Status(StatusCode::kFailedPrecondition, path + ": cannot be closed: " + std::strerror(errno));
  }
  return status;
}

}  // namespace mimicfleet::weights
