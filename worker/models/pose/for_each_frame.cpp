#include "worker/models/pose/for_each_frame.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <opencv2/core.hpp>

namespace mimicfleet::pose {
namespace {

Status guarded(const std::function<Status(std::size_t)>& work, std::size_t index) {
  try {
    return work(index);
  } catch (const std::bad_alloc&) {
    return {StatusCode::kResourceExhausted, "memory ran out"};
  } catch (const std::exception& error) {
    return {StatusCode::kInternal, error.what()};
  }
}

}  // namespace

Status for_each_frame(std::size_t count, const std::function<Status(std::size_t)>& work,
                      std::size_t most_threads) {
  // The frames are what runs in parallel, so OpenCV must not start threads of its own inside of
  // each.
  static const bool single_threaded = (cv::setNumThreads(1), true);
  static_cast<void>(single_threaded);
  std::vector<Status> results(count);
  std::atomic<std::size_t> next = 0;
  const auto run = [&] {
    for (std::size_t index = next++; index < count; index = next++)
      results[index] = guarded(work, index);
  };
  const auto threads =
      std::min({count, static_cast<std::size_t>(at::get_num_threads()), most_threads});
  std::vector<std::jthread> helpers;
  for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(run);
  run();
  helpers.clear();
  for (const Status& result : results) RETURN_IF_ERROR(result);
  return {};
}

}  // namespace mimicfleet::pose
