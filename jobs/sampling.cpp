#include "jobs/sampling.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace mimicfleet::jobs {

std::string to_string(const GuidanceInterval& interval) {
  return fmt::format("{}:{}", interval.begin, interval.end);
}

StepRange guided_steps(const Sampling& sampling) {
  if (!(sampling.guidance_scale > 1)) return {};
  // A share such as 0.58 of 25 steps, which is 14.499999999999998, ends in the middle of one all
  // the same.
  constexpr double kRounding = 1e-9;
  const double steps = sampling.steps;
  const auto first_from = [&](double share) {
    const double step = share * steps - 0.5 - kRounding;
    return step > 0 ? static_cast<std::int32_t>(std::ceil(std::min(step, steps))) : 0;
  };
  const StepRange range{first_from(sampling.guidance_interval.begin),
                        first_from(sampling.guidance_interval.end)};
  return {range.begin, std::max(range.begin, range.end)};
}

}  // namespace mimicfleet::jobs
