#include "common/endpoint.h"

#include <gtest/gtest.h>

namespace mimicfleet {
namespace {

TEST(Endpoint, OnlyItsOwnHostReachesALoopbackAddress) {
  for (const char* local : {"tcp://127.0.0.1:5555", "tcp://127.8.1.2:*", "tcp://localhost:1",
                            "tcp://lo:1", "tcp://[::1]:5555", "ipc:///tmp/socket"}) {
    EXPECT_TRUE(is_local_endpoint(local)) << local;
  }
  for (const char* open : {"tcp://10.0.0.7:5555", "tcp://0.0.0.0:1", "tcp://gpu-1:5555",
                           "tcp://[fe80::1]:1", "tcp://localhost.example:1", "tcp://12.7.0.1:1"}) {
    EXPECT_FALSE(is_local_endpoint(open)) << open;
  }
}

}  // namespace
}  // namespace mimicfleet
