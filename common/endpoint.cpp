#include "common/endpoint.h"

#include <charconv>

namespace mimicfleet {

bool is_local_endpoint(std::string_view endpoint) {
  constexpr std::string_view kTcp = "tcp://";
  if (!endpoint.starts_with(kTcp)) return true;
  endpoint.remove_prefix(kTcp.size());
  const std::string_view host = split_host_and_port(endpoint).host;
  return host == "localhost" || host == "lo" || host == "[::1]" || host.starts_with("127.");
}

HostAndPort split_host_and_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace mimicfleet
