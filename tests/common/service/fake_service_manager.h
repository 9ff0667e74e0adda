#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "common/check.h"
#include "tests/temporary_folder.h"

namespace mimicfleet::service {

// Stands in for systemd: the datagram socket that NOTIFY_SOCKET names.
class FakeServiceManager {
 public:
  FakeServiceManager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path().c_str(), sizeof(address.sun_path) - 1);
    CHECK(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  }
  ~FakeServiceManager() { ::close(socket_); }
  FakeServiceManager(const FakeServiceManager&) = delete;
  FakeServiceManager& operator=(const FakeServiceManager&) = delete;

  [[nodiscard]] std::string path() const { return folder_ / "notify"; }

  // All that it was told so far, oldest first.
  const std::vector<std::string>& heard() {
    char buffer[512];
    for (;;) {
      const auto size = ::recv(socket_, buffer, sizeof(buffer), 0);
      if (size < 0) return heard_;
      heard_.emplace_back(buffer, static_cast<std::size_t>(size));
    }
  }

 private:
  TemporaryFolder folder_;
  int socket_;
  std::vector<std::string> heard_;
};

}  // namespace mimicfleet::service
