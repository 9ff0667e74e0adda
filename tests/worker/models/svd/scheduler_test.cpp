#include "worker/models/svd/scheduler.h"

#include <fstream>
#include <iterator>

#include <ATen/TensorOperators.h>
#include <gmock/gmock.h>

#include "common/json/json.h"
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

wire::Value golden_tables() {
  std::ifstream file(golden_path("goldens/schedulers.json"));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  return json::parse(text).value();
}

double number(const wire::Value& value) {
  if (const auto* real = value.get_if<double>()) return *real;
  return static_cast<double>(*value.get_if<std::uint64_t>());
}

TEST(Scheduler, TablesAreTheOriginals) {
  const wire::Value tables = golden_tables();
  for (const auto& scheduler_case : cases()) {
    for (const int steps : {1, 2, 4, 8, 25}) {
      const std::string name = scheduler_case.name + "." + std::to_string(steps);
      const auto scheduler = scheduler_case.make(steps);
      const wire::Value* table = tables.find(name);
      ASSERT_NE(table, nullptr) << name;
      const auto& sigmas = *table->find("sigmas")->get_if<wire::Array>();
      const auto& timesteps = *table->find("timesteps")->get_if<wire::Array>();
      ASSERT_EQ((*scheduler)->sigmas().size(), sigmas.size()) << name;
      for (std::size_t i = 0; i < sigmas.size(); ++i) {
        EXPECT_FLOAT_EQ((*scheduler)->sigmas()[i], static_cast<float>(number(sigmas[i]))) << name;
      }
      for (std::size_t i = 0; i < timesteps.size(); ++i) {
        EXPECT_NEAR((*scheduler)->timesteps()[i], number(timesteps[i]), 2e-7) << name;
      }
      EXPECT_FLOAT_EQ((*scheduler)->init_noise_sigma(),
                      static_cast<float>(number(*table->find("init_noise_sigma"))))
          << name;
    }
  }
}

TEST(Scheduler, StepsAreTheOriginals) {
  const Golden golden("schedulers");
  const wire::Value tables = golden_tables();
  for (const auto& scheduler_case : cases()) {
    for (const int steps : {1, 4, 8}) {
      const std::string name = scheduler_case.name + "." + std::to_string(steps);
      const auto scheduler = scheduler_case.make(steps);
      const auto seed = *tables.find(name)->find("step_generator_seed")->get_if<std::uint64_t>();
      at::Generator generator = make_generator(seed);
      at::Tensor sample = golden[name + ".init"] * (*scheduler)->init_noise_sigma();
      for (int i = 0; i < steps; ++i) {
        const std::string step = std::to_string(i);
        const at::Tensor scaled = (*scheduler)->scale_model_input(sample, i);
        EXPECT_LE(relative_difference(scaled, golden[name + ".scaled" + step]), 1e-6)
            << name << " step " << i;
        sample = (*scheduler)->step(golden[name + ".model_outputs"][i], i, sample, generator);
        const std::string next = name + ".sample" + std::to_string(i + 1);
        EXPECT_LE(relative_difference(sample, golden[next]), 2e-6) << name << " step " << i;
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
