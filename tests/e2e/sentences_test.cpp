#include <signal.h>

#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/fleet_test_base.h"

namespace mimicfleet::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Five words, which a manifest tells apart by their seeds, and three sentences of them.
class SentencesTest : public FleetTest {
 protected:
  SentencesTest() {
    std::ofstream words(scratch_ / "words.csv");
    words << "video,output,seed\n";
    for (int i = 1; i <= 5; ++i) {
      words << (pack() / "videos" / (i % 2 == 1 ? "a.mp4" : "b.mp4")).string() << ",w" << i << ","
            << i << "\n";
    }
    std::ofstream(scratch_ / "sentences.csv")
        << "sentence_id,ref_ids\ns1,w1 w2\ns2,w2 w3 w4\ns3,w5 w2 w1 w2\n";
  }
  Words sentences(const fs::path& output, Words more = {}) const {
    more.insert(more.end(), {"--sentences", scratch_ / "sentences.csv", "--interp-frames", "2",
                             "--steps", "4"});
    return submit(scratch_ / "words.csv", output, more);
  }
  // A string of a file of latents.
  static std::string latents_string(const fs::path& path, const std::string& name) {
    const std::string file = bytes(path);
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), sizeof(length));
    return Json::parse(file.substr(8, length))["__metadata__"][name];
  }
  int running_encodes(const std::string& worker) {
    const Outcome outcome = coordinator(
        {"task", "list", "--job", "last", "--server", endpoint_, "--output-mode", "json"});
    int running = 0;
    std::istringstream lines(outcome.out);
    for (std::string line; outcome.exit_code == 0 && std::getline(lines, line);) {
      const auto task = Json::parse(line);
      if (task["state"] == "running" && task["worker"] == worker &&
          task["spec"]["kind"] == "encode_latents" && task["progress"]["step"] >= 1) {
        ++running;
      }
    }
    return running;
  }
  struct Counts {
    int leased = 0;
    int committed = 0;
    int expired = 0;
  };
  std::map<std::string, Counts> count_by_kind() {
    std::map<std::string, Counts> counts;
    for (const auto& event : events()) {
      Counts& kind = counts[event["task_kind"]];
      if (event["kind"] == "task_leased") ++kind.leased;
      if (event["kind"] == "task_committed") ++kind.committed;
      if (event["kind"] == "lease_expired") ++kind.expired;
    }
    return counts;
  }
};

TEST_F(SentencesTest, AWorkerKilledInTheMiddleCostsItsOwnEncodeAndNoByteOfAnySentence) {
  const fs::path undisturbed = scratch_ / "undisturbed";
  const Outcome reference = coordinator(sentences(undisturbed));
  ASSERT_EQ(reference.exit_code, 0) << reference.err;

  const auto server = serve({"--lease-ms", "3000", "--heartbeat-ms", "300"});
  const auto doomed = worker("doomed");
  const auto heir = worker("heir");
  const fs::path output = scratch_ / "out";
  Words words = sentences(output, {"--server", endpoint_});
  words.insert(words.begin(), program("coordinator"));
  Process client(words, scratch_);
  ASSERT_TRUE(eventually([&] { return running_encodes("doomed") > 0; }))
      << doomed->err() << client.err();
  doomed->signal(SIGKILL);
  doomed->wait();
  const Outcome outcome = client.wait();
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err << heir->err();

  auto counts = count_by_kind();
  EXPECT_EQ(counts["encode_latents"].committed, 5);
  EXPECT_EQ(counts["decode_video"].committed, 3);
  EXPECT_GE(counts["encode_latents"].expired, 1);
  EXPECT_EQ(counts["encode_latents"].leased, 5 + counts["encode_latents"].expired);
  for (const auto& [sentence, parts] : std::map<std::string, Words>{
           {"s1", {"w1", "w2"}}, {"s2", {"w2", "w3", "w4"}}, {"s3", {"w5", "w2", "w1", "w2"}}}) {
    const auto record = Json::parse(bytes(output / (sentence + ".json")));
    int frames = -1 + 2 * (static_cast<int>(parts.size()) - 1);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      EXPECT_EQ(record["parts"][i]["name"], parts[i]);
      frames += std::stoi(
          latents_string(output / "_latents" / (parts[i] + ".safetensors"), "num_frames"));
    }
    EXPECT_EQ(record["frames"], frames) << sentence;
    EXPECT_FALSE(bytes(output / (sentence + ".mp4")).empty());
    EXPECT_EQ(bytes(output / (sentence + ".mp4")), bytes(undisturbed / (sentence + ".mp4")))
        << sentence;
  }
  const Outcome verified = coordinator({"verify", output});
  EXPECT_EQ(verified.exit_code, 0) << verified.out;
}

TEST_F(SentencesTest, OfAServerLatentsThatAWorkerHoldsAreFetchedAndNotMadeAgain) {
  const auto server = serve();
  const auto only = worker("only");
  const fs::path output = scratch_ / "out";
  const Words words = sentences(output, {"--server", endpoint_});
  ASSERT_EQ(coordinator(words).exit_code, 0) << only->err();
  fs::remove_all(output / "_latents");
  fs::remove(output / "s1.mp4");
  Words plan = words;
  plan[0] = "plan";
  EXPECT_THAT(coordinator(plan).out, HasSubstr("worker only holds its latents"));
  const Outcome again = coordinator(words);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  for (const auto& task : json_lines({"task", "list", "--job", "last"})) {
    if (task["spec"]["kind"] != "encode_latents") continue;
    for (const auto& stage : task["result"]["stages"]) {
      EXPECT_TRUE(stage["stage"] != "denoise" || stage["warm"].get<bool>()) << task["spec"]["name"];
    }
  }
  EXPECT_FALSE(bytes(output / "_latents/w1.safetensors").empty());
}

}  // namespace
}  // namespace mimicfleet::e2e
