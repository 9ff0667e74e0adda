#pragma once

#include <map>
#include <string>

#include "common/http/server.h"
#include "common/service/health.h"

namespace mimicfleet::service {

// /healthz: 200 while the main loop turns; /readyz: 200 while it also can do work; else 503. The
// body says `ok` or why not. `health` must outlive whoever serves them.
[[nodiscard]] std::map<std::string, http::Handler> health_routes(const Health& health);

}  // namespace mimicfleet::service
