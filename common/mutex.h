#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>
#include <utility>

// The standard library's locks with clang's thread-safety attributes: `./dev check` compiles what
// uses them with clang, which then proves that whoever reads or writes a GUARDED_BY member holds
// its mutex. Other compilers see no attribute.
//
//   class Counter {
//    public:
//     void add() {
//       const MutexLock lock(mutex_);
//       add_locked();
//     }
//    private:
//     void add_locked() REQUIRES(mutex_) { ++value_; }
//     Mutex mutex_;
//     int value_ GUARDED_BY(mutex_) = 0;
//   };
//
// Constructors and destructors are not checked: nobody else has the object then.
#ifdef __clang__
#define THREAD_ATTRIBUTE(attribute) __attribute__((attribute))
#else
#define THREAD_ATTRIBUTE(attribute)
#endif

#define GUARDED_BY(mutex) THREAD_ATTRIBUTE(guarded_by(mutex))
#define REQUIRES(mutex) THREAD_ATTRIBUTE(requires_capability(mutex))
#define REQUIRES_SHARED(mutex) THREAD_ATTRIBUTE(requires_shared_capability(mutex))

namespace mimicfleet {

class THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  // For functions that are called with the mutex held where clang cannot see it, such as the
  // predicates of Condition.
  void assert_held() const THREAD_ATTRIBUTE(assert_capability(this)) {}

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds the mutex until it is gone, but between unlock() and lock().
class THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) THREAD_ATTRIBUTE(acquire_capability(mutex))
      : lock_(mutex.mutex_) {}
  ~MutexLock() THREAD_ATTRIBUTE(release_capability()) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() THREAD_ATTRIBUTE(acquire_capability()) { lock_.lock(); }
  void unlock() THREAD_ATTRIBUTE(release_capability()) { lock_.unlock(); }

 private:
  friend class Condition;
  std::unique_lock<std::mutex> lock_;
};

class Condition {
 public:
  void notify_all() { condition_.notify_all(); }

  // Until `is_true` says so; it is called with the mutex held and begins with
  // `mutex_.assert_held();`.
  template <typename Predicate>
  void wait(MutexLock& lock, Predicate is_true) {
    condition_.wait(lock.lock_, std::move(is_true));
  }
  // The same for at most `time`: what `is_true` said last.
  template <typename Time, typename Predicate>
  bool wait_for(MutexLock& lock, const Time& time, Predicate is_true) {
    return condition_.wait_for(lock.lock_, time, std::move(is_true));
  }

 private:
  std::condition_variable condition_;
};

// Many readers or one writer.
class THREAD_ATTRIBUTE(capability("shared mutex")) SharedMutex {
 public:
  void lock() THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  void lock_shared() THREAD_ATTRIBUTE(acquire_shared_capability()) { mutex_.lock_shared(); }
  bool try_lock_shared() THREAD_ATTRIBUTE(try_acquire_shared_capability(true)) {
    return mutex_.try_lock_shared();
  }
  void unlock_shared() THREAD_ATTRIBUTE(release_shared_capability()) { mutex_.unlock_shared(); }
  void assert_held_shared() const THREAD_ATTRIBUTE(assert_shared_capability(this)) {}

 private:
  std::shared_mutex mutex_;
};

class THREAD_ATTRIBUTE(scoped_lockable) ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) THREAD_ATTRIBUTE(acquire_shared_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() THREAD_ATTRIBUTE(release_generic_capability()) { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class THREAD_ATTRIBUTE(scoped_lockable) WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) THREAD_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.lock();
  }
  ~WriterLock() THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace mimicfleet
