// ONNX's own tests of single operators (tests/goldens/onnx_node; tools/onnx/extract_node_tests.py
// took them from the onnx 1.13.0 wheel), with ONNX's own tolerances.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/where.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/wire/codec.h"
#include "tests/parity/figures.h"
#include "tests/worker/onnx/read_file.h"
#include "worker/onnx/load_graph.h"
#include "worker/onnx/operators.h"
#include "worker/onnx/session.h"

namespace mimicfleet::onnx {
namespace {

struct DataSet {
  std::vector<wire::Bytes> inputs;
  std::vector<wire::Bytes> outputs;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("inputs", self.inputs);
    field("outputs", self.outputs);
  }
};

struct NodeTest {
  std::string name;
  wire::Bytes model;
  std::vector<DataSet> sets;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("model", self.model);
    field("sets", self.sets);
  }
};

struct NodeTests {
  std::vector<NodeTest> tests;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("tests", self.tests);
  }
};

std::vector<NodeTest> load_tests() {
  const std::string bytes = read_file("tests/goldens/onnx_node/node_tests.msgpack");
  auto document = wire::decode_struct<NodeTests>(bytes);
  EXPECT_TRUE(document.ok()) << document.status();
  return std::move(document).value_or({}).tests;
}

// What the executor refuses although it knows the operator: LibTorch lacks the type, or inference
// has no use for it.
bool is_refused(std::string_view name) {
  static const std::set<std::string_view> kNames = {
      // strings, sequences and optional values
      "test_cast_FLOAT_to_STRING", "test_cast_STRING_to_FLOAT",
      "test_castlike_FLOAT_to_STRING_expanded", "test_castlike_STRING_to_FLOAT_expanded",
      "test_identity_opt", "test_identity_sequence",
      // unsigned integers of more than 8 bits
      "test_max_uint16", "test_max_uint32", "test_max_uint64", "test_min_uint16", "test_min_uint32",
      "test_min_uint64", "test_pow_types_float32_uint32", "test_pow_types_float32_uint64",
      // bfloat16, which the data round otherwise than LibTorch
      "test_cast_BFLOAT16_to_FLOAT", "test_cast_FLOAT_to_BFLOAT16",
      "test_castlike_BFLOAT16_to_FLOAT_expanded", "test_castlike_FLOAT_to_BFLOAT16_expanded",
      // training
      "test_batchnorm_epsilon_training_mode", "test_batchnorm_example_training_mode"};
  return kNames.contains(name);
}

Result<std::vector<at::Tensor>> tensors(const std::vector<wire::Bytes>& files,
                                        const std::string& name) {
  std::vector<at::Tensor> result;
  for (const auto& file : files) {
    ASSIGN_OR_RETURN(const TensorData data, parse_tensor(file.data, name));
    result.push_back(to_tensor(data));
  }
  return result;
}

// The largest difference in units of what ONNX tolerates: 1e-7 and a thousandth of the number.
// Infinities and NaN have to be equal.
double largest_difference(const at::Tensor& actual, const at::Tensor& expected) {
  if (expected.numel() == 0) return 0;
  const at::Tensor a = actual.to(at::kDouble);
  const at::Tensor e = expected.to(at::kDouble);
  const at::Tensor same = (a == e) | (a.isnan() & e.isnan());
  return at::where(same, 0.0, (a - e).abs() / (1e-7 + 1e-3 * e.abs())).max().item<double>();
}

void expect_equal(const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_EQ(actual.scalar_type(), expected.scalar_type());
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_TRUE(parity::within_bound({"onnx_node/node_tests.msgpack", "every output of every test",
                                    "difference, of what ONNX tolerates",
                                    largest_difference(actual, expected), 1}));
}

void run(const NodeTest& test) {
  auto graph = parse_graph(test.model.data, test.name);
  ASSERT_TRUE(graph.ok()) << graph.status();
  auto session = Session::create(std::move(graph).value(), at::kCPU);
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_FALSE(test.sets.empty());
  for (const DataSet& set : test.sets) {
    const auto inputs = tensors(set.inputs, test.name);
    const auto expected = tensors(set.outputs, test.name);
    ASSERT_TRUE(inputs.ok()) << inputs.status();
    ASSERT_TRUE(expected.ok()) << expected.status();
    const auto outputs = session->run(*inputs);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    ASSERT_EQ(outputs->size(), expected->size());
    for (std::size_t i = 0; i < outputs->size(); ++i) expect_equal(outputs->at(i), expected->at(i));
  }
}

Status try_to_run(const NodeTest& test) {
  ASSIGN_OR_RETURN(Graph graph, parse_graph(test.model.data, test.name));
  ASSIGN_OR_RETURN(Session session, Session::create(std::move(graph), at::kCPU));
  ASSIGN_OR_RETURN(const auto inputs, tensors(test.sets.at(0).inputs, test.name));
  return session.run(inputs).status();
}

TEST(NodeTests, EveryOperatorComputesWhatOnnxExpects) {
  for (const NodeTest& test : load_tests()) {
    SCOPED_TRACE(test.name);
    if (!is_refused(test.name)) run(test);
  }
}

TEST(NodeTests, WhatIsNotImplementedIsRefusedInsteadOfComputedWrongly) {
  for (const NodeTest& test : load_tests()) {
    if (!is_refused(test.name)) continue;
    SCOPED_TRACE(test.name);
    const Status status = try_to_run(test);
    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << status;
    EXPECT_THAT(status.message(), testing::HasSubstr(test.name));
  }
}

TEST(NodeTests, EveryImplementedOperatorHasATest) {
  std::set<std::string> tested;
  for (const NodeTest& test : load_tests()) {
    const auto graph = parse_graph(test.model.data, test.name);
    if (!graph.ok() || is_refused(test.name)) continue;
    for (const Node& node : graph->nodes) tested.insert(node.op);
  }
  for (const std::string_view name : operator_names()) {
    if (!name.starts_with("mimicfleet.")) {
      EXPECT_TRUE(tested.contains(std::string(name))) << name;
    }
  }
}

}  // namespace
}  // namespace mimicfleet::onnx
