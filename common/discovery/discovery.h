#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

// How clients and workers find a coordinator that nobody named: a file in the user's state folder.
namespace mimicfleet::discovery {

// Several hosts may share the folder: what a process or a loopback address means depends on the
// host.
struct ServerFile {
  std::string endpoint;  // as it listens: "tcp://127.0.0.1:5555"
  std::int64_t pid = 0;
  std::string host = {};  // empty in files of older servers: taken for this one

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("endpoint", self.endpoint);
    field("pid", self.pid);
    field("host", self.host);
  }
};

[[nodiscard]] bool is_of_this_host(const ServerFile& server);

// Where this host reaches the server: one that listens on all its addresses is named by its host.
// kFailedPrecondition says what to do if another host's server listens on that host's loopback
// only.
[[nodiscard]] Result<std::string> reachable_endpoint(const ServerFile& server);

// $XDG_STATE_HOME/mimicfleet/server.json, else ~/.local/state/mimicfleet/server.json. Empty without
// a home.
[[nodiscard]] std::string server_file_path();

// kNotFound: there is no such file; kBadInput: it is not a server file.
[[nodiscard]] Result<ServerFile> read_server_file(const std::string& path = server_file_path());

// Replaces the file as a whole; it is readable by its owner only, as is the folder if it is made
// here.
[[nodiscard]] Status write_server_file(const ServerFile& server,
                                       const std::string& path = server_file_path());

// Removes the file if it still names this process of this host.
void remove_server_file(std::int64_t pid, const std::string& path = server_file_path());

// What the user named: `flag` unless empty, else $MIMICFLEET_SERVER; empty if neither is set.
[[nodiscard]] std::string named_server(const std::string& flag);

// The coordinator's endpoint: what the user named, else what the server file says. kNotFound and
// kFailedPrecondition say how to name one.
[[nodiscard]] Result<std::string> find_server(const std::string& flag);

}  // namespace mimicfleet::discovery
