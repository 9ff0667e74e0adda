#include "common/check.h"

#include <cstdio>
#include <cstdlib>

namespace mimicfleet {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: CHECK(%s) failed: a bug in mimicfleet, please report it\n", file,
               line, condition);
  std::abort();
}

}  // namespace mimicfleet
