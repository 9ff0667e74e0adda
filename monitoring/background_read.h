#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "common/clock.h"
#include "common/mutex.h"

namespace mimicfleet::monitoring {

// Calls a function again and again on a thread of its own: for what may take long or hang, such as
// a network disk that is away. The end of this object does not wait for a call that hangs.
class BackgroundCalls {
 public:
  // `call` and what it uses may be in use after the end of this object: let it own all of that.
  BackgroundCalls(std::function<void()> call, std::chrono::milliseconds every);
  ~BackgroundCalls();
  BackgroundCalls(const BackgroundCalls&) = delete;
  BackgroundCalls& operator=(const BackgroundCalls&) = delete;

  // Whether the first call has ended; waits for that, but no longer than this.
  bool wait_for_first(std::chrono::milliseconds longest) const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

// The latest value of something that is read in the background. Usable from any thread.
template <typename Value>
class BackgroundRead {
 public:
  static constexpr std::chrono::milliseconds kEvery = std::chrono::seconds(10);
  // The constructor waits for the first value, but no longer than this.
  static constexpr std::chrono::milliseconds kFirst = std::chrono::seconds(1);
  static constexpr Duration kFresh = 4 * Duration(kEvery);

  // `read` must own what it uses, as above.
  explicit BackgroundRead(std::function<std::optional<Value>()> read,
                          std::shared_ptr<const Clock> clock = std::make_shared<SteadyClock>(),
                          std::chrono::milliseconds every = kEvery)
      : clock_(std::move(clock)),
        latest_(std::make_shared<Latest>()),
        calls_(
            [latest = latest_, clock = clock_, read = std::move(read)] {
              auto value = read();
              const MutexLock lock(latest->mutex);
              latest->value = std::move(value);
              latest->read_at = clock->now();
            },
            every) {
    calls_.wait_for_first(kFirst);
  }

  // None: nothing could be read, or not for so long that the value says nothing about now.
  [[nodiscard]] std::optional<Value> value() const {
    const MutexLock lock(latest_->mutex);
    if (clock_->now() - latest_->read_at > kFresh) return std::nullopt;
    return latest_->value;
  }

 private:
  struct Latest {
    Mutex mutex;
    std::optional<Value> value GUARDED_BY(mutex);
    Instant read_at GUARDED_BY(mutex);
  };
  std::shared_ptr<const Clock> clock_;
  std::shared_ptr<Latest> latest_;
  BackgroundCalls calls_;
};

}  // namespace mimicfleet::monitoring
