// What is linked; ./dev bench measures what a start costs.
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/paths.h"

namespace mimicfleet::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string program(const std::string& name) { return binary_path("bin/" + name); }

std::string linked_libraries(const std::string& name) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("ldd " + program(name)).c_str(), "r"),
                                                   ::pclose);
  std::string output;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) output += buffer.data();
  return output;
}

TEST(Start, OnlyTheWorkerIsLinkedWithLibTorch) {
  EXPECT_THAT(linked_libraries("worker"), HasSubstr("libtorch_cpu"));
  for (const char* name : {"coordinator", "media"}) {
    EXPECT_THAT(linked_libraries(name), HasSubstr("libc.so")) << name;
    EXPECT_THAT(linked_libraries(name), Not(HasSubstr("torch"))) << name;
  }
  EXPECT_THAT(linked_libraries("worker"), Not(HasSubstr("libtorch_cuda")))
      << "it is opened when a GPU is used";
}

}  // namespace
}  // namespace mimicfleet::e2e
