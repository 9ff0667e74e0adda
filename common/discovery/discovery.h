#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

// How clients and workers find a coordinator that nobody named: a file in the user's state folder.
namespace mimicfleet::discovery {

struct ServerFile {
  std::string endpoint;  // "tcp://127.0.0.1:5555"
  std::int64_t pid = 0;

  template <typename Self, typename Fields>
  static void fields(Self& self, Fields& field) {
    field("endpoint", self.endpoint);
    field("pid", self.pid);
  }
};

// $XDG_STATE_HOME/mimicfleet/server.json, else ~/.local/state/mimicfleet/server.json. Empty without a home.
[[nodiscard]] std::string server_file_path();

// kNotFound: there is no such file; kBadInput: it is not a server file.
[[nodiscard]] Result<ServerFile> read_server_file(const std::string& path = server_file_path());

// Replaces the file as a whole; it is readable by its owner only, as is the folder if it is made here.
[[nodiscard]] Status write_server_file(const ServerFile& server,
                                       const std::string& path = server_file_path());

// Removes the file if it still names this process.
void remove_server_file(std::int64_t pid, const std::string& path = server_file_path());

// The coordinator's endpoint: `flag` unless empty, else $MIMICFLEET_SERVER, else the server file. kNotFound
// says how to name one.
[[nodiscard]] Result<std::string> find_server(const std::string& flag);

}  // namespace mimicfleet::discovery
