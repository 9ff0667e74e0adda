#include "common/discovery/discovery.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "common/endpoint.h"
#include "common/host_name.h"
#include "common/json/json.h"
#include "common/user_folders.h"

namespace mimicfleet::discovery {
namespace {

constexpr std::size_t kMaxFileBytes = 64 << 10;
constexpr std::string_view kTcp = "tcp://";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Of "tcp://HOST:PORT".
std::string host_of(const std::string& endpoint) {
  return endpoint.substr(kTcp.size(), endpoint.rfind(':') - kTcp.size());
}

Status failed(const std::string& path, const char* what) {
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: {}: {}", path, what, std::strerror(errno))};
}

}  // namespace

bool is_of_this_host(const ServerFile& server) {
  return server.host.empty() || server.host == host_name();
}

Result<std::string> reachable_endpoint(const ServerFile& server) {
  if (is_of_this_host(server)) return server.endpoint;
  if (is_local_endpoint(server.endpoint)) {
    return Status(StatusCode::kFailedPrecondition,
                  fmt::format("{} names a server on {} which listens there for programs of {} only "
                              "({}), and this is {}: "
                              "start it with --listen tcp://{}:PORT --insecure to use it from here",
                              server_file_path(), server.host, server.host, server.endpoint,
                              host_name(), server.host));
  }
  const std::string host = host_of(server.endpoint);
  if (host != "0.0.0.0" && host != "[::]") return server.endpoint;
  return std::string(kTcp) + server.host + server.endpoint.substr(server.endpoint.rfind(':'));
}

std::string server_file_path() {
  const std::string folder = user_state_folder();
  return folder.empty() ? folder : folder + "/server.json";
}

Result<ServerFile> read_server_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return Status(StatusCode::kNotFound, fmt::format("{}: no server has been started here", path));
  std::string text(kMaxFileBytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  auto server = json::read<ServerFile>(text);
  if (!server.ok()) return server.status().prefixed(path);
  if (server->endpoint.empty())
    return Status(StatusCode::kBadInput, path + ": it names no endpoint");
  return server;
}

Status write_server_file(const ServerFile& server, const std::string& path) {
  if (path.empty())
    return {StatusCode::kFailedPrecondition, "neither XDG_STATE_HOME nor HOME is set"};
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::create_directories(folder.parent_path(), error);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return failed(folder, "cannot make the folder");

  const std::string temporary = fmt::format("{}.{}", path, ::getpid());
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed(temporary, "cannot write");
  const std::string text = json::write(server);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (::close(fd) != 0 || !written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    Status failure = failed(path, "cannot write");
    ::unlink(temporary.c_str());
    return failure;
  }
  return {};
}

void remove_server_file(std::int64_t pid, const std::string& path) {
  const auto server = read_server_file(path);
  if (server.ok() && server->pid == pid && is_of_this_host(*server)) ::unlink(path.c_str());
}

std::string named_server(const std::string& flag) {
  return flag.empty() ? environment("MIMICFLEET_SERVER") : flag;
}

Result<std::string> find_server(const std::string& flag) {
  if (std::string named = named_server(flag); !named.empty()) return named;
  const auto server = read_server_file();
  if (server.ok()) return reachable_endpoint(*server);
  return Status(
      StatusCode::kNotFound,
      fmt::format(
          "no coordinator is known ({}): start one with `coordinator serve`, or name it by flag "
          "or MIMICFLEET_SERVER",
          server.status().message()));
}

}  // namespace mimicfleet::discovery
