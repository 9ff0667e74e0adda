#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mimicfleet::onnx {

// Numbers in [low, high) from splitmix64, bit for bit those of tools/onnx/make_pose_nets.py:
// formula().
[[nodiscard]] std::vector<float> formula(std::size_t count, std::uint64_t seed, double low,
                                         double high);

// A model whose tensors with a doc_string "formula SEED LOW HIGH" have their data filled in.
[[nodiscard]] std::string with_formula_weights(std::string_view model);

}  // namespace mimicfleet::onnx
