#include "worker/artefacts/server.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/log.h"
#include "common/wire/envelope.h"
#include "jobs/messages.h"

namespace mimicfleet::artefacts {
namespace {

constexpr net::SocketLimits kRequestLimits{
    .frame_bytes = 16 << 10, .frames = 1, .queue_messages = 32};

}  // namespace

Result<std::unique_ptr<ArtefactServer>> ArtefactServer::start(
    const std::string& bind_endpoint, ArtefactStore& store,
    std::function<void(std::size_t)> on_sent) {
  ASSIGN_OR_RETURN(net::Socket socket, net::Socket::router(bind_endpoint, kRequestLimits));
  return std::unique_ptr<ArtefactServer>(
      new ArtefactServer(std::move(socket), store, std::move(on_sent)));
}

ArtefactServer::ArtefactServer(net::Socket socket, ArtefactStore& store,
                               std::function<void(std::size_t)> on_sent)
    : socket_(std::move(socket)),
      endpoint_(socket_.endpoint()),
      store_(store),
      on_sent_(std::move(on_sent)) {
  thread_ = std::thread([this] { run(); });
}

ArtefactServer::~ArtefactServer() {
  stop_.signal();
  thread_.join();
}

void ArtefactServer::run() {
  net::Socket* const sockets[] = {&socket_};
  const int stop_fd[] = {stop_.fd()};
  for (;;) {
    net::wait_readable(sockets, stop_fd, std::chrono::minutes(1));
    if (net::wait_readable({}, stop_fd, std::chrono::milliseconds(0))) return;
    while (const auto received = socket_.receive()) answer(*received);
  }
}

void ArtefactServer::answer(const net::Received& received) {
  const auto envelope = wire::open_envelope(received.frames.front());
  if (!envelope.ok()) return;  // there is no request id to answer to
  const auto refuse = [&](const Status& status) {
    const Status sent =
        socket_.send({wire::seal(jobs::ErrorReply{status}, envelope->request)}, received.peer);
    if (!sent.ok()) log::debug("artefacts: {}", sent.message());
  };
  if (envelope->type != jobs::ArtefactRead::kType) {
    return refuse({StatusCode::kUnsupported, fmt::format("'{}' is no request for artefacts",
                                                         log::printable(envelope->type))});
  }
  const auto request = wire::body_as<jobs::ArtefactRead>(*envelope);
  if (!request.ok()) return refuse(request.status());
  auto piece = store_.read_piece(request->content, request->offset,
                                 std::min<std::size_t>(request->bytes, kMaxPieceBytes));
  if (!piece.ok()) return refuse(piece.status());
  const std::size_t bytes = piece->bytes.size();
  const jobs::ArtefactChunk chunk{request->offset, piece->size_bytes};
  const Status sent =
      socket_.send({wire::seal(chunk, envelope->request), std::move(piece->bytes)}, received.peer);
  if (sent.ok()) {
    on_sent_(bytes);
  } else {
    log::debug("artefacts: {}", sent.message());  // the peer asks again or elsewhere
  }
}

}  // namespace mimicfleet::artefacts
