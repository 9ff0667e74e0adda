#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "common/status.h"
#include "worker/onnx/graph.h"

namespace mimicfleet::onnx {

struct Program;

// Runs an ONNX graph with LibTorch. One call at a time.
class Session {
 public:
  [[nodiscard]] static Result<Session> load(const std::string& path, at::Device device);
  [[nodiscard]] static Result<Session> create(Graph graph, at::Device device);

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  [[nodiscard]] const std::vector<GraphInput>& inputs() const;
  [[nodiscard]] std::string input_name(std::size_t input) const;
  [[nodiscard]] std::size_t output_count() const;

  // The outputs for these inputs, in the graph's order. kInvalidArgument if types or shapes are not
  // those that the graph declares; kBadInput and kUnsupported name the node that failed.
  [[nodiscard]] Result<std::vector<at::Tensor>> run(const std::vector<at::Tensor>& inputs);

  // The same for n items at once: every input has n items along axis 0, and so has every output,
  // whatever batch the graph was exported with. Items are independent of each other. The graph runs
  // once for all items if every step provably allows it for items of this shape, otherwise once for
  // each. The first call with n > 1 for a shape runs one item more to find that out, unless a call
  // with n = 1 did.
  [[nodiscard]] Result<std::vector<at::Tensor>> run_batch(const std::vector<at::Tensor>& inputs);

  // Why run_batch() takes the items of the last call one by one; empty if it does not.
  [[nodiscard]] const std::string& batch_obstacle() const { return batch_obstacle_; }

 private:
  // What is known about items of one shape.
  struct Stacking {
    std::string obstacle;
    std::vector<bool>
        steps;  // those that work on stacked items; the others are the same for every item
  };
  class Execution;

  explicit Session(std::unique_ptr<const Program> program);
  [[nodiscard]] Status check_inputs(const std::vector<at::Tensor>& inputs, bool any_batch) const;

  std::unique_ptr<const Program> program_;
  std::map<std::vector<std::vector<std::int64_t>>, Stacking>
      stackings_;  // by the shapes of one item
  std::string batch_obstacle_;
};

}  // namespace mimicfleet::onnx
