// A queue between two threads that never grows past its weight limit. The producer is refused,
// never blocked, unless it asks to wait: in capture a client must not stall behind a slow disk.
// Thread rule: any number of producers and consumers. Weights are bytes, chosen by the producer.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace scry::base {

template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t weight_max) : weight_max_(weight_max) {}

  // False: full or closed, and `item` is untouched. One item is always taken by an empty queue,
  // whatever its weight, or a large one could never pass.
  bool TryPush(T& item, size_t weight) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || (!items_.empty() && weight_ + weight > weight_max_)) return false;
      items_.emplace_back(std::move(item), weight);
      weight_ += weight;
    }
    filled_.notify_one();
    return true;
  }

  // Waits for room. False: closed.
  bool Push(T item, size_t weight) {
    {
      std::unique_lock lock(mutex_);
      drained_.wait(lock,
                    [&] { return closed_ || items_.empty() || weight_ + weight <= weight_max_; });
      if (closed_) return false;
      items_.emplace_back(std::move(item), weight);
      weight_ += weight;
    }
    filled_.notify_one();
    return true;
  }

  // Waits for an item. Empty: closed and drained.
  std::optional<T> Pop() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return closed_ || !items_.empty(); });
    return TakeLocked();
  }

  // Waits at most `timeout`. Empty: nothing came, or closed and drained (see drained()).
  std::optional<T> PopFor(std::chrono::microseconds timeout) {
    std::unique_lock lock(mutex_);
    filled_.wait_for(lock, timeout, [&] { return closed_ || !items_.empty(); });
    return TakeLocked();
  }

  std::optional<T> TryPop() {
    const std::unique_lock lock(mutex_);
    return TakeLocked();
  }

  // No more items are taken; those inside can still be popped.
  void Close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    filled_.notify_all();
    drained_.notify_all();
  }

  bool drained() const {
    const std::lock_guard lock(mutex_);
    return closed_ && items_.empty();
  }
  size_t weight() const {
    const std::lock_guard lock(mutex_);
    return weight_;
  }

 private:
  std::optional<T> TakeLocked() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front().first));
    weight_ -= items_.front().second;
    items_.pop_front();
    drained_.notify_one();
    return item;
  }

  const size_t weight_max_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable drained_;
  // Guarded by mutex_.
  std::deque<std::pair<T, size_t>> items_;
  size_t weight_ = 0;
  bool closed_ = false;
};

}  // namespace scry::base
