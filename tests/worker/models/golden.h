#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <gtest/gtest.h>

#include "common/wire/value.h"
#include "worker/models/svd/pipeline.h"

namespace mimicfleet {

// The bound on every module in float32 on a CPU, as a part of the tensor's largest number.
inline constexpr double kModuleBound = 1e-4;

// A file below tests/goldens/pack_a.
[[nodiscard]] std::string golden_path(const std::string& name);

// The tensors of goldens/NAME.safetensors, which the original Python code made; see
// tests/goldens/README.md. Every comparison is a figure for `./dev parity`.
class Golden {
 public:
  explicit Golden(const std::string& name);

  [[nodiscard]] const at::Tensor& operator[](const std::string& tensor) const;
  [[nodiscard]] bool has(const std::string& tensor) const { return tensors_.contains(tensor); }
  [[nodiscard]] const std::string& metadata(const std::string& key) const {
    return metadata_.at(key);
  }

  // EXPECT_TRUE(golden.is_near("output", actual)): the largest difference is at most `bound` of the
  // golden's largest number.
  [[nodiscard]] testing::AssertionResult is_near(const std::string& tensor,
                                                 const at::Tensor& actual,
                                                 double bound = kModuleBound) const;
  // No number differs.
  [[nodiscard]] testing::AssertionResult is_equal(const std::string& tensor,
                                                  const at::Tensor& actual) const;
  // For what is measured otherwise: `largest` is at most `bound`; `measure` says what they count.
  [[nodiscard]] testing::AssertionResult is_within(const std::string& tensor,
                                                   const std::string& measure, double largest,
                                                   double bound) const;

 private:
  std::string file_;  // below tests/goldens
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, std::string, std::less<>> metadata_;
};

// goldens/NAME, a JSON file.
[[nodiscard]] wire::Value golden_json(const std::string& name);
[[nodiscard]] std::int64_t integer(const wire::Value& value);
[[nodiscard]] double number(const wire::Value& value);

// The largest difference, as a part of the largest expected number. Infinite if shapes differ.
[[nodiscard]] double relative_difference(const at::Tensor& actual, const at::Tensor& expected);

// Root of the mean square of the difference, relative to that of what is expected.
[[nodiscard]] double relative_rms(const at::Tensor& actual, const at::Tensor& expected);

// How many numbers differ; all of them if shapes differ.
[[nodiscard]] std::int64_t different_numbers(const at::Tensor& actual, const at::Tensor& expected);

// Decoded frames [n, 3, H, W] uint8 against a golden tensor of that form: at least 99.5 % of the
// pixels within 1 of 255, none beyond 3. `from` goes before what is measured.
struct FrameBounds {
  double part = 0.005;  // of the pixels, beyond 1 of 255
  double largest = 3;
};
// Where the detector and the pose estimator saw the video: a key point that is rounded the other
// way on another kind of CPU moves more.
inline constexpr FrameBounds kFromVideo{0.01, 5};
inline constexpr FrameBounds kSentenceFromVideo{0.03, 8};  // two clips and what lies between
void expect_golden_frames(const Golden& golden, const std::string& tensor, const at::Tensor& frames,
                          const std::string& from = {}, FrameBounds bounds = {});

// What conditions both passes of classifier-free guidance, of which the unconditional one has
// zeros.
[[nodiscard]] at::Tensor after_zeros(const at::Tensor& conditional);

// Where the tests of the models compute, see test_device_name(). Ends the test binary with its
// message if it cannot be opened.
[[nodiscard]] at::Device test_device();
[[nodiscard]] at::Tensor on_test_device(const at::Tensor& tensor);

// The golden pack's models, loaded once a test binary, in float32 on test_device().
[[nodiscard]] const svd::DiffusionModels& golden_models();
[[nodiscard]] const model_root::ModelFiles& golden_model_files();

// PNG files, absolute or below the pack, as [N, 3, H, W] uint8.
[[nodiscard]] at::Tensor read_pictures(const std::vector<std::string>& names);

}  // namespace mimicfleet
