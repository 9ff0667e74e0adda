#include "common/service/health_routes.h"

namespace mimicfleet::service {
namespace {

constexpr int kServiceUnavailable = 503;

http::Response answer(const Status& status) {
  if (status.ok()) return {.body = "ok\n"};
  return {.status = kServiceUnavailable, .body = std::string(status.message()) + "\n"};
}

}  // namespace

std::map<std::string, http::Handler> health_routes(const Health& health) {
  return {{"/healthz", [&health](const http::Request&) { return answer(health.alive()); }},
          {"/readyz", [&health](const http::Request&) {
             const Status alive = health.alive();
             return answer(alive.ok() ? health.ready() : alive);
           }}};
}

}  // namespace mimicfleet::service
