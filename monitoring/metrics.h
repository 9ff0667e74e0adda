#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/enum_names.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

// What a process tells Prometheus. Names are `mimicfleet_*` in base units (`_seconds`, `_bytes`,
// `_total`); labels take values from small fixed sets, never file names, keys or ids. Make every
// label value when the process starts, so that rates exist from the first scrape.
//
// A program has a table of its metrics: a struct whose members are made by Metrics, so that a row
// is all of a metric but the place that sets it.
namespace mimicfleet::monitoring {

using Labels = std::map<std::string, std::string>;

// Handles: cheap to copy, usable from any thread while their Metrics lives.
class Counter {
 public:
  void add(double by = 1) const;
  template <std::integral Whole>
  void add(Whole by) const {
    add(static_cast<double>(by));
  }

 private:
  friend class Metrics;
  explicit Counter(prometheus::Counter& counter) : counter_(&counter) {}
  prometheus::Counter* counter_;
};

class Gauge {
 public:
  void set(double value) const;
  template <std::integral Whole>
  void set(Whole value) const {
    set(static_cast<double>(value));
  }
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

// The series of one metric, each with its labels; none comes later.
template <typename Handle>
class Family {
 public:
  explicit Family(std::map<Labels, Handle> series) : series_(std::move(series)) {}

  [[nodiscard]] const Handle& at(const Labels& labels) const { return series_.at(labels); }
  // Null: there is no such series.
  [[nodiscard]] const Handle* find(const Labels& labels) const {
    const auto found = series_.find(labels);
    return found == series_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const std::map<Labels, Handle>& series() const { return series_; }

 private:
  std::map<Labels, Handle> series_;
};

struct Label {
  std::string name;
  std::vector<std::string> values;
};

template <NamedEnum Enum>
[[nodiscard]] std::string text(Enum value) {
  return std::string(to_string(value));
}

// A label whose values are the names of these, or of all values of an enum.
template <typename Values>
[[nodiscard]] Label label(std::string name, const Values& values) {
  Label made{std::move(name), {}};
  for (const auto value : values) made.values.push_back(text(value));
  return made;
}
template <NamedEnum Enum>
[[nodiscard]] Label label(std::string name) {
  Label made{std::move(name), {}};
  for (const auto& [value, spelling] : enum_names(Enum{})) {
    if (to_string(value) == spelling) made.values.emplace_back(spelling);
  }
  return made;
}

// Every combination of their values.
[[nodiscard]] std::vector<Labels> every(const std::vector<Label>& labels);

// A histogram's series.
struct Bucketed {
  Labels labels;
  std::vector<double> buckets;
};
[[nodiscard]] std::vector<Bucketed> bucketed(const std::vector<Labels>& series,
                                             const std::vector<double>& buckets);

// One series of a gauge and what it says now.
struct Sample {
  Labels labels;
  double value = 0;
};

class Metrics;

// Gauges whose series come and go (one a worker, one a job).
class ReadGauges {
 public:
  // `read` gives those of now, before every scrape and on the server's thread. Only it may bring in
  // label values that are not from a small fixed set, and then says how many at most.
  void read_by(std::function<std::vector<Sample>()> read) const;

 private:
  friend class Metrics;
  ReadGauges(Metrics& metrics, std::string name, std::string help)
      : metrics_(&metrics), name_(std::move(name)), help_(std::move(help)) {}
  Metrics* metrics_;
  std::string name_;
  std::string help_;
};

// Counters whose series come as their labels become known; whoever asks for them bounds how many.
class OpenCounters {
 public:
  [[nodiscard]] Counter of(const Labels& labels) const;

 private:
  friend class Metrics;
  OpenCounters(Metrics& metrics, std::string name, std::string help)
      : metrics_(&metrics), name_(std::move(name)), help_(std::move(help)) {}
  Metrics* metrics_;
  std::string name_;
  std::string help_;
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
  [[nodiscard]] Family<Counter> counters(const std::string& name, const std::string& help,
                                         const std::vector<Labels>& series);
  [[nodiscard]] Family<Gauge> gauges(const std::string& name, const std::string& help,
                                     const std::vector<Labels>& series);
  [[nodiscard]] Family<Histogram> histograms(const std::string& name, const std::string& help,
                                             const std::vector<Bucketed>& series);
  [[nodiscard]] ReadGauges read_gauges(std::string name, std::string help) {
    return {*this, std::move(name), std::move(help)};
  }
  [[nodiscard]] OpenCounters open_counters(std::string name, std::string help) {
    return {*this, std::move(name), std::move(help)};
  }

  // Called before every scrape, on one of the server's threads and one scrape at a time: for gauges
  // that are read rather than kept. What it reads must live as long as this object is scraped.
  void before_scrape(std::function<void()> refresh);

  // See ReadGauges::read_by().
  void gauges(std::string name, std::string help, std::function<std::vector<Sample>()> read);

  // The text that a scrape gets, the process's own metrics (memory, CPU, file descriptors)
  // included.
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mimicfleet::monitoring
