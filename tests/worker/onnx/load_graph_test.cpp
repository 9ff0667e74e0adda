#include "worker/onnx/load_graph.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include "tests/paths.h"
#include "tests/worker/onnx/model_builder.h"
#include "tests/worker/onnx/read_file.h"

namespace mimicfleet::onnx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

ModelBuilder doubling_model() {
  ModelBuilder builder;
  builder.input("x", {-1, 2}).floats("two", {1}, {2}).node("Mul", {"x", "two"}, {"y"}).output("y");
  return builder;
}

Status refusal(const ModelBuilder& model, const LoadLimits& limits = {}) {
  return parse_graph(model.bytes(), "m.onnx", limits).status();
}

TEST(LoadGraph, ReadsInputsConstantsAndNodes) {
  const auto graph = parse_graph(doubling_model().bytes(), "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->opset, 11);
  ASSERT_EQ(graph->inputs.size(), 1U);
  EXPECT_THAT(graph->inputs[0].dims, ElementsAre(-1, 2));
  ASSERT_EQ(graph->nodes.size(), 1U);
  EXPECT_EQ(graph->nodes[0].op, "Mul");
  ASSERT_EQ(graph->constants.size(), 1U);
  EXPECT_EQ(graph->constants.begin()->second.bytes, std::string("\0\0\0\x40", 4));
}

TEST(LoadGraph, ReadsADetectorFromItsFile) {
  const auto graph = load_graph(source_path("tests/goldens/pack_a/models/DWPose/yolox_l.onnx"));
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->value_names[graph->inputs.at(0).value], "images");
  EXPECT_THAT(graph->inputs[0].dims, ElementsAre(1, 3, 640, 640));
  EXPECT_EQ(graph->nodes.size(), 282U);
}

TEST(LoadGraph, WeightsThatAreListedAmongTheInputsAreNoInputs) {
  ModelBuilder model = doubling_model();
  model.input("two", {1});
  const auto graph = parse_graph(model.bytes(), "m.onnx");
  ASSERT_TRUE(graph.ok()) << graph.status();
  EXPECT_EQ(graph->inputs.size(), 1U);
}

TEST(LoadGraph, AnAbsentFileIsNamed) {
  const Status status = load_graph("/nowhere/yolox_l.onnx").status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nowhere/yolox_l.onnx"));
}

TEST(LoadGraph, OtherBytesAreRefused) {
  for (const std::string bytes : {"", "hello", "\x7f\x45LF"}) {
    const Status status = parse_graph(bytes, "m.onnx").status();
    EXPECT_EQ(status.code(), StatusCode::kBadInput) << status;
    EXPECT_THAT(status.message(), StartsWith("m.onnx: "));
  }
}

TEST(LoadGraph, ATruncatedModelIsRefused) {
  const std::string bytes = read_file("tests/goldens/pack_a/models/DWPose/dw-ll_ucoco_384.onnx");
  for (const double part : {0.1, 0.5, 0.999}) {
    const auto size = static_cast<std::size_t>(part * static_cast<double>(bytes.size()));
    EXPECT_EQ(parse_graph(std::string_view(bytes).substr(0, size), "m.onnx").status().code(),
              StatusCode::kBadInput);
  }
}

TEST(LoadGraph, WeightsInOtherFilesAreRefusedWithTheRemedy) {
  ModelBuilder model = doubling_model();
  auto* tensor = model.proto().mutable_graph()->mutable_initializer(0);
  tensor->clear_float_data();
  tensor->set_data_location(::onnx::TensorProto::EXTERNAL);
  const Status status = refusal(model);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(),
              StartsWith("m.onnx: tensor 'two': keeps its data in another file; export"));
}

TEST(LoadGraph, ATensorWhoseBytesDoNotFillItsShapeIsRefused) {
  ModelBuilder model = doubling_model();
  model.proto().mutable_graph()->mutable_initializer(0)->set_dims(0, 1000);
  EXPECT_THAT(refusal(model).message(), HasSubstr("holds 4 bytes where its shape needs 4000"));
}

TEST(LoadGraph, AShapeThatOverflowsIsRefused) {
  ModelBuilder model = doubling_model();
  auto* tensor = model.proto().mutable_graph()->mutable_initializer(0);
  for (int i = 0; i < 4; ++i) tensor->add_dims(std::int64_t{1} << 40);
  EXPECT_THAT(refusal(model).message(), HasSubstr("larger than any memory"));
  tensor->set_dims(0, -1);
  EXPECT_THAT(refusal(model).message(), HasSubstr("negative dimension"));
}

TEST(LoadGraph, ANodeThatUsesALaterValueIsRefused) {
  ModelBuilder model;
  model.input("x", {1}).node("Relu", {"z"}, {"y"}).node("Relu", {"x"}, {"z"}).output("y");
  EXPECT_THAT(refusal(model).message(),
              HasSubstr("node 'Relu_y' (Relu, opset 11) uses 'z' before"));
}

TEST(LoadGraph, AValueThatIsDefinedTwiceIsRefused) {
  ModelBuilder model = doubling_model();
  model.node("Relu", {"x"}, {"y"});
  EXPECT_THAT(refusal(model).message(), HasSubstr("value 'y' is defined twice"));
}

TEST(LoadGraph, OperatorsOfOtherDomainsAreRefusedByName) {
  ModelBuilder model = doubling_model();
  model.proto().mutable_graph()->mutable_node(0)->set_domain("mmdeploy");
  const Status status = refusal(model);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("operator 'mmdeploy.Mul' is not implemented"));
}

TEST(LoadGraph, UnknownOperatorSetsAreRefused) {
  ModelBuilder model(99);
  model.input("x", {1}).node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_EQ(refusal(model).message(),
            "m.onnx: uses operator set 99; export it with one from 1 to 18");
}

TEST(LoadGraph, SubgraphsAreRefused) {
  ModelBuilder model = doubling_model();
  auto* attribute = model.proto().mutable_graph()->mutable_node(0)->add_attribute();
  attribute->set_name("body");
  attribute->set_type(::onnx::AttributeProto::GRAPH);
  EXPECT_EQ(refusal(model).code(), StatusCode::kUnsupported);
}

TEST(LoadGraph, LimitsHold) {
  EXPECT_EQ(refusal(doubling_model(), {.file_bytes = 10}).code(), StatusCode::kBadInput);
  EXPECT_EQ(refusal(doubling_model(), {.nodes = 0}).code(), StatusCode::kBadInput);
  EXPECT_EQ(refusal(doubling_model(), {.edges_per_node = 1}).code(), StatusCode::kBadInput);
  EXPECT_EQ(refusal(doubling_model(), {.rank = 1}).code(), StatusCode::kBadInput);
}

TEST(LoadGraph, NamesInMessagesStayOnOneLine) {
  EXPECT_EQ(printable("a\nb\x1b[31m"), "a?b?[31m");
  EXPECT_EQ(printable(std::string(1000, 'x')).size(), 103U);
}

}  // namespace
}  // namespace mimicfleet::onnx
