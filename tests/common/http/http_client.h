#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include "common/files/unique_fd.h"
#include "common/http/listen_address.h"

namespace mimicfleet::http {

// A client that says what it is told, byte by byte if need be.
class TestClient {
 public:
  // `source` is the address that the server sees, of those that start with 127.
  explicit TestClient(const std::string& address, const char* source = "127.0.0.1") {
    const auto where = parse_listen_address(address).value();
    addrinfo* found = nullptr;
    if (::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), nullptr, &found) != 0)
      return;
    fd_.reset(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (found->ai_family == AF_INET) {
      sockaddr_in from{};
      from.sin_family = AF_INET;
      ::inet_pton(AF_INET, source, &from.sin_addr);
      ::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&from), sizeof(from));
    }
    if (::connect(fd_.get(), found->ai_addr, found->ai_addrlen) != 0) fd_.reset();
    ::freeaddrinfo(found);
  }

  [[nodiscard]] bool connected() const { return fd_.valid(); }

  bool say(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // All that comes until the server closes the connection.
  [[nodiscard]] std::string hear() {
    std::string answer;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(fd_.get(), buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    return answer;
  }

 private:
  UniqueFd fd_;
};

// The whole answer, headers and body.
inline std::string ask(const std::string& address, const std::string& method,
                       const std::string& target) {
  TestClient client(address);
  client.say(method + " " + target + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  return client.hear();
}

inline std::string get(const std::string& address, const std::string& target) {
  return ask(address, "GET", target);
}

inline std::string body_of(const std::string& answer) {
  const auto end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

}  // namespace mimicfleet::http
