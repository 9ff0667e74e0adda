#include "worker/models/svd/scheduler.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/randn.h>

#include "worker/models/nn/model_config.h"

namespace mimicfleet::svd {
namespace {

constexpr double kKarrasRho = 7.0;

// Karras et al. 2022, equation 5: `ramp` 0 gives sigma_max, 1 gives sigma_min.
double karras_sigma(double ramp, double sigma_min, double sigma_max, double rho) {
  const double min_root = std::pow(sigma_min, 1 / rho);
  const double max_root = std::pow(sigma_max, 1 / rho);
  return std::pow(max_root + ramp * (min_root - max_root), rho);
}

// The original's scalars are float32 tensors without dimensions; so are these sums.
float root_of_square_plus(float sigma, float square) { return std::sqrt(sigma * sigma + square); }

// diffusers v0.27.0, schedulers/scheduling_euler_discrete.py: step, with s_churn = 0
class EulerScheduler : public Scheduler {
 public:
  EulerScheduler(std::vector<float> sigmas, std::vector<double> timesteps)
      : Scheduler(std::move(sigmas), std::move(timesteps)) {}

  at::Tensor scale_model_input(const at::Tensor& sample, int step) const override {
    return sample / root_of_square_plus(sigmas_[step], 1);
  }

  at::Tensor step(const at::Tensor& model_output, int step, const at::Tensor& sample,
                  at::Generator& /*generator*/) const override {
    const float sigma = sigmas_[step];
    const at::Tensor denoised =
        model_output * (-sigma / root_of_square_plus(sigma, 1)) + sample / (sigma * sigma + 1);
    const at::Tensor derivative = (sample - denoised) / sigma;
    return sample + derivative * (sigmas_[step + 1] - sigma);
  }
};

// UniSignMimicTurbo, mimicmotion/lcm_scheduler.py: step
class LcmScheduler : public Scheduler {
 public:
  LcmScheduler(const LcmConfig& config, std::vector<float> sigmas, std::vector<double> timesteps)
      : Scheduler(std::move(sigmas), std::move(timesteps)), config_(config) {}

  at::Tensor scale_model_input(const at::Tensor& sample, int step) const override {
    return sample / root_of_square_plus(sigmas_[step], data_variance());
  }

  at::Tensor step(const at::Tensor& model_output, int step, const at::Tensor& sample,
                  at::Generator& generator) const override {
    const float sigma = sigmas_[step];
    const float skip = data_variance() / (sigma * sigma + data_variance());
    const float out = -sigma * static_cast<float>(config_.sigma_data) /
                      root_of_square_plus(sigma, data_variance());
    at::Tensor denoised = out * model_output + skip * sample;
    if (config_.clip_denoised) denoised = denoised.clamp(-1, 1);
    const float next = std::clamp(sigmas_[step + 1], 0.0F, static_cast<float>(config_.sigma_max));
    if (next == 0) return denoised;  // the original draws noise here too and multiplies it by 0
    const at::Tensor noise =
        at::randn(sample.sizes(), generator, at::TensorOptions().dtype(at::kFloat));
    return denoised + noise.to(sample.device()) * config_.s_noise * next;
  }

 private:
  [[nodiscard]] float data_variance() const {
    return static_cast<float>(config_.sigma_data * config_.sigma_data);
  }

  LcmConfig config_;
};

Status check_steps(int steps) {
  if (steps >= 1) return {};
  return {StatusCode::kInvalidArgument,
          "steps: " + std::to_string(steps) + " is too few; give at least 1"};
}

}  // namespace

float Scheduler::init_noise_sigma() const { return root_of_square_plus(sigmas_.front(), 1); }

Result<std::unique_ptr<Scheduler>> make_euler(const EulerConfig& config, int steps) {
  RETURN_IF_ERROR(check_steps(steps));
  std::vector<float> sigmas;
  std::vector<double> timesteps;
  for (int i = 0; i < steps; ++i) {
    const double ramp = steps == 1 ? 0.0 : static_cast<double>(i) / (steps - 1);
    sigmas.push_back(
        static_cast<float>(karras_sigma(ramp, config.sigma_min, config.sigma_max, kKarrasRho)));
    timesteps.push_back(0.25F * std::log(sigmas.back()));
  }
  sigmas.push_back(0);
  return std::unique_ptr<Scheduler>(
      std::make_unique<EulerScheduler>(std::move(sigmas), std::move(timesteps)));
}

Result<std::unique_ptr<Scheduler>> make_lcm(const LcmConfig& config, int steps) {
  RETURN_IF_ERROR(check_steps(steps));
  if (steps > config.train_timesteps) {
    return Status(StatusCode::kInvalidArgument,
                  "steps: " + std::to_string(steps) +
                      " is too many for the lcm scheduler; give at most " +
                      std::to_string(config.train_timesteps));
  }
  const int stride = config.train_timesteps / steps;
  std::vector<float> sigmas;
  std::vector<double> timesteps;
  for (int i = 0; i < steps; ++i) {
    const double ramp = static_cast<double>(i * stride) / (config.train_timesteps - 1);
    const double sigma = karras_sigma(ramp, config.sigma_min, config.sigma_max, config.rho);
    sigmas.push_back(static_cast<float>(sigma));
    timesteps.push_back(0.25 * std::log(sigma));
  }
  sigmas.push_back(0);
  return std::unique_ptr<Scheduler>(
      std::make_unique<LcmScheduler>(config, std::move(sigmas), std::move(timesteps)));
}

Result<EulerConfig> read_euler_config(const std::string& path) {
  ASSIGN_OR_RETURN(const auto config, nn::ModelConfig::read(path));
  const std::pair<std::string_view, wire::Value> required[] = {
      {"prediction_type", std::string("v_prediction")},
      {"timestep_type", std::string("continuous")},
      {"use_karras_sigmas", true},
      {"interpolation_type", std::string("linear")},
      {"timestep_spacing", std::string("leading")}};
  for (const auto& [key, value] : required) RETURN_IF_ERROR(config.expect(key, value));
  EulerConfig euler;
  ASSIGN_OR_RETURN(euler.sigma_min, config.number("sigma_min", 1e-6, 1));
  ASSIGN_OR_RETURN(euler.sigma_max, config.number("sigma_max", 1, 1e6));
  return euler;
}

}  // namespace mimicfleet::svd
