#include "common/wire/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "jobs/messages.h"

namespace mimicfleet::wire {
namespace {

using testing::HasSubstr;

struct Old {
  std::int32_t number = 5;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("number", self.number);
  }
};
struct New {
  std::int32_t number = 0;
  std::string text = "default";
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("number", self.number);
    field("text", self.text);
  }
};

TEST(Codec, AnOlderPeerIgnoresWhatItDoesNotKnow) {
  const auto old = decode_struct<Old>(encode_struct(New{7, "x"}));
  ASSERT_TRUE(old.ok()) << old.status();
  EXPECT_EQ(old->number, 7);
}

TEST(Codec, ANewerPeerFillsInWhatIsMissing) {
  const auto now = decode_struct<New>(encode_struct(Old{9}));
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->number, 9);
  EXPECT_EQ(now->text, "default");
}

TEST(Codec, AWrongTypeNamesThePathToTheMember) {
  jobs::LeaseGrant grant;
  Value value = to_value(grant);
  Map spec = *value.find("spec")->get_if<Map>();
  for (auto& [name, member] : spec) {
    if (name == "needs") member = Value(Array{Value(std::string("not an id"))});
  }
  Map outer = *value.get_if<Map>();
  for (auto& [name, member] : outer) {
    if (name == "spec") member = Value(spec);
  }
  jobs::LeaseGrant target;
  const Status status = from_value(Value(outer), target);
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  EXPECT_THAT(status.message(), HasSubstr("spec: needs: [0]: expected an id"));
}

TEST(Codec, NumbersOutOfRangeAreRefused) {
  EXPECT_FALSE(
      decode_struct<Old>(encode(Value(Map{{"number", Value(std::uint64_t{1} << 40)}}))).ok());
}

TEST(Codec, ALeaseGrantComesBackWhole) {
  jobs::LeaseGrant grant;
  grant.attempt = 3;
  grant.spec.id = new_id<jobs::TaskId>();
  grant.spec.kind = jobs::TaskKind::kDecodeVideo;
  grant.spec.parameters.scheduler = jobs::SchedulerKind::kLcm;
  grant.spec.parameters.seed = ~std::uint64_t{0};
  grant.spec.provenance["steps"] = "flag";
  grant.inputs.resize(1);
  grant.inputs[0].artefact.content = sha256("latents");
  grant.inputs[0].made_by.latents = grant.inputs[0].artefact;
  const auto back = decode_struct<jobs::LeaseGrant>(encode_struct(grant));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(to_value(*back), to_value(grant));
}

}  // namespace
}  // namespace mimicfleet::wire
