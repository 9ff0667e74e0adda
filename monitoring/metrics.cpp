#include "monitoring/metrics.h"

#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "common/mutex.h"
#include "monitoring/process_metrics.h"

namespace mimicfleet::monitoring {

void Counter::add(double by) const { counter_->Increment(by); }
void Gauge::set(double value) const { gauge_->Set(value); }
void Gauge::add(double by) const { gauge_->Increment(by); }
void Histogram::observe(double value) const { histogram_->Observe(value); }

namespace {

// A family whose series are asked for at each scrape.
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

struct Metrics::Impl {
  prometheus::Registry registry;
  mutable Mutex mutex;
  std::vector<std::function<void()>> refreshers GUARDED_BY(mutex);
  std::vector<ReadFamily> read_families GUARDED_BY(mutex);

  [[nodiscard]] std::vector<prometheus::MetricFamily> collect() const {
    const MutexLock lock(mutex);
    for (const auto& refresh : refreshers) refresh();
    auto families = registry.Collect();
    for (const auto& family : read_families) families.push_back(family.collect());
    for (auto& family : process_metrics()) families.push_back(std::move(family));
    return families;
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return Counter(
      prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry).Add(labels));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return Gauge(
      prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add(labels));
}

Histogram Metrics::histogram(const std::string& name, const std::string& help,
                             const std::vector<double>& buckets, const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return Histogram(family.Add(labels, prometheus::Histogram::BucketBoundaries(buckets)));
}

Family<Counter> Metrics::counters(const std::string& name, const std::string& help,
                                  const std::vector<Labels>& series) {
  std::map<Labels, Counter> made;
  for (const auto& labels : series) made.emplace(labels, counter(name, help, labels));
  return Family<Counter>(std::move(made));
}

Family<Gauge> Metrics::gauges(const std::string& name, const std::string& help,
                              const std::vector<Labels>& series) {
  std::map<Labels, Gauge> made;
  for (const auto& labels : series) made.emplace(labels, gauge(name, help, labels));
  return Family<Gauge>(std::move(made));
}

Family<Histogram> Metrics::histograms(const std::string& name, const std::string& help,
                                      const std::vector<Bucketed>& series) {
  std::map<Labels, Histogram> made;
  for (const auto& [labels, buckets] : series)
    made.emplace(labels, histogram(name, help, buckets, labels));
  return Family<Histogram>(std::move(made));
}

std::vector<Labels> every(const std::vector<Label>& labels) {
  std::vector<Labels> all = {{}};
  for (const auto& [name, values] : labels) {
    std::vector<Labels> longer;
    for (const auto& shorter : all) {
      for (const auto& value : values) longer.emplace_back(shorter)[name] = value;
    }
    all = std::move(longer);
  }
  return all;
}

std::vector<Bucketed> bucketed(const std::vector<Labels>& series,
                               const std::vector<double>& buckets) {
  std::vector<Bucketed> all;
  for (const auto& labels : series) all.push_back({labels, buckets});
  return all;
}

void ReadGauges::read_by(std::function<std::vector<Sample>()> read) const {
  metrics_->gauges(name_, help_, std::move(read));
}

Counter OpenCounters::of(const Labels& labels) const {
  return metrics_->counter(name_, help_, labels);
}

void Metrics::before_scrape(std::function<void()> refresh) {
  const MutexLock lock(impl_->mutex);
  impl_->refreshers.push_back(std::move(refresh));
}

void Metrics::gauges(std::string name, std::string help,
                     std::function<std::vector<Sample>()> read) {
  const MutexLock lock(impl_->mutex);
  impl_->read_families.push_back({std::move(name), std::move(help), std::move(read)});
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(impl_->collect());
}

}  // namespace mimicfleet::monitoring
