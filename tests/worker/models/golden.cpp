#include "tests/worker/models/golden.h"

#include <limits>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <gtest/gtest.h>
#include <png.h>

#include "tests/paths.h"
#include "worker/models/nn/load.h"
#include "worker/models/weights/safetensors.h"

namespace mimicfleet {

std::string golden_path(const std::string& name) { return source_path("tests/goldens/pack_a/") + name; }

Golden::Golden(const std::string& name) {
  auto set = weights::open_safetensors(golden_path("goldens/" + name + ".safetensors"));
  if (!set.ok()) ADD_FAILURE() << set.status();
  for (const auto& [tensor, view] : set->tensors) tensors_.emplace(tensor, nn::as_tensor(view));
  metadata_ = set->metadata;
}

const at::Tensor& Golden::operator[](const std::string& tensor) const {
  const auto found = tensors_.find(tensor);
  if (found == tensors_.end()) throw std::out_of_range("no golden tensor " + tensor);
  return found->second;
}

double relative_difference(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  const double difference = (actual.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
  return difference / expected.to(at::kDouble).abs().max().item<double>();
}

const model_root::ModelFiles& golden_model_files() {
  static const model_root::ModelFiles kFiles = [] {
    auto files = model_root::find_below(golden_path("models"));
    if (!files.ok()) ADD_FAILURE() << files.status();
    return std::move(files).value();
  }();
  return kFiles;
}

const svd::DiffusionModels& golden_models() {
  static const svd::DiffusionModels kModels = [] {
    at::set_num_threads(1);  // as the original had it; and tests run side by side
    auto models = svd::load_diffusion_models(golden_model_files(), at::kCPU, svd::Precision::kFp32);
    if (!models.ok()) ADD_FAILURE() << models.status();
    return std::move(models).value();
  }();
  return kModels;
}

at::Tensor read_pictures(const std::vector<std::string>& paths) {
  std::vector<at::Tensor> pictures;
  for (const auto& path : paths) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_file(&image, path.c_str()) == 0) throw std::runtime_error(path);
    image.format = PNG_FORMAT_RGB;
    at::Tensor picture = at::empty({image.height, image.width, 3}, at::kByte);
    png_image_finish_read(&image, nullptr, picture.mutable_data_ptr(), 0, nullptr);
    pictures.push_back(picture.permute({2, 0, 1}));
  }
  return at::stack(pictures);
}

}  // namespace mimicfleet
