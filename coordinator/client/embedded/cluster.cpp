#include "coordinator/client/embedded/cluster.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "common/files/list_folder.h"
#include "common/json/json.h"
#include "common/log.h"

namespace mimicfleet::coordinator {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxCrashes = 4;  // in a row, without a task that ended in between
constexpr std::chrono::milliseconds kReadyPatience{30'000};
constexpr std::chrono::milliseconds kFirstPause{500};
constexpr std::array kHopelessExits = {2, 4};  // usage; models or a device that cannot be used

std::string own_folder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path().string();
}

// Beside the coordinator, or where MIMICFLEET_WORKER says.
std::string worker_program(const std::string& programs) {
  const char* chosen = std::getenv("MIMICFLEET_WORKER");
  return chosen != nullptr ? chosen : programs + "/worker";
}

// Models that a config names reach the worker through links below the run's folder: the user knows
// the files that these lead to.
std::string with_link_targets(std::string text, const std::string& models) {
  const auto entries = list_folder(models);
  if (!entries.ok()) return text;
  for (const auto& entry : *entries) {
    std::error_code error;
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (error) continue;
    const std::string link = entry.path().string();
    for (auto at = text.find(link); at != std::string::npos;
         at = text.find(link, at + target.size())) {
      text.replace(at, link.size(), target);
    }
  }
  return text;
}

bool is_hopeless(std::optional<int> exit_code) {
  return std::find(kHopelessExits.begin(), kHopelessExits.end(), exit_code) != kHopelessExits.end();
}

// One line from a pipe, or what came until it closed or the time ran out.
std::string read_line(int fd, std::chrono::milliseconds patience) {
  const SteadyClock clock;
  const Instant give_up = clock.now() + patience;
  std::string line;
  while (line.find('\n') == std::string::npos && line.size() < 4096) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(give_up - clock.now());
    pollfd waiting{fd, POLLIN, 0};
    if (left.count() <= 0) break;
    if (::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) continue;
    std::array<char, 512> buffer{};
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) break;
    line.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return line;
}

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::start(ClusterOptions options) {
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(options)));
  if (cluster->options_.programs.empty()) cluster->options_.programs = own_folder();
  std::error_code error;
  fs::create_directories(cluster->options_.run_folder + "/logs", error);
  if (error) {
    return Status(
        StatusCode::kFailedPrecondition,
        fmt::format("{}/logs: cannot be made: {}", cluster->options_.run_folder, error.message()));
  }
  RETURN_IF_ERROR(cluster->start_coordinator());
  RETURN_IF_ERROR(cluster->start_workers());
  return cluster;
}

Cluster::~Cluster() = default;

Cluster::Member Cluster::make_member(const std::string& name,
                                     std::vector<std::string> command) const {
  Member member;
  member.name = name;
  member.command = std::move(command);
  member.log = fmt::format("{}/logs/{}.log", options_.run_folder, name);
  return member;
}

Status Cluster::start_coordinator() {
  coordinator_ = make_member(
      "coordinator",
      {options_.programs + "/coordinator", "serve", "--state-dir", options_.run_folder + "/state",
       "--metrics", "127.0.0.1:0", "--file-sd", "off", "--no-discovery", "--exit-with-parent",
       "--refusal-grace-ms",
       "0",  // nobody else will come
       "--ready-fd", std::to_string(ChildProcess::kPassedFd), "--listen", "tcp://127.0.0.1:*"});
  RETURN_IF_ERROR(start_member(coordinator_));
  // A restarted coordinator must listen where the workers look for it.
  coordinator_.command.back() = endpoint_;
  return {};
}

Status Cluster::start_workers() {
  for (std::size_t i = 0; i < options_.devices.size(); ++i) {
    const std::string name = fmt::format("worker-{}", i);
    std::vector<std::string> command = {worker_program(options_.programs),
                                        "--coordinator",
                                        endpoint_,
                                        "--models",
                                        options_.models,
                                        "--data-dir",
                                        options_.run_folder + "/" + name,
                                        "--device",
                                        options_.devices[i],
                                        "--metrics",
                                        "127.0.0.1:0",
                                        "--name",
                                        name,
                                        "--exit-with-parent"};
    command.insert(command.end(), options_.worker_flags.begin(), options_.worker_flags.end());
    workers_.push_back(make_member(name, std::move(command)));
    RETURN_IF_ERROR(start_member(workers_.back()));
  }
  return {};
}

Status Cluster::start_member(Member& member) {
  ChildProcess::Options options;
  options.command = member.command;
  options.log_path = member.log;
  if (&member != &coordinator_) {
    ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::start(options));
    member.process = std::make_unique<ChildProcess>(std::move(process));
    return {};
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    return {StatusCode::kResourceExhausted, "no pipe can be made"};
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  options.pass_fd = writer.get();
  ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::start(options));
  member.process = std::make_unique<ChildProcess>(std::move(process));
  writer.reset();
  return await_ready(reader.get());
}

Status Cluster::await_ready(int fd) {
  const auto ready = json::parse(read_line(fd, kReadyPatience));
  const wire::Value* endpoint = ready.ok() ? ready->find("endpoint") : nullptr;
  const auto* text = endpoint == nullptr ? nullptr : endpoint->get_if<std::string>();
  if (text != nullptr) {
    endpoint_ = *text;
    return {};
  }
  coordinator_.process->wait_for(std::chrono::milliseconds(1000));
  return {StatusCode::kFailedPrecondition,
          fmt::format("the coordinator of this run did not start: {} (see {})",
                      log::printable(last_error_in(coordinator_.log)), coordinator_.log)};
}

Status Cluster::care_for(Member& member, Instant now) {
  if (member.given_up || member.process->running()) return {};
  if (member.start_again == Instant{}) {
    member.last_end = member.process->end_text();
    ++member.crashes;
    member.given_up = member.crashes >= kMaxCrashes || is_hopeless(member.process->exit_code());
    member.start_again = now + kFirstPause * (1 << member.crashes) / 2;
    log::warn("{} {}; {} (log: {})", member.name, member.last_end,
              member.given_up ? "it is not started again" : "starting it again", member.log);
    return {};
  }
  if (now < member.start_again) return {};
  member.start_again = Instant{};
  return start_member(member);
}

Status Cluster::supervise(std::size_t ended, Instant now) {
  if (ended > ended_) {
    coordinator_.crashes = 0;
    for (auto& worker : workers_) worker.crashes = 0;
  }
  ended_ = ended;
  RETURN_IF_ERROR(care_for(coordinator_, now));
  for (auto& worker : workers_) RETURN_IF_ERROR(care_for(worker, now));
  const bool all_gone =
      std::all_of(workers_.begin(), workers_.end(), [](const auto& w) { return w.given_up; });
  const Member* lost = coordinator_.given_up ? &coordinator_
                       : all_gone            ? &workers_.front()
                                             : nullptr;
  if (lost == nullptr) return {};
  const std::string error = with_link_targets(last_error_in(lost->log), options_.models);
  return {StatusCode::kInternal, fmt::format("{} {}: {} (see {})", lost->name, lost->last_end,
                                             log::printable(error), lost->log)};
}

void Cluster::stop(std::chrono::milliseconds grace) {
  const SteadyClock clock;
  const Instant give_up = clock.now() + grace;
  const auto left = [&] {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(give_up - clock.now());
    return std::max(time, std::chrono::milliseconds(0));
  };
  for (auto& worker : workers_) {
    if (worker.process) worker.process->signal_group(SIGTERM);
  }
  for (auto& worker : workers_) {
    if (worker.process) worker.process->wait_for(left());
    worker.process.reset();
  }
  if (coordinator_.process) {
    coordinator_.process->signal_group(SIGTERM);
    coordinator_.process->wait_for(left());
    coordinator_.process.reset();
  }
  workers_.clear();
}

}  // namespace mimicfleet::coordinator
