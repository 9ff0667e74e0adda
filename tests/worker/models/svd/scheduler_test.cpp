#include "worker/models/svd/scheduler.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include "tests/parity/figures.h"
#include "tests/worker/models/golden.h"
#include "worker/models/svd/noise.h"

namespace mimicfleet::svd {
namespace {

using ::testing::HasSubstr;

// One of the three schedulers that the goldens have.
struct Case {
  std::string name;
  std::function<Result<std::unique_ptr<Scheduler>>(int steps)> make;
};

std::vector<Case> cases() {
  LcmConfig class_defaults;
  class_defaults.sigma_max = 80;
  class_defaults.sigma_data = 0.5;
  class_defaults.clip_denoised = true;
  return {{"euler", [](int steps) { return make_euler({}, steps); }},
          {"lcm", [](int steps) { return make_lcm({}, steps); }},
          {"lcm_sigma_data_0_5_clip", [=](int steps) { return make_lcm(class_defaults, steps); }}};
}

// The numbers of `actual` against the float64 ones of a table.
void expect_numbers(const std::string& part, const std::vector<double>& actual,
                    const wire::Value& expected) {
  const auto& numbers = *expected.get_if<wire::Array>();
  ASSERT_EQ(actual.size(), numbers.size()) << part;
  double largest = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    largest =
        std::max(largest, std::abs(actual[i] - number(numbers[i])) / std::max(1.0, actual[i]));
  EXPECT_TRUE(parity::within_bound({"pack_a/goldens/schedulers.json", part,
                                    "difference of a number, of it or of 1", largest, 5e-7}));
}

TEST(Scheduler, TablesAreTheOriginals) {
  const Golden golden("schedulers");
  const wire::Value tables = golden_json("schedulers.json");
  for (const auto& scheduler_case : cases()) {
    for (const int steps : {1, 2, 4, 8, 25}) {
      const std::string name = scheduler_case.name + "." + std::to_string(steps);
      const auto made = scheduler_case.make(steps);
      const Scheduler& scheduler = **made;
      const wire::Value* table = tables.find(name);
      ASSERT_NE(table, nullptr) << name;
      const std::vector<double> sigmas(scheduler.sigmas().begin(), scheduler.sigmas().end());
      expect_numbers(name + ".sigmas", sigmas, *table->find("sigmas"));
      expect_numbers(name + ".timesteps", scheduler.timesteps(), *table->find("timesteps"));
      expect_numbers(name + ".init_noise_sigma", {scheduler.init_noise_sigma()},
                     wire::Value(wire::Array{*table->find("init_noise_sigma")}));
      EXPECT_TRUE(golden.is_near(name + ".sigmas", at::tensor(sigmas), 1e-6));
      EXPECT_TRUE(golden.is_near(name + ".timesteps", at::tensor(scheduler.timesteps()), 1e-6));
    }
  }
}

TEST(Scheduler, StepsAreTheOriginals) {
  const Golden golden("schedulers");
  const wire::Value tables = golden_json("schedulers.json");
  for (const auto& scheduler_case : cases()) {
    for (const int steps : {1, 4, 8}) {
      const std::string name = scheduler_case.name + "." + std::to_string(steps);
      const auto scheduler = scheduler_case.make(steps);
      const auto seed = *tables.find(name)->find("step_generator_seed")->get_if<std::uint64_t>();
      at::Generator generator = make_generator(seed);
      at::Tensor sample = golden[name + ".init"] * (*scheduler)->init_noise_sigma();
      for (int i = 0; i < steps; ++i) {
        const at::Tensor scaled = (*scheduler)->scale_model_input(sample, i);
        EXPECT_TRUE(golden.is_near(name + ".scaled" + std::to_string(i), scaled, 1e-6));
        sample = (*scheduler)->step(golden[name + ".model_outputs"][i], i, sample, generator);
        EXPECT_TRUE(golden.is_near(name + ".sample" + std::to_string(i + 1), sample, 2e-6));
      }
    }
  }
}

TEST(Scheduler, ImpossibleNumbersOfStepsAreRefused) {
  EXPECT_THAT(make_euler({}, 0).status().message(), HasSubstr("at least 1"));
  EXPECT_THAT(make_lcm({}, 0).status().message(), HasSubstr("at least 1"));
  EXPECT_THAT(make_lcm({}, 41).status().message(), HasSubstr("at most 40"));
  EXPECT_TRUE(make_lcm({}, 40).ok());
}

TEST(EulerConfig, ReadsTheGoldenFile) {
  const auto config = read_euler_config(golden_path("models/svd/scheduler/scheduler_config.json"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sigma_max, 700);
}

}  // namespace
}  // namespace mimicfleet::svd
