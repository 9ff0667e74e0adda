#include "coordinator/client/server_abilities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/abilities.h"

namespace mimicfleet::coordinator {
namespace {

TEST(ServerAbilities, AnOlderServerIsNotAskedForWhatItWouldPassOver) {
  jobs::ServerInfo server;
  server.version = "0.1.0";
  RunPlan plan;
  plan.clips.resize(2);
  for (auto& clip : plan.clips) clip.reason = "not made yet";
  EXPECT_EQ(server_knows_settings(server, "tcp://a:1", plan), Status());
  plan.clips[1].plan.parameters.guidance_interval = {0.2, 0.8};
  const Status refused = server_knows_settings(server, "tcp://a:1", plan);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.message(),
            "tcp://a:1: the server there is of an older version (0.1.0) and does not know "
            "--guidance-interval: "
            "stop it and start one of this version, or give --server embedded");
  server.abilities = jobs::known_abilities();
  EXPECT_EQ(server_knows_settings(server, "tcp://a:1", plan), Status());
}

TEST(ServerAbilities, WhatIsThereAlreadyNeedsNoServer) {
  RunPlan plan;
  plan.clips.resize(1);
  plan.clips[0].plan.parameters.guidance_interval = {0.2, 0.8};
  EXPECT_EQ(server_knows_settings({}, "tcp://a:1", plan), Status());
}

}  // namespace
}  // namespace mimicfleet::coordinator
