#include "worker/formats/tensor_bytes.h"

#include <cstring>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include "worker/formats/array_bytes.h"

namespace mimicfleet::formats {
namespace {

using weights::DType;

DType dtype_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kByte:
      return DType::kU8;
    case at::kHalf:
      return DType::kF16;
    default:
      CHECK(tensor.scalar_type() == at::kFloat);
      return DType::kF32;
  }
}

at::ScalarType scalar_type_of(DType dtype) {
  switch (dtype) {
    case DType::kU8:
      return at::kByte;
    case DType::kF16:
      return at::kHalf;
    default:
      CHECK(dtype == DType::kF32);
      return at::kFloat;
  }
}

std::span<const std::uint8_t> bytes_of(const at::Tensor& contiguous) {
  return {static_cast<const std::uint8_t*>(contiguous.const_data_ptr()), contiguous.nbytes()};
}

at::Tensor copy_of(const weights::TensorView& view) {
  at::Tensor tensor = at::empty(view.shape, scalar_type_of(view.dtype));
  CHECK(view.contiguous() && tensor.nbytes() == view.bytes.size());
  std::memcpy(tensor.mutable_data_ptr(), view.bytes.data(), view.bytes.size());
  return tensor;
}

}  // namespace

std::string tensors_to_bytes(const std::map<std::string, at::Tensor>& tensors) {
  std::vector<at::Tensor> kept;
  std::vector<weights::TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) {
    kept.push_back(tensor.contiguous());
    list.push_back({name, dtype_of(tensor), tensor.sizes().vec(), bytes_of(kept.back())});
  }
  return weights::safetensors_bytes(std::move(list), {});
}

Result<std::map<std::string, at::Tensor>> tensors_from_bytes(
    std::string bytes, const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const auto set, parse_arrays(std::move(bytes), "tensors"));
  std::map<std::string, at::Tensor> tensors;
  for (const auto& name : names) {
    const auto found = set.tensors.find(name);
    const bool fits = found != set.tensors.end() &&
                      (found->second.dtype == DType::kU8 || found->second.dtype == DType::kF32);
    if (!fits) return Status(StatusCode::kBadInput, fmt::format("tensors: there is no '{}'", name));
    tensors.emplace(name, copy_of(found->second));
  }
  return tensors;
}

std::string latents_to_bytes(const at::Tensor& latents,
                             const std::map<std::string, std::string, std::less<>>& metadata) {
  const at::Tensor contiguous = latents.contiguous();
  CHECK(contiguous.dim() == 5);
  return latents_to_bytes(dtype_of(contiguous), contiguous.size(1), contiguous.size(3),
                          contiguous.size(4), bytes_of(contiguous), metadata);
}

at::Tensor to_tensor(const Latents& latents) { return copy_of(latents.tensor); }

at::Tensor to_tensor(const std::vector<media::Image>& images) {
  CHECK(!images.empty());
  const auto count = static_cast<std::int64_t>(images.size());
  at::Tensor tensor = at::empty({count, images[0].height, images[0].width, 3}, at::kByte);
  auto* to = tensor.mutable_data_ptr<std::uint8_t>();
  const std::size_t size = images[0].pixels.size();
  at::parallel_for(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      CHECK(images[i].pixels.size() == size);
      std::memcpy(to + i * size, images[i].pixels.data(), size);
    }
  });
  return tensor;
}

media::Image to_image(const at::Tensor& image) {
  CHECK(image.dim() == 3 && image.size(0) == 3);
  const at::Tensor rows = image.permute({1, 2, 0}).contiguous();  // [h, w, 3]
  const auto bytes = bytes_of(rows);
  return {
      static_cast<int>(rows.size(1)), static_cast<int>(rows.size(0)), {bytes.begin(), bytes.end()}};
}

}  // namespace mimicfleet::formats
