// Names and shapes of the real models' parameters, without their memory.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include <gtest/gtest.h>

#include "common/json/json.h"
#include "tests/parity/figures.h"
#include "tests/paths.h"
#include "worker/models/clip/vision_model.h"
#include "worker/models/svd/autoencoder.h"
#include "worker/models/svd/pose_net.h"
#include "worker/models/svd/unet.h"

namespace mimicfleet::svd {
namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

Shapes expected_shapes(const std::string& model) {
  std::ifstream file(source_path("tests/goldens/full_size_parameters.json"));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  wire::Limits limits;
  limits.map_size = 1 << 14;
  const auto document = json::parse(text, limits);
  EXPECT_TRUE(document.ok()) << document.status();
  Shapes shapes;
  for (const auto& [name, sizes] : *document->find(model)->get_if<wire::Map>()) {
    for (const auto& size : *sizes.get_if<wire::Array>()) {
      shapes[name].push_back(static_cast<std::int64_t>(*size.get_if<std::uint64_t>()));
    }
  }
  return shapes;
}

template <typename Make>
Shapes shapes_of(Make make) {
  nn::ParameterList parameters;
  make(nn::Scope(parameters, at::TensorOptions().device(at::kMeta)));
  Shapes shapes;
  for (const auto& parameter : parameters) {
    EXPECT_TRUE(shapes.emplace(parameter.name, parameter.shape).second)
        << parameter.name << " twice";
    if (!parameter.tensor.defined()) continue;
    EXPECT_EQ(parameter.tensor.sizes(), at::IntArrayRef(parameter.shape));
  }
  return shapes;
}

// The parameters of both, except those that are the same.
void expect_the_originals(const std::string& model, const Shapes& actual) {
  const Shapes expected = expected_shapes(model);
  Shapes different;
  std::set_symmetric_difference(actual.begin(), actual.end(), expected.begin(), expected.end(),
                                std::inserter(different, different.end()));
  EXPECT_TRUE(different.empty()) << different.begin()->first;
  EXPECT_FALSE(expected.empty());
  EXPECT_TRUE(parity::within_bound({"full_size_parameters.json", model,
                                    "parameters of another name or shape",
                                    static_cast<double>(different.size()), 0}));
}

TEST(FullSize, UnetHasTheOriginalsParameters) {
  expect_the_originals("unet",
                       shapes_of([](const nn::Scope& scope) { Unet(scope, UnetConfig{}); }));
}

TEST(FullSize, AutoencoderHasTheOriginalsParameters) {
  expect_the_originals(
      "vae", shapes_of([](const nn::Scope& scope) { Autoencoder(scope, AutoencoderConfig{}); }));
}

// Its numbers are too large for fp16, says the config.
TEST(FullSize, BesideHalfPrecisionTheAutoencodersEncoderStaysInFloat32) {
  for (const bool force_upcast : {true, false}) {
    AutoencoderConfig config;
    config.force_upcast = force_upcast;
    nn::ParameterList parameters;
    Autoencoder(nn::Scope(parameters, at::TensorOptions().device(at::kMeta).dtype(at::kHalf)),
                config);
    for (const auto& parameter : parameters) {
      const bool of_encoder = !parameter.name.starts_with("decoder.") && force_upcast;
      const bool on_host = parameter.name.ends_with("mix_factor");
      EXPECT_EQ(parameter.tensor.scalar_type(), of_encoder || on_host ? at::kFloat : at::kHalf)
          << parameter.name;
    }
  }
}

TEST(FullSize, ImageEncoderHasTheOriginalsParameters) {
  expect_the_originals("image_encoder", shapes_of([](const nn::Scope& scope) {
                         clip::VisionModel(scope, clip::VisionConfig{});
                       }));
}

TEST(FullSize, PoseNetHasTheOriginalsParameters) {
  expect_the_originals("pose_net", shapes_of([](const nn::Scope& scope) { PoseNet(scope, 320); }));
}

}  // namespace
}  // namespace mimicfleet::svd
