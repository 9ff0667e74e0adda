#include "tests/bench/trace.h"

#include <torch/csrc/autograd/profiler_kineto.h>

namespace mimicfleet {

void trace(const std::string& path, bool gpu, const std::function<void()>& call) {
  namespace profiler = torch::autograd::profiler;
  using torch::profiler::impl::ActivityType;
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
  std::set<ActivityType> activities = {ActivityType::CPU};
  if (gpu) activities.insert(ActivityType::CUDA);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  call();
  profiler::disableProfiler()->save(path);
}

}  // namespace mimicfleet
