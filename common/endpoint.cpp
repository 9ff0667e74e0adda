#include "common/endpoint.h"

namespace mimicfleet {

bool is_local_endpoint(std::string_view endpoint) {
  constexpr std::string_view kTcp = "tcp://";
  if (!endpoint.starts_with(kTcp)) return true;
  endpoint.remove_prefix(kTcp.size());
  const std::string_view host = endpoint.substr(0, endpoint.rfind(':'));
  return host == "localhost" || host == "lo" || host == "[::1]" || host.starts_with("127.");
}

}  // namespace mimicfleet
