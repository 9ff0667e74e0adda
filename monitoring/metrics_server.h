#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/http/server.h"
#include "common/status.h"
#include "monitoring/metrics.h"

namespace mimicfleet::monitoring {

// Serves /metrics over HTTP, what else `routes` holds, and / with a list of them.
class MetricsServer {
 public:
  // As http::Server::start(). `metrics` must outlive this object.
  [[nodiscard]] static Result<std::unique_ptr<MetricsServer>> start(
      const std::string& address, const Metrics& metrics,
      std::map<std::string, http::Handler> routes = {});

  [[nodiscard]] const std::string& address() const {
    return server_->address();
  }  // the port filled in

 private:
  explicit MetricsServer(std::unique_ptr<http::Server> server) : server_(std::move(server)) {}
  std::unique_ptr<http::Server> server_;
};

}  // namespace mimicfleet::monitoring
