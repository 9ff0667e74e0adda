#include "common/log.h"

#include <gtest/gtest.h>

namespace mimicfleet::log {
namespace {

TEST(Log, ControlCharactersOfForeignTextAreMadeVisible) {
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("Größe.mp4"), "Größe.mp4");
}

}  // namespace
}  // namespace mimicfleet::log
