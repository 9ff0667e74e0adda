#include "monitoring/metrics_server.h"

#include <utility>

#include <fmt/format.h>

namespace mimicfleet::monitoring {
namespace {

// What Prometheus calls its text format.
constexpr char kTextFormat[] = "text/plain; version=0.0.4; charset=utf-8";

std::string index_page(const std::map<std::string, http::Handler>& routes) {
  std::string links;
  for (const auto& [path, handler] : routes) {
    links += fmt::format("<li><a href=\"{0}\">{0}</a></li>\n", path);
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta "
      "charset=\"utf-8\"><title>mimicfleet</title></head>\n"
      "<body>\n<h1>mimicfleet</h1>\n<ul>\n{}</ul>\n</body>\n</html>\n",
      links);
}

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(
    const std::string& address, const Metrics& metrics,
    std::map<std::string, http::Handler> routes) {
  routes.insert_or_assign("/metrics", [&metrics](const http::Request&) {
    return http::Response{.content_type = kTextFormat, .body = metrics.text()};
  });
  const http::Response index{.content_type = "text/html; charset=utf-8",
                             .body = index_page(routes)};
  routes.insert_or_assign("/", [index](const http::Request&) { return index; });
  auto server = http::Server::start(address, std::move(routes));
  if (!server.ok()) {
    const Status& why = server.status();
    return Status(why.code(), fmt::format("metrics: {} (--metrics; off for none)", why.message()));
  }
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(*server)));
}

}  // namespace mimicfleet::monitoring
