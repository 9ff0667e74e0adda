#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/status.h"

// A small HTTP/1.1 server for what a program tells about itself.
namespace mimicfleet::http {

struct Request {
  std::string method;  // GET or HEAD
  std::string path;    // without the query
  std::map<std::string, std::string> query;
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Called on one of the server's threads, several at a time. One that throws becomes a 500.
using Handler = std::function<Response(const Request&)>;

// Bounds on what clients may hold.
struct Limits {
  unsigned connections = 64;  // more are closed at once
  // Connections from one IP address, so that one client cannot take all.
  unsigned of_one_client = 32;
  std::chrono::seconds silence{30};      // then a connection on which nothing moves is closed
  std::size_t request_bytes = 16 << 10;  // request line and headers; more is refused
};

// Answers GET and HEAD; other methods get a 405, unknown paths a 404 that names those that exist. A
// client that is slow, or a handler that waits, keeps nobody else waiting: each connection has a
// thread.
class Server {
 public:
  // `address` is HOST:PORT as in listen_address.h, port 0 for any free one. kInvalidArgument:
  // malformed; kFailedPrecondition: the address is taken or not ours.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(const std::string& address,
                                                             std::map<std::string, Handler> routes,
                                                             const Limits& limits = {});
  ~Server();  // closes all connections at once; waits only for handlers that run
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] const std::string& address() const { return address_; }  // the port filled in

 private:
  Server();
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace mimicfleet::http
