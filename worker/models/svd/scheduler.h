#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "common/status.h"

namespace mimicfleet::svd {

enum class SchedulerKind { kEuler, kLcm };

// diffusers' EulerDiscreteScheduler as Stable Video Diffusion configures it: v-prediction, Karras
// sigmas, continuous time steps. (Karras et al. 2022, https://arxiv.org/abs/2206.00364)
struct EulerConfig {
  double sigma_min = 0.002;
  double sigma_max = 700.0;
};

// scheduler_config.json. Values that this build does not compute are kUnsupported, naming the key.
[[nodiscard]] Result<EulerConfig> read_euler_config(const std::string& path);

// The AnimateLCM stochastic iterative scheduler with the constants of the original's command line.
// It ends each step but the last with fresh noise.
struct LcmConfig {
  int train_timesteps = 40;
  double sigma_min = 0.002;
  double sigma_max = 700.0;
  double sigma_data = 1.0;
  double s_noise = 1.0;
  double rho = 7.0;
  bool clip_denoised = false;
};

// Where a sampler stands between noise and picture. Sigmas and time steps live on the host as
// float32, as in the original; tensors stay on their device.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  [[nodiscard]] const std::vector<float>& sigmas() const {
    return sigmas_;
  }  // steps + 1, the last is 0
  [[nodiscard]] const std::vector<double>& timesteps() const {
    return timesteps_;
  }  // 0.25 ln(sigma)
  [[nodiscard]] int steps() const { return static_cast<int>(timesteps_.size()); }

  // What the first noise is multiplied by: sqrt(sigma_max^2 + 1).
  [[nodiscard]] float init_noise_sigma() const;

  // The model's view of `sample` at `step`.
  [[nodiscard]] virtual at::Tensor scale_model_input(const at::Tensor& sample, int step) const = 0;

  // The sample after `step` (0-based); all tensors are float32 of one shape. `generator` lives on
  // the CPU; a scheduler that needs noise draws it there, so that every device gets the same.
  [[nodiscard]] virtual at::Tensor step(const at::Tensor& model_output, int step,
                                        const at::Tensor& sample,
                                        at::Generator& generator) const = 0;

 protected:
  Scheduler(std::vector<float> sigmas, std::vector<double> timesteps)
      : sigmas_(std::move(sigmas)), timesteps_(std::move(timesteps)) {}

  std::vector<float> sigmas_;
  std::vector<double> timesteps_;
};

// kInvalidArgument if steps < 1 or, for LCM, more than it was trained for.
[[nodiscard]] Result<std::unique_ptr<Scheduler>> make_euler(const EulerConfig& config, int steps);
[[nodiscard]] Result<std::unique_ptr<Scheduler>> make_lcm(const LcmConfig& config, int steps);

}  // namespace mimicfleet::svd
