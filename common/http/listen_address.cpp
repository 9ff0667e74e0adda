#include "common/http/listen_address.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>

#include "common/endpoint.h"

namespace mimicfleet::http {
namespace {

constexpr int kBacklog = 64;

Status malformed(const std::string& text, const std::string& why) {
  return {
      StatusCode::kInvalidArgument,
      fmt::format(
          "'{}' is no address to listen on: {}; it must be HOST:PORT, such as 127.0.0.1:9464 or "
          "[::1]:9464",
          text, why)};
}

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> look_up(const ListenAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) {
    return Status(
        StatusCode::kFailedPrecondition,
        fmt::format("{}: the host '{}' is not known ({}): name one of this machine's addresses",
                    address.text(), address.host, ::gai_strerror(error)));
  }
  return AddressList(found, &::freeaddrinfo);
}

// The errno of what failed, or 0.
int bind_and_listen(const addrinfo& where, UniqueFd& out) {
  UniqueFd fd(::socket(where.ai_family, where.ai_socktype | SOCK_CLOEXEC, where.ai_protocol));
  if (!fd.valid()) return errno;
  const int on = 1;
  const int off = 0;
  // A server that is started again must not wait for the old one's connections to fade.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0) return errno;
  if (where.ai_family == AF_INET6) {  // [::] is for everybody, those with IPv4 included
    if (::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) return errno;
  }
  if (::bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0) return errno;
  if (::listen(fd.get(), kBacklog) != 0) return errno;
  out = std::move(fd);
  return 0;
}

std::uint16_t port_of(const UniqueFd& socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  CHECK(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  if (bound.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6&>(bound).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(bound).sin_port);
}

Status cannot_listen(const ListenAddress& address, int error) {
  const char* remedy = "choose another address";
  if (error == EADDRINUSE) {
    remedy =
        "another program listens there: stop it, or choose another port (0 takes any free one)";
  } else if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT) {
    remedy = "this machine has no such address: name one that it has, or 0.0.0.0 for all of them";
  } else if (error == EACCES) {
    remedy = "ports below 1024 are for root: choose a higher one";
  }
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: cannot listen there ({}): {}", address.text(), std::strerror(error),
                      remedy)};
}

}  // namespace

std::string ListenAddress::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<ListenAddress> parse_listen_address(const std::string& text) {
  ListenAddress out;
  const auto [before, after] = split_host_and_port(text);
  out.host = after ? before : "127.0.0.1";
  const std::string_view digits = after.value_or(text);
  if (out.host.empty())
    return malformed(text, "the host is missing (0.0.0.0 is all of this machine's)");
  if (out.host.front() == '[') {
    in6_addr ignored{};
    const bool closed = out.host.size() > 2 && out.host.back() == ']';
    if (closed) out.host = out.host.substr(1, out.host.size() - 2);
    const std::string unscoped = out.host.substr(0, out.host.find('%'));
    if (!closed || ::inet_pton(AF_INET6, unscoped.c_str(), &ignored) != 1) {
      return malformed(text, "there is no IPv6 address between brackets");
    }
  } else if (out.host.find(':') != std::string::npos) {
    return malformed(text, "an IPv6 address stands in brackets");
  }
  const auto port = parse_port(digits);
  if (!port) return malformed(text, fmt::format("'{}' is no port from 0 to 65535", digits));
  out.port = *port;
  // The name may stand for [::1] alone, which a client that asks for 127.0.0.1 does not reach.
  if (out.host == "localhost") out.host = "127.0.0.1";
  return out;
}

Result<Listener> listen_on(const ListenAddress& address) {
  ASSIGN_OR_RETURN(const AddressList found, look_up(address));
  int error = EADDRNOTAVAIL;
  for (const addrinfo* where = found.get(); where != nullptr; where = where->ai_next) {
    Listener out{UniqueFd(), address};
    error = bind_and_listen(*where, out.socket);
    if (error != 0) continue;
    out.address.port = port_of(out.socket);
    return out;
  }
  return cannot_listen(address, error);
}

}  // namespace mimicfleet::http
