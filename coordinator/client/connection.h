#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/net/socket.h"
#include "common/status.h"
#include "common/wire/envelope.h"
#include "coordinator/client/interrupts.h"
#include "jobs/client_messages.h"

namespace mimicfleet::coordinator {

// A client's end of a conversation with a coordinator: one request at a time, each answered or
// given up. A request that is not answered is sent again under the same id, which the coordinator
// answers as the first.
class Connection {
 public:
  // Connects and asks who is there. kUnavailable: nobody answers at `endpoint`; kUnsupported:
  // another protocol version; kInvalidArgument: not an endpoint. `interrupts` may be null and must
  // outlive this.
  [[nodiscard]] static Result<Connection> open(const std::string& endpoint,
                                               const Interrupts* interrupts,
                                               std::chrono::milliseconds patience = kPatience);

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  // As it was when it was asked last.
  [[nodiscard]] const jobs::ServerInfo& server() const { return server_; }
  [[nodiscard]] Status ask_again(std::chrono::milliseconds patience = kPatience);

  // The reply; the coordinator's own Status when it refuses; kUnavailable without an answer in
  // time; kCancelled when the user interrupts.
  template <typename Reply, typename Request>
  [[nodiscard]] Result<Reply> call(const Request& request) {
    return call<Reply>(request, patience_);
  }
  template <typename Reply, typename Request>
  [[nodiscard]] Result<Reply> call(const Request& request, std::chrono::milliseconds patience) {
    return call<Reply>(request, patience, new_id<RequestId>());
  }
  // Under an id that the coordinator knows again.
  template <typename Reply, typename Request>
  [[nodiscard]] Result<Reply> call(const Request& request, std::chrono::milliseconds patience,
                                   RequestId id) {
    ASSIGN_OR_RETURN(const wire::Envelope answer,
                     exchange(wire::seal(request, id), id, Reply::kType, patience));
    return wire::body_as<Reply>(answer);
  }

  // How long calls that do not say wait from now on.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }

  static constexpr std::chrono::milliseconds kPatience{10'000};

 private:
  Connection(net::Socket socket, const Interrupts* interrupts);

  [[nodiscard]] Result<wire::Envelope> exchange(const std::string& bytes, RequestId id,
                                                std::string_view expected,
                                                std::chrono::milliseconds patience);
  [[nodiscard]] std::optional<Result<wire::Envelope>> answer_to(RequestId id,
                                                                std::string_view expected);

  net::Socket socket_;
  const Interrupts* interrupts_;
  std::string endpoint_;
  std::chrono::milliseconds patience_ = kPatience;
  jobs::ServerInfo server_;
};

}  // namespace mimicfleet::coordinator
