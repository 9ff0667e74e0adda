// YOLOX-L and RTMPose-l in their real sizes against onnxruntime (tests/goldens/pose_nets; made by
// tools/onnx/make_pose_nets.py).
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include "common/weights/safetensors.h"
#include "tests/parity/figures.h"
#include "tests/paths.h"
#include "tests/worker/models/golden.h"
#include "tests/worker/onnx/formula_weights.h"
#include "tests/worker/onnx/read_file.h"
#include "worker/models/nn/load.h"
#include "worker/onnx/load_graph.h"
#include "worker/onnx/session.h"

namespace mimicfleet::onnx {
namespace {

constexpr double kBound = 5e-5;

struct Net {
  std::string name;
  std::vector<std::int64_t> shape;  // of two items
  double low;
  double high;
  std::vector<std::pair<std::string, int>> outputs;  // every nth row is in the goldens
};

void expect_outputs(const Net& net) {
  at::set_num_threads(1);
  auto graph = parse_graph(
      with_formula_weights(read_file("tests/goldens/pose_nets/" + net.name + ".onnx")), net.name);
  ASSERT_TRUE(graph.ok()) << graph.status();
  auto session = Session::create(std::move(graph).value(), at::kCPU);
  ASSERT_TRUE(session.ok()) << session.status();
  std::size_t count = 1;
  for (const std::int64_t dim : net.shape) count *= static_cast<std::size_t>(dim);
  std::vector<float> values = formula(count, 2001, net.low, net.high);
  const auto outputs = session->run_batch({at::from_blob(values.data(), net.shape, at::kFloat)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ(session->batch_obstacle(), "");
  const auto expected =
      weights::open_safetensors(source_path("tests/goldens/pose_nets/expected.safetensors"));
  ASSERT_TRUE(expected.ok()) << expected.status();
  for (std::size_t i = 0; i < net.outputs.size(); ++i) {
    const auto& [name, step] = net.outputs[i];
    const at::Tensor actual = outputs->at(i).slice(1, 0, std::nullopt, step);
    const double difference =
        relative_difference(actual, nn::as_tensor(expected->tensors.at(net.name + "." + name)));
    EXPECT_TRUE(parity::within_bound({"pose_nets/expected.safetensors", net.name + "." + name,
                                      "difference, of the largest number", difference, kBound}));
  }
}

TEST(PoseNets, YoloxLOfFullSizeAgreesWithOnnxruntime) {
  expect_outputs({"yolox_l", {2, 3, 640, 640}, 0, 255, {{"output", 97}}});
}

TEST(PoseNets, RtmposeLOfFullSizeAgreesWithOnnxruntime) {
  expect_outputs({"dw-ll_ucoco_384", {2, 3, 384, 288}, -2, 2, {{"simcc_x", 7}, {"simcc_y", 7}}});
}

}  // namespace
}  // namespace mimicfleet::onnx
