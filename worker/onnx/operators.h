#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "common/status.h"
#include "worker/onnx/graph.h"

// The operators that run here. A kernel gets inputs whose number and attributes whose names and
// types have been checked; shapes and values are its own business. LibTorch's exceptions are caught
// by the caller.
namespace mimicfleet::onnx {

using Tensors = std::vector<at::Tensor>;
using Ints = std::vector<std::int64_t>;

// Elements that one result may have: a small file must not ask for all memory.
inline constexpr std::int64_t kMostElements = std::int64_t{1} << 31;

// Where a result goes that is only read to be joined with others along the channels: into the
// joined image, which the first of them makes.
struct Part {
  at::Tensor* joined;
  std::int64_t first_channel;
  std::int64_t all_channels;
};

// One run of a node.
struct OpCall {
  const Node& node;
  int opset;
  // Items stacked along axis 0 of the inputs. Sizes that the graph itself holds are those of one
  // item.
  std::int64_t batch = 1;
  Tensors inputs;              // undefined where an optional input is absent
  std::optional<Part> part{};  // which a convolution may use or not

  [[nodiscard]] bool has(std::size_t input) const {
    return input < inputs.size() && inputs[input].defined();
  }
  [[nodiscard]] bool has_attribute(std::string_view name) const;
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  [[nodiscard]] double number(std::string_view name, double otherwise) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view otherwise) const;
  [[nodiscard]] Ints integers(std::string_view name) const;  // empty if absent
  [[nodiscard]] std::vector<float> numbers(std::string_view name) const;

  [[nodiscard]] Ints read_ints(std::size_t input) const;  // the values of an integer tensor
  [[nodiscard]] std::vector<double> read_numbers(std::size_t input) const;

  // True if nothing else sees the input's memory, so that it may be overwritten.
  [[nodiscard]] bool may_overwrite(std::size_t input) const;
};

using Kernel = Result<Tensors> (*)(OpCall& call);

// Whether running the node on items stacked along axis 0 gives the stacked results of running it on
// each. `stacked[i]`: input i has one item along axis 0 (and has rank >= 1); the others are the
// same for all items. The inputs' shapes are those of one item. That no stacked input is read on
// the host, and that every result keeps one item along axis 0, is checked elsewhere.
using BatchRule = bool (*)(const OpCall& call, const std::vector<bool>& stacked);

struct Operator {
  std::string_view name;
  Kernel kernel;
  std::size_t fewest_inputs;
  std::size_t most_inputs;
  // "pads:I axis:i": names and kinds (i int, f float, s string, t tensor; capitals are lists) it
  // understands.
  std::string_view attributes;
  BatchRule batch_rule;
  // Inputs read as values by the host (bit i: input i), such as Reshape's target.
  unsigned host_inputs = 0;
};

// Not ONNX's: what fuse() puts in place of several.
inline constexpr std::string_view kSilu = "mimicfleet.Silu";  // x * Sigmoid(x)
// silu(Conv(x, weight, bias)) + residual, which may be absent.
inline constexpr std::string_view kFinishedConv = "mimicfleet.Conv";

[[nodiscard]] const Operator* find_operator(std::string_view name);
[[nodiscard]] std::vector<std::string_view> operator_names();

// kUnsupported if the operator or an attribute is unknown, kBadInput if it is misused.
[[nodiscard]] Status check_node(const Graph& graph, const Node& node);

// For kernels
// ------------------------------------------------------------------------------------------------------

inline constexpr unsigned host(std::initializer_list<unsigned> inputs) {
  unsigned bits = 0;
  for (const unsigned input : inputs) bits |= 1U << input;
  return bits;
}
inline constexpr std::size_t kAnyNumber = 4096;

[[nodiscard]] inline Result<Tensors> one(at::Tensor tensor) { return Tensors{std::move(tensor)}; }
[[nodiscard]] Status bad_node(std::string why);
[[nodiscard]] Status not_implemented(std::string why);

// `axis` counted from the front. kBadInput if it is outside of [-rank, rank).
[[nodiscard]] Result<std::int64_t> normal_axis(std::int64_t axis, std::int64_t rank);
[[nodiscard]] Result<Ints> normal_axes(Ints axes, std::int64_t rank);

// kBadInput if a result of this shape would be negative or larger than kMostElements.
[[nodiscard]] Status check_shape(at::IntArrayRef shape);

[[nodiscard]] at::ScalarType scalar_type(DataType type);
[[nodiscard]] at::Tensor to_tensor(const TensorData& data);  // on the CPU

// Batch rules that several operators share.
[[nodiscard]] bool never_stacks(const OpCall& call, const std::vector<bool>& stacked);
[[nodiscard]] bool stacks_elementwise(const OpCall& call, const std::vector<bool>& stacked);
[[nodiscard]] bool stacks_first_input(const OpCall& call, const std::vector<bool>& stacked);

// The tables, one for each source of kernels.
[[nodiscard]] std::span<const Operator> elementwise_operators();
[[nodiscard]] std::span<const Operator> shape_operators();
[[nodiscard]] std::span<const Operator> index_operators();
[[nodiscard]] std::span<const Operator> constant_operators();
[[nodiscard]] std::span<const Operator> reduce_operators();
[[nodiscard]] std::span<const Operator> linear_operators();
[[nodiscard]] std::span<const Operator> pool_operators();
[[nodiscard]] std::span<const Operator> resize_operators();

}  // namespace mimicfleet::onnx
