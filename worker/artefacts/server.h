#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/net/socket.h"
#include "common/status.h"
#include "worker/artefacts/store.h"

namespace mimicfleet::artefacts {

// The longest piece that a peer gets at once.
inline constexpr std::size_t kMaxPieceBytes = 1 << 20;

// Gives pieces of this worker's artefacts to other workers, on a thread and a port of its own.
class ArtefactServer {
 public:
  // `bind_endpoint`: such as tcp://127.0.0.1:*. `on_sent` gets the bytes of every piece, on the
  // server's thread. The store must outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<ArtefactServer>> start(
      const std::string& bind_endpoint, ArtefactStore& store,
      std::function<void(std::size_t)> on_sent);
  ~ArtefactServer();

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }  // the port filled in

 private:
  ArtefactServer(net::Socket socket, ArtefactStore& store,
                 std::function<void(std::size_t)> on_sent);
  void run();
  void answer(const net::Received& received);

  net::Socket socket_;
  std::string endpoint_;
  ArtefactStore& store_;
  std::function<void(std::size_t)> on_sent_;
  net::WakeUp stop_;
  std::thread thread_;
};

}  // namespace mimicfleet::artefacts
