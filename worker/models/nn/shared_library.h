#pragma once

#include <initializer_list>
#include <string>

#include <dlfcn.h>

namespace mimicfleet::nn {

// The functions of a library that may not be there. It stays loaded: the CUDA driver keeps threads.
class SharedLibrary {
 public:
  // The first of these that can be loaded.
  SharedLibrary(std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (handle_ == nullptr) handle_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
  }

  [[nodiscard]] bool loaded() const { return handle_ != nullptr; }
  // Null if it is not there; the first such name is missing().
  template <typename Function>
  [[nodiscard]] Function* function(const char* name) {
    void* found = handle_ == nullptr ? nullptr : ::dlsym(handle_, name);
    if (found == nullptr && missing_.empty()) missing_ = name;
    return reinterpret_cast<Function*>(found);
  }
  [[nodiscard]] const std::string& missing() const { return missing_; }

 private:
  void* handle_ = nullptr;
  std::string missing_;
};

}  // namespace mimicfleet::nn
