#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

// What a process tells Prometheus. Names are `mimicfleet_*` in base units (`_seconds`, `_bytes`,
// `_total`); labels take values from small fixed sets, never file names, keys or ids. Make every
// label value when the process starts, so that rates exist from the first scrape.
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

// One series of a gauge and what it says now.
struct Sample {
  Labels labels;
  double value = 0;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same name and labels give the same metric again. A name of another kind or help text is a
  // programmer's error.
  [[nodiscard]] Counter counter(const std::string& name, const std::string& help,
                                const Labels& labels = {});
  [[nodiscard]] Gauge gauge(const std::string& name, const std::string& help,
                            const Labels& labels = {});
  [[nodiscard]] Histogram histogram(const std::string& name, const std::string& help,
                                    const std::vector<double>& buckets, const Labels& labels = {});

  // Called before every scrape, on one of the server's threads and one scrape at a time: for gauges
  // that are read rather than kept. What it reads must live as long as this object is scraped.
  void before_scrape(std::function<void()> refresh);

  // Gauges whose series come and go (one a worker, one a job): `read` gives those of now, before
  // every scrape and on the server's thread. Only it may bring in label values that are not from a
  // small fixed set, and then says how many at most.
  void gauges(std::string name, std::string help, std::function<std::vector<Sample>()> read);

  // The text that a scrape gets, the process's own metrics (memory, CPU, file descriptors)
  // included.
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimicfleet::monitoring
