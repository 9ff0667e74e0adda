#include "worker/onnx/session.h"

#include <string>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/paths.h"
#include "tests/worker/onnx/model_builder.h"
#include "worker/onnx/load_graph.h"
#include "worker/onnx/operators.h"
#include "worker/onnx/program.h"

namespace mimicfleet::onnx {
namespace {

using testing::HasSubstr;

Result<Session> session_of(const ModelBuilder& model) {
  ASSIGN_OR_RETURN(Graph graph, parse_graph(model.bytes(), "m.onnx"));
  return Session::create(std::move(graph), at::kCPU);
}

at::Tensor counting(at::IntArrayRef shape) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) count *= dim;
  return at::arange(count, at::kFloat).view(shape) / 7 - 1;
}

// The graph's first output, run once.
at::Tensor run_once(const ModelBuilder& model, const std::vector<at::Tensor>& inputs) {
  auto session = session_of(model);
  EXPECT_TRUE(session.ok()) << session.status();
  auto outputs = session->run(inputs);
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs->at(0);
}

void expect_close(const at::Tensor& actual, const at::Tensor& expected) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_TRUE(at::allclose(actual, expected, 1e-5, 1e-6));
}

TEST(Session, AnUnknownOperatorIsNamedWithFileNodeAndOperatorSet) {
  ModelBuilder model;
  model.input("x", {1}).node("Mish", {"x"}, {"y"}).output("y");
  const Status status = session_of(model).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_EQ(status.message(),
            "m.onnx: node 'Mish_y' (Mish, opset 11): this operator is not implemented");
}

TEST(Session, AnUnknownAttributeIsNamed) {
  ModelBuilder model;
  model.input("x", {1}).node("Relu", {"x"}, {"y"}).number("slope", 0.1F).output("y");
  const Status status = session_of(model).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("its attribute 'slope' is not implemented"));
}

TEST(Session, AnAttributeOfTheWrongTypeIsRefused) {
  ModelBuilder model;
  model.input("x", {1, 1}).node("Flatten", {"x"}, {"y"}).number("axis", 0.5F).output("y");
  EXPECT_THAT(session_of(model).status().message(),
              HasSubstr("its attribute 'axis' has the wrong type"));
}

TEST(Session, WeightsThatAreNoNumbersAreRefused) {
  ModelBuilder model;
  model.input("x", {1})
      .floats("w", {2}, {1, std::nanf("")})
      .node("Add", {"x", "w"}, {"y"})
      .output("y");
  const Status status = session_of(model).status();
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_EQ(status.message(), "m.onnx: tensor 'w' holds NaN; the file is damaged, get it again");
}

TEST(Session, MissingInputsOfANodeAreRefused) {
  ModelBuilder model;
  model.input("x", {1}).node("Add", {"x", ""}, {"y"}).output("y");
  EXPECT_THAT(session_of(model).status().message(), HasSubstr("lacks its input 1"));
}

TEST(Session, InputsThatTheGraphDoesNotDeclareAreRefused) {
  ModelBuilder model;
  model.input("x", {1, 3}).node("Relu", {"x"}, {"y"}).output("y");
  auto session = session_of(model);
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session->run({}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(session->run({at::zeros({1, 4})}).status().message(),
              HasSubstr("input 'x' does not have the shape"));
  EXPECT_THAT(session->run({at::zeros({1, 3}, at::kDouble)}).status().message(),
              HasSubstr("has to be float"));
}

TEST(Session, AFailureInsideLibTorchNamesTheNode) {
  ModelBuilder model;
  model.input("a", {-1}).input("b", {-1}).node("Add", {"a", "b"}, {"y"}).output("y");
  auto session = session_of(model);
  ASSERT_TRUE(session.ok());
  const Status status = session->run({at::zeros({2}), at::zeros({3})}).status();
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), HasSubstr("m.onnx: node 'Add_y' (Add, opset 11): "));
}

TEST(Session, ASmallFileCannotAskForAllMemory) {
  const std::int64_t huge = std::int64_t{1} << 40;
  ModelBuilder of_shape;
  of_shape.input("x", {1})
      .ints("n", {huge, 4})
      .node("ConstantOfShape", {"n"}, {"z"})
      .node("Add", {"x", "z"}, {"y"});
  EXPECT_THAT(session_of(of_shape.output("y")).status().message(), HasSubstr("more than"));
  ModelBuilder tiled;
  tiled.input("x", {2}).ints("n", {huge}).node("Tile", {"x", "n"}, {"y"}).output("y");
  EXPECT_THAT(session_of(tiled)->run({at::zeros({2})}).status().message(), HasSubstr("more than"));
  ModelBuilder expanded;
  expanded.input("x", {1}).ints("n", {huge}).node("Expand", {"x", "n"}, {"y"}).output("y");
  EXPECT_THAT(session_of(expanded)->run({at::zeros({1})}).status().message(),
              HasSubstr("more than"));
}

TEST(Session, InputsOfTheCallerAreNeverOverwritten) {
  ModelBuilder model;
  model.input("x", {3}).node("Relu", {"x"}, {"r"}).node("Add", {"r", "x"}, {"y"}).output("y");
  const at::Tensor x = at::tensor({-1.0F, 0.0F, 2.0F});
  expect_close(run_once(model, {x}), at::tensor({-1.0F, 0.0F, 4.0F}));
  expect_close(x, at::tensor({-1.0F, 0.0F, 2.0F}));
}

TEST(Session, AViewOfALivingValueIsNotOverwritten) {
  ModelBuilder model;
  model.input("x", {1, 4})
      .ints("shape", {2, 2})
      .node("Neg", {"x"}, {"n"})
      .node("Reshape", {"n", "shape"}, {"v"});
  model.node("Relu", {"v"}, {"r"})
      .node("Reshape", {"r", "shape"}, {"rv"})
      .node("Reshape", {"n", "shape"}, {"nv"});
  model.node("Add", {"rv", "nv"}, {"y"}).output("y");
  expect_close(run_once(model, {at::tensor({1.0F, -2.0F, 3.0F, -4.0F}).view({1, 4})}),
               at::tensor({-1.0F, 4.0F, -3.0F, 8.0F}).view({2, 2}));
}

TEST(Session, ANormAfterAConvolutionGivesTheSameInsideOfIt) {
  const auto build = [](bool norm_is_output) {
    ModelBuilder model;
    model.input("x", {1, 1, 3, 3}).floats("w", {2, 1, 1, 1}, {2, -1}).floats("b", {2}, {0.5F, 0});
    model.floats("scale", {2}, {1.5F, 2})
        .floats("shift", {2}, {-1, 3})
        .floats("mean", {2}, {0.25F, -1});
    model.floats("var", {2}, {4, 0.5F}).node("Conv", {"x", "w", "b"}, {"c"});
    model.node("BatchNormalization", {"c", "scale", "shift", "mean", "var"}, {"y"})
        .number("epsilon", 0.01F);
    model.output("y");
    if (norm_is_output) model.output("c");  // a second use: the norm stays a step of its own
    return model;
  };
  const at::Tensor x = counting({1, 1, 3, 3});
  expect_close(run_once(build(false), {x}), run_once(build(true), {x}));
}

TEST(Session, XTimesItsSigmoidIsSilu) {
  for (const bool gate_first : {false, true}) {
    ModelBuilder model;
    model.input("x", {5}).node("Sigmoid", {"x"}, {"s"});
    model.node("Mul",
               gate_first ? std::vector<std::string>{"s", "x"} : std::vector<std::string>{"x", "s"},
               {"y"});
    model.output("y");
    const at::Tensor x = counting({5});
    expect_close(run_once(model, {x}), at::silu(x));
  }
}

TEST(Session, ASigmoidThatIsUsedTwiceStays) {
  ModelBuilder model;
  model.input("x", {5})
      .node("Sigmoid", {"x"}, {"s"})
      .node("Mul", {"x", "s"}, {"m"})
      .node("Add", {"m", "s"}, {"y"});
  const at::Tensor x = counting({5});
  expect_close(run_once(model.output("y"), {x}), x * x.sigmoid() + x.sigmoid());
}

// The names of the steps that the graph becomes.
std::vector<std::string> steps_of(const ModelBuilder& model) {
  auto graph = parse_graph(model.bytes(), "m.onnx");
  EXPECT_TRUE(graph.ok()) << graph.status();
  const auto program = compile(std::move(graph).value(), at::kCPU);
  EXPECT_TRUE(program.ok()) << program.status();
  std::vector<std::string> names;
  for (const Step& step : program->steps) names.emplace_back(step.op->name);
  return names;
}

// x + SiLU(Conv(x)), the sum either way round; what is computed in between may be outputs, too.
ModelBuilder residual_block(bool residual_first, const std::vector<std::string>& more_outputs) {
  ModelBuilder model;
  model.input("x", {1, 2, 3, 3})
      .floats("w", {2, 2, 1, 1}, {2, -1, 0.5F, 1})
      .floats("b", {2}, {0.5F, -1});
  model.node("Conv", {"x", "w", "b"}, {"c"})
      .node("Sigmoid", {"c"}, {"s"})
      .node("Mul", {"c", "s"}, {"m"});
  model.node(
      "Add",
      residual_first ? std::vector<std::string>{"x", "m"} : std::vector<std::string>{"m", "x"},
      {"y"});
  model.output("y");
  for (const auto& name : more_outputs) model.output(name);
  return model;
}

TEST(Session, SiluAndASumAfterAConvolutionAreOneStepWithTheSameBits) {
  const at::Tensor x = counting({1, 2, 3, 3});
  for (const bool residual_first : {false, true}) {
    const ModelBuilder together = residual_block(residual_first, {});
    const ModelBuilder apart = residual_block(residual_first, {"c", "m"});
    EXPECT_THAT(steps_of(together), testing::ElementsAre("mimicfleet.Conv"));
    EXPECT_THAT(steps_of(apart), testing::ElementsAre("Conv", "mimicfleet.Silu", "Add"));
    EXPECT_THAT(steps_of(residual_block(residual_first, {"m"})),
                testing::ElementsAre("mimicfleet.Conv", "Add"));
    EXPECT_TRUE(run_once(together, {x}).equal(run_once(apart, {x})));
  }
}

TEST(Session, ASumThatSpreadsOverAConvolutionsResultStaysRight) {
  ModelBuilder model;
  model.input("x", {1, 1, 2, 2})
      .floats("w", {1, 1, 1, 1}, {1})
      .floats("wide", {1, 3, 1, 1}, {1, 2, 3});
  model.node("Conv", {"x", "w"}, {"c"})
      .node("Sigmoid", {"c"}, {"s"})
      .node("Mul", {"c", "s"}, {"m"});
  model.node("Add", {"m", "wide"}, {"y"}).output("y");
  const at::Tensor x = counting({1, 1, 2, 2});
  expect_close(run_once(model, {x}),
               at::silu(x) + at::tensor({1.0F, 2.0F, 3.0F}).view({1, 3, 1, 1}));
}

// Pools of one image with ever larger windows, as a spatial pyramid has them, and what each of them
// gives.
TEST(Session, ALargerPoolContinuesFromASmallerOneWithTheSameBits) {
  const auto pool = [](ModelBuilder& model, std::int64_t window, const std::string& name) {
    model.node("MaxPool", {"x"}, {name})
        .integers("kernel_shape", {window, window})
        .integers("strides", {1, 1});
    model.integers("pads", std::vector<std::int64_t>(4, window / 2)).output(name);
  };
  ModelBuilder pyramid;
  pyramid.input("x", {1, 2, 20, 14});
  for (const std::int64_t window : {5, 9, 13}) pool(pyramid, window, "y" + std::to_string(window));
  at::Tensor x = at::rand({1, 2, 20, 14}, at::make_generator<at::CPUGeneratorImpl>(1)) - 2;
  auto session = session_of(pyramid);
  ASSERT_TRUE(session.ok()) << session.status();
  const auto outputs = session->run({x});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  for (int i = 0; i < 3; ++i) {
    ModelBuilder alone;
    pool(alone.input("x", {1, 2, 20, 14}), 5 + 4 * i, "y");
    EXPECT_TRUE(outputs->at(i).equal(run_once(alone, {x}))) << i;
  }
  auto graph = parse_graph(pyramid.bytes(), "m.onnx");
  const auto program = compile(std::move(graph).value(), at::kCPU);
  ASSERT_TRUE(program.ok()) << program.status();
  for (const Step& step : program->steps) {
    EXPECT_EQ(std::get<Ints>(step.node.attributes.at("kernel_shape")), (Ints{5, 5}));
  }
}

// LibTorch turns an image into the layout that it takes the filters to have, and back at the next
// step.
TEST(Session, ImagesKeepTheirMemoryLayoutThroughFiltersOfAnySize) {
  ModelBuilder model;
  model.input("x", {1, 4, 6, 6}).floats("w3", {4, 4, 3, 3}, std::vector<float>(144, 0.1F));
  model.floats("w1", {4, 4, 1, 1}, std::vector<float>(16, 0.2F))
      .floats("w", {4, 1, 5, 5}, std::vector<float>(100));
  model.node("Conv", {"x", "w3"}, {"a"})
      .integers("pads", {1, 1, 1, 1})
      .node("Conv", {"a", "w1"}, {"b"});
  model.node("Conv", {"b", "w"}, {"c"}).integers("pads", {2, 2, 2, 2}).integer("group", 4);
  model.node("Conv", {"c", "w3"}, {"d"}).integers("pads", {1, 1, 1, 1});
  for (const char* name : {"a", "b", "c", "d"}) model.output(name);
  auto session = session_of(model);
  ASSERT_TRUE(session.ok()) << session.status();
  const auto outputs = session->run({counting({1, 4, 6, 6})});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  for (const at::Tensor& output : *outputs) {
    EXPECT_EQ(output.suggest_memory_format(), at::MemoryFormat::ChannelsLast);
  }
}

// Forms of operators that ONNX's current node tests no longer have.
TEST(OldOperatorSets, AxesMayBeAttributes) {
  const at::Tensor x = counting({1, 2, 3});
  ModelBuilder squeeze(11);
  squeeze.input("x", {1, 2, 3}).node("Squeeze", {"x"}, {"y"}).integers("axes", {0}).output("y");
  expect_close(run_once(squeeze, {x}), x[0]);
  ModelBuilder unsqueeze(11);
  unsqueeze.input("x", {1, 2, 3})
      .node("Unsqueeze", {"x"}, {"y"})
      .integers("axes", {0, 4})
      .output("y");
  expect_close(run_once(unsqueeze, {x}), x.unsqueeze(0).unsqueeze(4));
  ModelBuilder mean(11);
  mean.input("x", {1, 2, 3})
      .node("ReduceMean", {"x"}, {"y"})
      .integers("axes", {-1})
      .integer("keepdims", 0);
  expect_close(run_once(mean.output("y"), {x}), x.mean(-1));
}

TEST(OldOperatorSets, SplitSizesMayBeAnAttribute) {
  ModelBuilder model(11);
  model.input("x", {1, 5})
      .node("Split", {"x"}, {"a", "b"})
      .integer("axis", 1)
      .integers("split", {2, 3});
  const at::Tensor x = counting({1, 5});
  expect_close(run_once(model.output("b"), {x}), x.slice(1, 2));
}

TEST(OldOperatorSets, SliceBoundsMayBeAttributes) {
  ModelBuilder model(9);
  model.input("x", {4, 4})
      .node("Slice", {"x"}, {"y"})
      .integers("starts", {1, -2})
      .integers("ends", {3, 100});
  const at::Tensor x = counting({4, 4});
  expect_close(run_once(model.output("y"), {x}), x.slice(0, 1, 3).slice(1, 2, 4));
}

TEST(OldOperatorSets, ClipBoundsMayBeAttributes) {
  ModelBuilder model(6);
  model.input("x", {3})
      .node("Clip", {"x"}, {"y"})
      .number("min", -1.0F)
      .number("max", 1.0F)
      .output("y");
  expect_close(run_once(model, {at::tensor({-3.0F, 0.5F, 2.0F})}), at::tensor({-1.0F, 0.5F, 1.0F}));
}

TEST(OldOperatorSets, SoftmaxGoesOverAllFollowingAxes) {
  ModelBuilder model(11);
  model.input("x", {2, 3, 4}).node("Softmax", {"x"}, {"y"}).output("y");
  const at::Tensor x = counting({2, 3, 4});
  expect_close(run_once(model, {x}), x.view({2, 12}).softmax(1).view({2, 3, 4}));
}

TEST(OldOperatorSets, ResizeTenAndUpsampleRepeat) {
  const at::Tensor x = counting({1, 1, 2, 2});
  const at::Tensor repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3);
  ModelBuilder resize(10);
  resize.input("x", {1, 1, 2, 2})
      .floats("s", {4}, {1, 1, 2, 2})
      .node("Resize", {"x", "s"}, {"y"})
      .output("y");
  expect_close(run_once(resize, {x}), repeated);
  ModelBuilder upsample(7);
  upsample.input("x", {1, 1, 2, 2})
      .node("Upsample", {"x"}, {"y"})
      .numbers("scales", std::vector<float>{1, 1, 2, 2});
  expect_close(run_once(upsample.output("y"), {x}), repeated);
}

// Runs the graph on `x` at once and item by item; the outputs have to agree. Returns the obstacle
// to stacking.
std::string run_stacked(const ModelBuilder& model, const at::Tensor& x) {
  auto session = session_of(model);
  EXPECT_TRUE(session.ok()) << session.status();
  const auto together = session->run_batch({x});
  EXPECT_TRUE(together.ok()) << together.status();
  std::vector<at::Tensor> separate;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const auto outputs = session->run({x.narrow(0, i, 1)});
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    separate.push_back(outputs->at(0));
  }
  expect_close(together->at(0), at::cat(separate, 0));
  const auto again = session->run_batch({x});
  EXPECT_TRUE(again.ok());
  expect_close(again->at(0), together->at(0));
  return session->batch_obstacle();
}

TEST(Batches, AReshapeThatWasExportedForOneItemWorksForMany) {
  ModelBuilder model;
  model.input("x", {1, 2, 6}).ints("shape", {1, 3, -1}).node("Reshape", {"x", "shape"}, {"r"});
  model.node("Transpose", {"r"}, {"y"}).integers("perm", {0, 2, 1}).output("y");
  EXPECT_EQ(run_stacked(model, counting({5, 2, 6})), "");
}

TEST(Batches, AShapeThatTheGraphComputesIsThatOfOneItem) {
  ModelBuilder model;
  model.input("x", {1, 4, 3}).node("Shape", {"x"}, {"s"}).ints("zero", {0}).ints("rest", {-1});
  model.node("Gather", {"s", "zero"}, {"first"}).integer("axis", 0);
  model.node("Concat", {"first", "rest"}, {"target"}).integer("axis", 0);
  model.node("Reshape", {"x", "target"}, {"y"}).output("y");
  EXPECT_EQ(run_stacked(model, counting({3, 4, 3})), "");
}

TEST(Batches, ConstantsBroadcastOverTheItems) {
  ModelBuilder model;
  model.input("x", {1, 2, 3}).floats("row", {3}, {1, 2, 3}).floats("plane", {1, 2, 1}, {5, 7});
  model.node("Mul", {"x", "row"}, {"m"}).node("Add", {"plane", "m"}, {"y"}).output("y");
  EXPECT_EQ(run_stacked(model, counting({4, 2, 3})), "");
}

TEST(Batches, AConvolutionWithItsResidualStacks) {
  EXPECT_EQ(run_stacked(residual_block(true, {}), counting({4, 2, 3, 3})), "");
}

TEST(Batches, StepsThatMixItemsRunOnEachItem) {
  struct Case {
    ModelBuilder model;
    std::string operator_name;
  };
  std::vector<Case> cases;
  const auto add = [&](const std::string& op, auto&& build) {
    ModelBuilder model;
    model.input("x", {1, 2, 3});
    build(model);
    cases.push_back({model.output("y"), op});
  };
  add("ReduceMean", [](auto& m) { m.node("ReduceMean", {"x"}, {"y"}).integers("axes", {0}); });
  add("Transpose", [](auto& m) {
    m.node("Transpose", {"x"}, {"t"}).integers("perm", {1, 0, 2}).node("Transpose", {"t"}, {"y"});
    m.integers("perm", {1, 0, 2});
  });
  add("Softmax", [](auto& m) { m.node("Softmax", {"x"}, {"y"}).integer("axis", 0); });
  add("Concat", [](auto& m) {
    m.node("Concat", {"x", "x"}, {"c"})
        .integer("axis", 0)
        .node("ReduceSum", {"c"}, {"y"})
        .integers("axes", {0});
  });
  add("Squeeze", [](auto& m) {
    m.node("Squeeze", {"x"}, {"s"})
        .integers("axes", {0})
        .node("Unsqueeze", {"s"}, {"y"})
        .integers("axes", {0});
  });
  add("Add", [](auto& m) {
    m.floats("c", {2, 1, 1}, {1, 2}).node("Add", {"x", "c"}, {"a"});
    m.node("ReduceSum", {"a"}, {"y"}).integers("axes", {0});
  });
  for (const Case& test : cases) {
    SCOPED_TRACE(test.operator_name);
    EXPECT_THAT(run_stacked(test.model, counting({3, 2, 3})),
                HasSubstr("(" + test.operator_name + ", opset 11)"));
  }
}

TEST(Batches, AShapeThatDependsOnTheInputsValuesKeepsItemsApart) {
  ModelBuilder model(13);
  model.input("x", {1, 2}, ModelBuilder::kInt64)
      .ints("one", {1})
      .node("ReduceSum", {"x", "one"}, {"n"});
  model.node("Reshape", {"n", "one"}, {"size"}).node("Expand", {"x", "size"}, {"y"}).output("y");
  auto session = session_of(model);
  ASSERT_TRUE(session.ok()) << session.status();
  const at::Tensor x = at::tensor({1, 1, 0, 1, 2, 0}, at::kLong).view({3, 2});  // sums 2, 1, 2
  const auto outputs = session->run_batch({x});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(outputs->at(0).equal(x));
  EXPECT_THAT(session->batch_obstacle(), HasSubstr("Expand"));
}

TEST(Batches, AnEmptyBatchIsRefused) {
  ModelBuilder model;
  model.input("x", {1, 2}).node("Relu", {"x"}, {"y"}).output("y");
  EXPECT_EQ(session_of(model)->run_batch({at::zeros({0, 2})}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(Batches, TheGoldenNetsStack) {
  at::set_num_threads(1);
  for (const auto& [name, shape] :
       {std::pair<std::string, std::vector<std::int64_t>>{"yolox_l", {2, 3, 640, 640}},
        {"dw-ll_ucoco_384", {3, 3, 384, 288}}}) {
    SCOPED_TRACE(name);
    auto session = Session::load(
        source_path("tests/goldens/pack_a/models/DWPose/") + name + ".onnx", at::kCPU);
    ASSERT_TRUE(session.ok()) << session.status();
    const at::Tensor x = at::rand(shape, at::make_generator<at::CPUGeneratorImpl>(1)) * 100;
    const auto together = session->run_batch({x});
    ASSERT_TRUE(together.ok()) << together.status();
    EXPECT_EQ(session->batch_obstacle(), "");
    const auto second = session->run({x.narrow(0, 1, 1)});
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_TRUE(at::allclose(together->at(0).narrow(0, 1, 1), second->at(0), 1e-4, 1e-4));
  }
}

}  // namespace
}  // namespace mimicfleet::onnx
