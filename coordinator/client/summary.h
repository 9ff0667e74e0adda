#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/client/planner.h"
#include "jobs/client_messages.h"
#include "jobs/ledger.h"

namespace mimicfleet::coordinator {

// What became of one video, or of the latents of a clip of which no video is made. `state`: done,
// skipped (its outputs were there), failed, cancelled, pending (of a dry run, or when the run was
// broken off), or unknown (the server no longer answered).
struct ClipOutcome {
  std::string name;   // output below the output folder, without suffix
  std::string kind;   // clip, film, or latents
  std::string video;  // the input
  std::string state;
  std::string reason;               // why it had to run
  std::vector<std::string> cached;  // of a plan: kinds of its features that workers held
  std::string error;
  std::int32_t frames = 0;
  double seconds = 0;  // of both tasks
  std::string encode_worker;
  std::string decode_worker;
  std::uint32_t attempts = 0;  // of both tasks
  std::vector<std::string> warnings;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("name", self.name);
    field("kind", self.kind);
    field("video", self.video);
    field("state", self.state);
    field("reason", self.reason);
    field("cached", self.cached);
    field("error", self.error);
    field("frames", self.frames);
    field("seconds", self.seconds);
    field("encode_worker", self.encode_worker);
    field("decode_worker", self.decode_worker);
    field("attempts", self.attempts);
    field("warnings", self.warnings);
  }
};

// What a run comes to: OUT/_run/summary.json, the table at the end and `--output-mode json`
// (docs/outputs.md).
struct RunSummary {
  std::uint32_t version = 1;
  std::string program;
  std::string output_dir;
  std::string server;     // endpoint; empty: the run's own
  std::uint64_t job = 0;  // number; 0: nothing had to run
  std::string models;     // name of the model set
  std::string models_id;
  std::string preset;  // empty: none
  std::string notice;
  std::string error;  // why the run as a whole was refused or broken off; empty: it was not
  double seconds = 0;
  std::map<std::string, std::uint32_t> videos;   // state -> how many
  std::map<std::string, std::uint32_t> latents;  // the same of latents alone
  std::vector<std::string> left_out;             // sentences whose words are missing
  std::int64_t frames = 0;
  jobs::Ledger ledger;
  std::vector<ClipOutcome> clips;
  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("version", self.version);
    field("program", self.program);
    field("output_dir", self.output_dir);
    field("server", self.server);
    field("job", self.job);
    field("models", self.models);
    field("models_id", self.models_id);
    field("preset", self.preset);
    field("notice", self.notice);
    field("error", self.error);
    field("seconds", self.seconds);
    field("videos", self.videos);
    field("latents", self.latents);
    field("left_out", self.left_out);
    field("frames", self.frames);
    jobs::Ledger::fields(self.ledger, field);
    field("clips", self.clips);
  }

  [[nodiscard]] bool all_done() const;
};

// Collects a summary: first from the plan (skipped, refused and pending clips), then from the
// tasks.
class SummaryBuilder {
 public:
  SummaryBuilder(const RunPlan& plan, const std::string& output_dir);
  void add(const jobs::TaskInfo& task);
  // Not all tasks could be read: what is not known to have ended may have.
  void leave_open();
  // Counted up. The builder may not be used afterwards.
  [[nodiscard]] RunSummary finish(double seconds);

  RunSummary summary;

 private:
  using Place = std::map<std::pair<bool, std::string>, std::size_t>;
  ClipOutcome& add_outcome(const std::string& name, const std::string& reason, bool is_film);
  Place place_;  // by whether it is a film, and name
};

// Seconds of each stage, cold, warm and saved, and how the features were come by; empty if there is
// nothing.
[[nodiscard]] std::string ledger_table(const jobs::Ledger& ledger);

// The table at the end: videos, frames, seconds of each stage; then every clip that failed with its
// error.
[[nodiscard]] std::string summary_table(const RunSummary& summary);

}  // namespace mimicfleet::coordinator
