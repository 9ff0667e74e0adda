#include "worker/models/nn/load.h"

#include <cstdint>
#include <cstring>
#include <set>
#include <utility>

#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>

#include "common/log.h"

namespace mimicfleet::nn {
namespace {

at::ScalarType scalar_type(weights::DType dtype) {
  switch (dtype) {
    case weights::DType::kF64:
      return at::kDouble;
    case weights::DType::kF32:
      return at::kFloat;
    case weights::DType::kF16:
      return at::kHalf;
    case weights::DType::kBF16:
      return at::kBFloat16;
    case weights::DType::kI64:
      return at::kLong;
    case weights::DType::kI32:
      return at::kInt;
    case weights::DType::kI16:
      return at::kShort;
    case weights::DType::kI8:
      return at::kChar;
    case weights::DType::kU8:
      return at::kByte;
    case weights::DType::kF8E4M3:
      return at::kFloat8_e4m3fn;
    case weights::DType::kF8E5M2:
      return at::kFloat8_e5m2;
    case weights::DType::kBool:
      return at::kBool;
  }
  return at::kFloat;
}

// What does not fit, of one kind: how many, and which comes first.
struct Complaint {
  explicit Complaint(std::string_view what) : kind(what) {}

  void add(const std::string& text) {
    if (count++ == 0) first = text;
  }
  [[nodiscard]] std::string text() const {
    if (count == 0) return {};
    return "; " + std::to_string(count) + " " + kind + ", first " + log::printable(first);
  }

  std::string kind;
  std::size_t count = 0;
  std::string first;
};

Status check_fit(const ParameterList& parameters, const weights::TensorSet& tensors,
                 std::string_view what, std::string_view origin,
                 const MayBeIgnored& may_be_ignored) {
  Complaint missing("missing");
  Complaint misshaped("of another shape");
  Complaint unexpected("unexpected");
  std::set<std::string_view> known;
  for (const auto& parameter : parameters) {
    known.insert(parameter.name);
    const auto found = tensors.tensors.find(parameter.name);
    if (found == tensors.tensors.end()) {
      missing.add(parameter.name);
    } else if (found->second.shape != parameter.shape) {
      misshaped.add(parameter.name + " " + weights::shape_text(found->second.shape) +
                    " instead of " + weights::shape_text(parameter.shape));
    }
  }
  for (const auto& [name, view] : tensors.tensors) {
    if (!known.contains(name) && !(may_be_ignored && may_be_ignored(name))) unexpected.add(name);
  }
  if (missing.count + misshaped.count + unexpected.count == 0) return {};
  return {StatusCode::kBadInput, std::string(origin) + ": these are not the weights of the " +
                                     std::string(what) + " that its config.json describes" +
                                     missing.text() + misshaped.text() + unexpected.text() +
                                     "; take both from one download"};
}

Status check_values(const Parameter& parameter, const weights::TensorView& view) {
  const bool for_half = parameter.tensor.defined() && parameter.tensor.scalar_type() == at::kHalf;
  if (!weights::has_unusable_values(view, for_half)) return {};
  const bool too_large = for_half && !weights::has_unusable_values(view, false);
  return {StatusCode::kBadInput,
          view.buffer->origin + ": " + log::printable(parameter.name) +
              (too_large ? " has numbers too large for fp16; use --precision bf16 or fp32"
                         : " has NaN or infinite numbers; fetch the file again")};
}

}  // namespace

at::Tensor as_tensor(const weights::TensorView& view) {
  const auto options = at::TensorOptions().dtype(scalar_type(view.dtype));
  if (view.bytes.empty()) return at::empty_strided(view.shape, view.strides, options);
  if (reinterpret_cast<std::uintptr_t>(view.bytes.data()) % weights::item_size(view.dtype) != 0) {
    at::Tensor aligned = at::empty_strided(view.shape, view.strides, options);
    std::memcpy(aligned.data_ptr(), view.bytes.data(), view.bytes.size());
    return aligned;
  }
  // LibTorch knows no read-only tensors.
  auto* data = const_cast<std::uint8_t*>(
      view.bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  return at::from_blob(
      data, view.shape, view.strides, [buffer = view.buffer](void*) {}, options);
}

weights::DType dtype_of(const at::Tensor& tensor) {
  int dtype = 0;
  const auto fits = [&] {
    return scalar_type(static_cast<weights::DType>(dtype)) == tensor.scalar_type();
  };
  while (dtype < static_cast<int>(weights::DType::kBool) && !fits()) ++dtype;
  CHECK(fits());  // weight files have no other types
  return static_cast<weights::DType>(dtype);
}

Status load_parameters(const ParameterList& parameters, const weights::TensorSet& tensors,
                       std::string_view what, std::string_view origin,
                       const MayBeIgnored& may_be_ignored) {
  RETURN_IF_ERROR(check_fit(parameters, tensors, what, origin, may_be_ignored));
  for (const auto& parameter : parameters) {
    const weights::TensorView& view = tensors.tensors.find(parameter.name)->second;
    RETURN_IF_ERROR(check_values(parameter, view));
    if (parameter.tensor.defined()) parameter.tensor.copy_(as_tensor(view));
  }
  return {};
}

}  // namespace mimicfleet::nn
