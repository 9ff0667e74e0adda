#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/files/io.h"
#include "common/json/json.h"
#include "common/weights/safetensors.h"

namespace mimicfleet::weights {
namespace {

wire::Array sizes(std::span<const std::int64_t> shape) { return {shape.begin(), shape.end()}; }

// The header, padded with spaces so that the data begin at a multiple of 8.
std::string header_of(const std::vector<TensorToWrite>& tensors,
                      const std::map<std::string, std::string, std::less<>>& metadata) {
  wire::Map header;
  if (!metadata.empty()) {
    header.emplace_back("__metadata__", wire::Map(metadata.begin(), metadata.end()));
  }
  std::int64_t begin = 0;
  for (const auto& tensor : tensors) {
    const auto end = begin + static_cast<std::int64_t>(tensor.bytes.size());
    header.emplace_back(tensor.name, wire::Map{{"dtype", std::string(to_string(tensor.dtype))},
                                               {"shape", sizes(tensor.shape)},
                                               {"data_offsets", wire::Array{begin, end}}});
    begin = end;
  }
  std::string text = json::to_text(wire::Value(std::move(header)));
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

template <typename T>
std::span<const std::uint8_t> bytes_of(const T* data, std::size_t count) {
  return {reinterpret_cast<const std::uint8_t*>(data), count * sizeof(T)};
}

// The order of the reference implementation: wide types first, which keeps every tensor aligned.
void put_in_order(std::vector<TensorToWrite>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToWrite& a, const TensorToWrite& b) {
    return std::pair(item_size(b.dtype), std::string_view(a.name)) <
           std::pair(item_size(a.dtype), std::string_view(b.name));
  });
  for (const auto& tensor : tensors) {
    const auto count = element_count(tensor.shape);
    CHECK(count &&
          static_cast<std::size_t>(*count) * item_size(tensor.dtype) == tensor.bytes.size());
  }
}

}  // namespace

std::string safetensors_bytes(std::vector<TensorToWrite> tensors,
                              const std::map<std::string, std::string, std::less<>>& metadata) {
  put_in_order(tensors);
  const std::string header = header_of(tensors, metadata);
  const std::uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes += header;
  for (const auto& tensor : tensors) {
    bytes.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return bytes;
}

Status write_safetensors(const std::string& path, std::vector<TensorToWrite> tensors,
                         const std::map<std::string, std::string, std::less<>>& metadata) {
  put_in_order(tensors);
  const std::string header = header_of(tensors, metadata);
  const std::uint64_t length = header.size();
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.valid())
    return file_error(path, "cannot be created", errno, StatusCode::kFailedPrecondition);
  RETURN_IF_ERROR(write_all(fd.get(), bytes_of(&length, 1), path));
  RETURN_IF_ERROR(write_all(fd.get(), bytes_of(header.data(), header.size()), path));
  for (const auto& tensor : tensors) RETURN_IF_ERROR(write_all(fd.get(), tensor.bytes, path));
  if (::fsync(fd.get()) != 0) return file_error(path, "cannot be synced", errno);
  return {};
}

}  // namespace mimicfleet::weights
