#include "tests/worker/models/golden.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <png.h>

#include "common/json/json.h"
#include "common/model_files/weights/safetensors.h"
#include "tests/parity/figures.h"
#include "tests/paths.h"
#include "tests/test_device.h"
#include "worker/device/device.h"
#include "worker/models/nn/load.h"

namespace mimicfleet {

std::string golden_path(const std::string& name) {
  return source_path("tests/goldens/pack_a/") + name;
}

Golden::Golden(const std::string& name) : file_("pack_a/goldens/" + name + ".safetensors") {
  auto set = weights::open_safetensors(golden_path("goldens/" + name + ".safetensors"));
  if (!set.ok()) ADD_FAILURE() << set.status();
  for (const auto& [tensor, view] : set->tensors) tensors_.emplace(tensor, nn::as_tensor(view));
  metadata_ = set->metadata;
}

const at::Tensor& Golden::operator[](const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) throw std::out_of_range(file_ + " has no tensor " + tensor);
  parity::note_use(file_, tensor);
  return found->second;
}

testing::AssertionResult Golden::is_within(const std::string& tensor, const std::string& measure,
                                           double largest, double bound) const {
  parity::note_use(file_, tensor);
  return parity::within_bound({file_, tensor, measure, largest, bound});
}

testing::AssertionResult Golden::is_near(const std::string& tensor, const at::Tensor& actual,
                                         double bound) const {
  return is_within(tensor, "difference, of the largest number",
                   relative_difference(actual, (*this)[tensor]), bound);
}

testing::AssertionResult Golden::is_equal(const std::string& tensor,
                                          const at::Tensor& actual) const {
  return is_within(tensor, "numbers that differ",
                   static_cast<double>(different_numbers(actual, (*this)[tensor])), 0);
}

wire::Value golden_json(const std::string& name) {
  std::ifstream file(golden_path("goldens/" + name));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  auto document = json::parse(text);
  EXPECT_TRUE(document.ok()) << name << ": " << document.status();
  parity::note_use("pack_a/goldens/" + name);
  return std::move(document).value_or({});
}

std::int64_t integer(const wire::Value& value) {
  return static_cast<std::int64_t>(*value.get_if<std::uint64_t>());
}

double number(const wire::Value& value) {
  if (const auto* real = value.get_if<double>()) return *real;
  return static_cast<double>(integer(value));
}

double relative_difference(const at::Tensor& computed, const at::Tensor& expected) {
  if (computed.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  const at::Tensor actual = computed.to(at::kCPU, at::kDouble);
  const at::Tensor wanted = expected.to(at::kCPU, at::kDouble);
  const double difference = (actual - wanted).abs().max().item<double>();
  return difference / wanted.abs().max().item<double>();
}

double relative_rms(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor wanted = expected.to(at::kCPU, at::kDouble);
  const at::Tensor difference = actual.to(at::kCPU, at::kDouble) - wanted;
  return std::sqrt((difference.square().mean() / wanted.square().mean()).item<double>());
}

std::int64_t different_numbers(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return std::max(actual.numel(), expected.numel());
  return (actual != expected).sum().item<std::int64_t>();
}

void expect_golden_frames(const Golden& golden, const std::string& tensor, const at::Tensor& frames,
                          const std::string& from, FrameBounds bounds) {
  ASSERT_EQ(frames.sizes(), golden[tensor].sizes());
  const at::Tensor difference = (frames.to(at::kInt) - golden[tensor].to(at::kInt)).abs();
  EXPECT_TRUE(golden.is_within(tensor, from + "part of the pixels that differ by more than 1/255",
                               difference.gt(1).any(1).to(at::kDouble).mean().item<double>(),
                               bounds.part));
  EXPECT_TRUE(golden.is_within(tensor, from + "difference, in 1/255",
                               difference.max().item<double>(), bounds.largest));
}

at::Tensor after_zeros(const at::Tensor& conditional) {
  return at::cat({at::zeros_like(conditional), conditional});
}

const model_root::ModelFiles& golden_model_files() {
  static const model_root::ModelFiles kFiles = [] {
    auto files = model_root::find_below(golden_path("models"));
    if (!files.ok()) ADD_FAILURE() << files.status();
    return std::move(files).value();
  }();
  return kFiles;
}

at::Device test_device() {
  static const at::Device kDevice = [] {
    // One thread: as the original had it; and tests run side by side.
    auto device = device::open_device(test_device_name(), jobs::Precision::kFp32, 1);
    if (device.ok()) return device->device;
    std::cerr << device.status() << "\n";
    std::_Exit(EXIT_FAILURE);
  }();
  return kDevice;
}

at::Tensor on_test_device(const at::Tensor& tensor) { return tensor.to(test_device()); }

const svd::DiffusionModels& golden_models() {
  static const svd::DiffusionModels kModels = [] {
    auto models =
        svd::load_diffusion_models(golden_model_files(), test_device(), svd::Precision::kFp32);
    if (!models.ok()) ADD_FAILURE() << models.status();
    return std::move(models).value();
  }();
  return kModels;
}

at::Tensor read_pictures(const std::vector<std::string>& names) {
  std::vector<at::Tensor> pictures;
  for (const auto& name : names) {
    const bool is_absolute = name.starts_with('/');
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    const std::string path = is_absolute ? name : golden_path(name);
    if (png_image_begin_read_from_file(&image, path.c_str()) == 0) throw std::runtime_error(path);
    image.format = PNG_FORMAT_RGB;
    at::Tensor picture = at::empty({image.height, image.width, 3}, at::kByte);
    png_image_finish_read(&image, nullptr, picture.mutable_data_ptr(), 0, nullptr);
    pictures.push_back(picture.permute({2, 0, 1}));
    if (!is_absolute) parity::note_use("pack_a/" + name);
  }
  return at::stack(pictures);
}

}  // namespace mimicfleet
