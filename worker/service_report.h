#pragma once

#include <string>

#include "common/service/health.h"
#include "common/service/service_manager.h"
#include "worker/agent/session.h"

namespace mimicfleet::worker {

// Tells how a session stands to /healthz, /readyz and the service manager. For the agent's thread.
class ServiceReport {
 public:
  // Both must outlive this object.
  ServiceReport(service::Health& health, service::ServiceManager& manager)
      : health_(health), manager_(manager) {}

  void observe(const agent::Session& session);

 private:
  service::Health& health_;
  service::ServiceManager& manager_;
};

// Why the worker of such a session gets no tasks; empty: it does.
[[nodiscard]] std::string why_not_ready(const agent::Session& session);

}  // namespace mimicfleet::worker
