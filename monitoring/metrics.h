#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/status.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

// What a process tells Prometheus. Names are `mimicfleet_*` in base units (`_seconds`, `_bytes`, `_total`);
// labels take values from small fixed sets, never file names, keys or ids. Make every label value when the
// process starts, so that rates exist from the first scrape.
namespace mimicfleet::monitoring {

using Labels = std::map<std::string, std::string>;

// Handles: cheap to copy, usable from any thread while their Metrics lives.
class Counter {
 public:
  void add(double by = 1) const;

 private:
  friend class Metrics;
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  prometheus::Counter* counter_;
};

class Gauge {
 public:
  void set(double value) const;
  void add(double by) const;

 private:
  friend class Metrics;
  explicit Gauge(prometheus::Gauge& gauge) : gauge_(&gauge) {}
  prometheus::Gauge* gauge_;
};

class Histogram {
 public:
  void observe(double value) const;

 private:
  friend class Metrics;
  explicit Histogram(prometheus::Histogram& histogram) : histogram_(&histogram) {}
  prometheus::Histogram* histogram_;
};

// One series of a family that is read anew at each scrape.
struct Sample {
  Labels labels;
  double value = 0;
};

// From 5 ms to 30 minutes: a small clip's stages on a CPU as well as a long clip's sampling.
[[nodiscard]] const std::vector<double>& stage_seconds_buckets();

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same name and labels give the same metric again. A name of another kind or help text is a
  // programmer's error.
  [[nodiscard]] Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
  [[nodiscard]] Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  [[nodiscard]] Histogram histogram(const std::string& name, const std::string& help,
                                    const std::vector<double>& buckets, const Labels& labels = {});

  // Gauges that come and go with what they are about: each scrape has those that `read` returns then, on the
  // scrape's thread. No two have the same labels. The name belongs to them alone.
  void gauges(const std::string& name, const std::string& help, std::function<std::vector<Sample>()> read);

  // Called before every scrape, on the server's thread: for gauges that are read rather than kept.
  void before_scrape(std::function<void()> refresh);

  // The text that a scrape gets, the process's own metrics (memory, CPU, file descriptors) included.
  [[nodiscard]] std::string text() const;

 private:
  friend class MetricsServer;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Serves /metrics over HTTP.
class MetricsServer {
 public:
  // `address` is HOST:PORT, port 0 for any free one. A port alone means the loopback interface, never all of
  // them. kInvalidArgument: malformed; kFailedPrecondition: the address is taken or not ours.
  [[nodiscard]] static Result<std::unique_ptr<MetricsServer>> start(const std::string& address,
                                                                    Metrics& metrics);
  ~MetricsServer();

  [[nodiscard]] const std::string& address() const { return address_; }  // the port filled in

 private:
  MetricsServer() = default;
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace mimicfleet::monitoring
