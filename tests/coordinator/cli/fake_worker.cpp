// A worker without models, for tests of the command line: it speaks the real protocol and writes
// outputs with true records, whose videos are a few bytes of text. A clip's name says how it goes:
//   …bad…    its encode fails for good      …crash…  its first encode kills the worker
//   …stuck…  its encode never ends
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "common/clock.h"
#include "common/files/atomic_file.h"
#include "common/model_root/model_root.h"
#include "common/net/socket.h"
#include "common/wire/envelope.h"
#include "jobs/abilities.h"
#include "jobs/messages.h"
#include "jobs/record_json.h"
#include "tests/coordinator/client/latents_file.h"

namespace mimicfleet {
namespace {

constexpr std::chrono::milliseconds kBeat{50};

struct FakeWorker {
  std::map<std::string, std::string> flags;
  std::optional<net::Socket> socket;
  jobs::WorkerHello hello;
  std::uint64_t epoch = 0;
  std::vector<jobs::TaskProgress> stuck;
  bool leaving = false;

  template <typename T>
  void send(const T& message) {
    static_cast<void>(socket->send({wire::seal(message, new_id<RequestId>())}));
  }

  void introduce() {
    const auto files = model_root::find_below(flags["--models"]);
    if (!files.ok()) {
      std::fprintf(stderr, "2024-05-01 12:00:00 error [worker 1] %s\n",
                   files.status().message().c_str());
      std::_Exit(1);
    }
    FileDigestCache cache;
    hello.worker = new_id<WorkerId>();
    hello.name = flags["--name"];
    hello.pid = ::getpid();
    hello.device = flags["--device"];
    hello.numerics = {"fake", "cpu", flags["--precision"] == "auto" ? "fp32" : flags["--precision"],
                      1};
    hello.kinds = {jobs::TaskKind::kEncodeLatents, jobs::TaskKind::kDecodeVideo};
    hello.abilities = jobs::known_abilities();
    hello.model_sets = {jobs::make_model_set(*files, *model_root::digest_parts(*files, cache))};
    hello.model_folders = {std::filesystem::absolute(files->checkpoint).parent_path().string()};
    send(hello);
  }

  void beat() {
    jobs::WorkerHeartbeat beat;
    beat.worker = hello.worker;
    beat.state = jobs::WorkerState::kReady;
    beat.free_slots = 1;  // beside what is stuck: whichever clip comes first, the others go on
    beat.running = stuck;
    send(beat);
  }

  void fail(const jobs::LeaseGrant& grant, const Status& status) {
    jobs::TaskFailed failed;
    failed.worker = hello.worker;
    failed.epoch = epoch;
    failed.attempt = {grant.spec.id, grant.attempt};
    failed.status = status;
    send(failed);
  }

  void complete(const jobs::LeaseGrant& grant, jobs::TaskResult result) {
    result.numerics = hello.numerics;
    jobs::TaskCompleted completed;
    completed.worker = hello.worker;
    completed.epoch = epoch;
    completed.attempt = {grant.spec.id, grant.attempt};
    completed.result = std::move(result);
    send(completed);
  }

  void encode(const jobs::LeaseGrant& grant) {
    const std::string& name = grant.spec.name;
    if (name.find("bad") != std::string::npos) {
      return fail(grant, Status(StatusCode::kBadInput,
                                grant.spec.video.path + ": is no video; convert it"));
    }
    if (name.find("crash") != std::string::npos && grant.attempt == 1) ::raise(SIGKILL);
    if (name.find("stuck") != std::string::npos) {
      stuck.push_back({grant.spec.id, grant.attempt, "denoise", 2, 4});
      return beat();
    }
    jobs::TaskResult result;
    result.latents = jobs::ArtefactRef{grant.spec.key, grant.spec.key, 1, hello.numerics};
    result.stages = {{"load", 0.5, false}, {"denoise", 1, false}};
    if (const auto& kept = grant.spec.keep_latents) {
      const std::string path = kept->directory + "/" + kept->relative;
      const std::string bytes =
          coordinator::latents_bytes(coordinator::strings_of(grant.spec, grant.models));
      std::filesystem::create_directories(std::filesystem::path(path).parent_path());
      if (const Status written = write_file_atomically(path, bytes); !written.ok())
        return fail(grant, written);
      result.saved_latents = jobs::FileRef{path, sha256(bytes), bytes.size()};
    }
    complete(grant, std::move(result));
  }

  void decode(const jobs::LeaseGrant& grant) {
    const auto& target = grant.spec.output;
    const std::string path = target.directory + "/" + target.relative;
    const std::string content = "video of " + grant.spec.key.hex();
    jobs::OutputRecord record;
    record.key = grant.spec.key;
    record.video = {target.relative + ".mp4", sha256(content), content.size()};
    for (const auto& segment : grant.spec.segments) record.parts.emplace_back().name = segment.name;
    if (record.parts.empty()) {
      record.driving = grant.inputs.at(0).driving;
      record.reference = grant.inputs.at(0).reference;
    }
    record.models = grant.models;
    record.parameters = grant.spec.parameters;
    record.provenance = grant.spec.provenance;
    record.numerics = hello.numerics;
    record.frames = 9;
    record.stages = {{"denoise", 1, false}, {"vae_decode", 1, false}};  // of both tasks
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const Status video = write_file_atomically(path + ".mp4", content);
    const Status text = write_file_atomically(path + ".json", jobs::record_text(record));
    if (!video.ok() || !text.ok()) return fail(grant, video.ok() ? text : video);
    jobs::TaskResult result;
    result.video = record.video;
    result.frames = record.frames;
    result.stages = {{"vae_decode", 1, false}};
    complete(grant, std::move(result));
  }

  void handle(const wire::Envelope& message) {
    if (message.type == jobs::WorkerWelcome::kType) {
      epoch = wire::body_as<jobs::WorkerWelcome>(message)->epoch;
    } else if (message.type == jobs::ErrorReply::kType) {
      send(hello);  // a coordinator that was started again
    } else if (message.type == jobs::HeartbeatReply::kType) {
      const auto reply = *wire::body_as<jobs::HeartbeatReply>(message);
      if (!reply.revoked.empty()) stuck.clear();
      leaving = reply.stop || reply.drain;
    } else if (message.type == jobs::LeaseGrant::kType) {
      const auto grant = *wire::body_as<jobs::LeaseGrant>(message);
      grant.spec.kind == jobs::TaskKind::kEncodeLatents ? encode(grant) : decode(grant);
      beat();
    }
  }

  int run() {
    socket.emplace(*net::Socket::dealer(flags["--coordinator"]));
    introduce();
    const std::array<net::Socket*, 1> sockets = {&*socket};
    const pid_t parent = ::getppid();
    while (!leaving && ::getppid() == parent) {
      beat();
      net::wait_readable(sockets, {}, kBeat);
      while (const auto received = socket->receive())
        handle(*wire::open_envelope(received->frames.front()));
    }
    send(jobs::WorkerGoodbye{hello.worker});
    return 0;
  }
};

}  // namespace
}  // namespace mimicfleet

int main(int argc, char** argv) {
  mimicfleet::FakeWorker worker;
  for (int i = 1; i + 1 < argc; ++i) worker.flags[argv[i]] = argv[i + 1];
  return worker.run();
}
