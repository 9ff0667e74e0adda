#include "worker/models/nn/guarded.h"

#include <exception>
#include <new>
#include <string>

#include <c10/util/Exception.h>

namespace mimicfleet::nn {
namespace {

// LibTorch's allocator of host memory throws a plain error.
bool is_out_of_memory(std::string_view message) {
  return message.find("can't allocate memory") != std::string_view::npos ||
         message.find("not enough memory") != std::string_view::npos;
}

}  // namespace

Status status_of_exception(std::string_view what) {
  const std::string prefix = std::string(what) + ": ";
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return {StatusCode::kResourceExhausted,
            prefix + "out of device memory: " + error.what_without_backtrace()};
  } catch (const std::bad_alloc&) {
    return {StatusCode::kResourceExhausted, prefix + "out of memory"};
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (is_out_of_memory(message))
      return {StatusCode::kResourceExhausted, prefix + "out of memory: " + message};
    return {StatusCode::kInternal, prefix + message};
  } catch (const std::exception& error) {
    return {StatusCode::kInternal, prefix + error.what()};
  }
}

}  // namespace mimicfleet::nn
