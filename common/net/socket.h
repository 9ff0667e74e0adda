#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"

namespace mimicfleet::net {

// Bounds on what a peer may send and on what may wait for it. A message with more frames is dropped
// and the next is read.
struct SocketLimits {
  std::size_t frame_bytes = 5 << 20;
  std::size_t frames = 4;
  int queue_messages = 2000;  // that wait for one peer, each way; more are refused
};

struct Received {
  std::string peer;  // routing id, empty on a dealer
  std::vector<std::string> frames;
};

// A ZeroMQ ROUTER or DEALER with the options that keep it from blocking, queueing without bound or
// lingering: sends never wait, unroutable and full peers are errors, dead peers are found by
// heartbeats, routing ids are the library's own random ones. One thread at a time.
class Socket {
 public:
  // kFailedPrecondition if the address is in use or not ours. `tcp://127.0.0.1:*` takes any free
  // port.
  [[nodiscard]] static Result<Socket> router(const std::string& bind_endpoint,
                                             SocketLimits limits = {});
  // Connects in the background, again and again.
  [[nodiscard]] static Result<Socket> dealer(const std::string& connect_endpoint,
                                             SocketLimits limits = {});

  ~Socket();
  Socket(Socket&&) noexcept;
  Socket& operator=(Socket&&) noexcept;

  // Where the socket is bound or connected, the port filled in.
  [[nodiscard]] const std::string& endpoint() const;

  // The next message, or nothing if none is there. Never waits.
  [[nodiscard]] std::optional<Received> receive();

  // Queues a message; ok means queued, only a reply means delivered. kUnavailable: no such peer, or
  // its queue is full. `peer` is for routers.
  [[nodiscard]] Status send(std::vector<std::string> frames, const std::string& peer = {});

 private:
  struct Impl;
  explicit Socket(std::unique_ptr<Impl> impl);
  friend bool wait_readable(std::span<Socket* const>, std::span<const int>,
                            std::chrono::milliseconds);
  std::unique_ptr<Impl> impl_;
};

// Waits until one of the sockets or file descriptors is readable. False: the time ran out or a
// signal came.
bool wait_readable(std::span<Socket* const> sockets, std::span<const int> fds,
                   std::chrono::milliseconds timeout);

// A descriptor that another thread makes readable.
class WakeUp {
 public:
  WakeUp();
  ~WakeUp();
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  void signal() const;  // from any thread or signal handler
  void clear() const;

 private:
  int fd_;
};

}  // namespace mimicfleet::net
