#include "monitoring/metrics.h"

#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "monitoring/process_metrics.h"

namespace mimicfleet::monitoring {

void Counter::add(double by) const { counter_->Increment(by); }
void Gauge::set(double value) const { gauge_->Set(value); }
void Gauge::add(double by) const { gauge_->Increment(by); }
void Histogram::observe(double value) const { histogram_->Observe(value); }

const std::vector<double>& stage_seconds_buckets() {
  static const std::vector<double> buckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                              5,     10,   20,    30,   60,  120,  300, 600, 1800};
  return buckets;
}

namespace {

struct ReadFamily {
  std::string name;
  std::string help;
  std::function<std::vector<Sample>()> read;

  [[nodiscard]] prometheus::MetricFamily collect() const {
    prometheus::MetricFamily family{name, help, prometheus::MetricType::Gauge, {}};
    for (const auto& [labels, value] : read()) {
      auto& metric = family.metric.emplace_back();
      for (const auto& [label, text] : labels) metric.label.push_back({label, text});
      metric.gauge.value = value;
    }
    return family;
  }
};

}  // namespace

struct Metrics::Impl final : public prometheus::Collectable {
  prometheus::Registry registry;
  mutable std::mutex mutex;
  std::vector<std::function<void()>> refreshers;
  std::vector<ReadFamily> read_families;

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
    const std::lock_guard lock(mutex);
    for (const auto& refresh : refreshers) refresh();
    auto families = registry.Collect();
    for (const auto& family : read_families) families.push_back(family.collect());
    for (auto& family : process_metrics()) families.push_back(std::move(family));
    return families;
  }
};

Metrics::Metrics() : impl_(std::make_shared<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return Counter(prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry).Add(labels));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return Gauge(prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add(labels));
}

Histogram Metrics::histogram(const std::string& name, const std::string& help,
                             const std::vector<double>& buckets, const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return Histogram(family.Add(labels, prometheus::Histogram::BucketBoundaries(buckets)));
}

void Metrics::gauges(const std::string& name, const std::string& help,
                     std::function<std::vector<Sample>()> read) {
  const std::lock_guard lock(impl_->mutex);
  impl_->read_families.push_back({name, help, std::move(read)});
}

void Metrics::before_scrape(std::function<void()> refresh) {
  const std::lock_guard lock(impl_->mutex);
  impl_->refreshers.push_back(std::move(refresh));
}

std::string Metrics::text() const { return prometheus::TextSerializer().Serialize(impl_->Collect()); }

struct MetricsServer::Impl {
  std::shared_ptr<Metrics::Impl> metrics;
  std::unique_ptr<prometheus::Exposer> exposer;
  std::string host;
  std::uint16_t port = 0;
};

namespace {

void connect_once(const std::string& host, std::uint16_t port) {
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(port);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (::inet_pton(AF_INET, host.c_str(), &peer.sin_addr) == 1) {
    [[maybe_unused]] const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer));
  }
  ::close(fd);
}

}  // namespace

// The exposer's listener looks whether it should stop only every 2 s, or when somebody connects.
MetricsServer::~MetricsServer() {
  if (!impl_ || !impl_->exposer) return;
  std::promise<void> stopped;
  auto is_stopped = stopped.get_future();
  std::thread stopper([&] {
    impl_->exposer.reset();
    stopped.set_value();
  });
  do {
    connect_once(impl_->host, impl_->port);
  } while (is_stopped.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready);
  stopper.join();
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const std::string& address, Metrics& metrics) {
  const auto colon = address.rfind(':');
  std::string host = colon == std::string::npos ? "127.0.0.1" : address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  const std::string port_text = colon == std::string::npos ? address : address.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (host.empty() || error != std::errc() || end != port_text.data() + port_text.size()) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("'{}' is no address for metrics: it must be HOST:PORT, such as 127.0.0.1:9464, "
                              "or off",
                              address));
  }
  std::unique_ptr<MetricsServer> server(new MetricsServer());
  server->impl_ = std::make_unique<Impl>();
  server->impl_->metrics = metrics.impl_;
  try {
    const std::string bind_address = fmt::format("{}:{}", host, port);
    server->impl_->exposer = std::make_unique<prometheus::Exposer>(bind_address, 2);
    server->impl_->exposer->RegisterCollectable(server->impl_->metrics);
  } catch (const std::exception& failure) {
    return Status(StatusCode::kFailedPrecondition,
                  fmt::format("{}: metrics cannot be served there ({}): choose another address, or off",
                              address, failure.what()));
  }
  server->impl_->host = host;
  server->impl_->port = static_cast<std::uint16_t>(server->impl_->exposer->GetListeningPorts().at(0));
  server->address_ = fmt::format("{}:{}", host, server->impl_->port);
  return server;
}

}  // namespace mimicfleet::monitoring
