#include "base/bounded_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/catch.h"

namespace scry::base {
namespace {

using namespace std::chrono_literals;

bool TryPush(BoundedQueue<int>& queue, int item, size_t weight) {
  return queue.TryPush(item, weight);
}

TEST_CASE("items leave in the order they came", "[base]") {
  BoundedQueue<int> queue(100);
  for (int i = 0; i < 10; ++i) CHECK(TryPush(queue, i, 1));
  for (int i = 0; i < 10; ++i) CHECK(queue.TryPop() == i);
  CHECK_FALSE(queue.TryPop().has_value());
}

TEST_CASE("a full queue refuses and leaves the item with the producer", "[base]") {
  BoundedQueue<std::unique_ptr<int>> queue(10);
  auto first = std::make_unique<int>(1);
  CHECK(queue.TryPush(first, 6));
  CHECK(first == nullptr);
  auto second = std::make_unique<int>(2);
  CHECK_FALSE(queue.TryPush(second, 5));
  REQUIRE(second != nullptr);
  CHECK(*second == 2);
  CHECK(queue.TryPush(second, 4));
  CHECK(queue.weight() == 10);
}

TEST_CASE("one item passes an empty queue whatever its weight", "[base]") {
  BoundedQueue<int> queue(10);
  CHECK(TryPush(queue, 1, 1000));
  CHECK_FALSE(TryPush(queue, 2, 1));
  CHECK(queue.TryPop() == 1);
  CHECK(queue.weight() == 0);
  CHECK(TryPush(queue, 2, 1));
}

TEST_CASE("a closed queue takes nothing and gives what it has", "[base]") {
  BoundedQueue<int> queue(10);
  CHECK(TryPush(queue, 1, 1));
  queue.Close();
  CHECK_FALSE(TryPush(queue, 2, 1));
  CHECK_FALSE(queue.Push(3, 1));
  CHECK_FALSE(queue.drained());
  CHECK(queue.Pop() == 1);
  CHECK(queue.drained());
  CHECK_FALSE(queue.Pop().has_value());
  CHECK_FALSE(queue.PopFor(1h).has_value());
}

TEST_CASE("waiting for an item that does not come ends", "[base]") {
  BoundedQueue<int> queue(10);
  CHECK_FALSE(queue.PopFor(1ms).has_value());
  CHECK_FALSE(queue.drained());
}

TEST_CASE("closing wakes all who wait", "[base]") {
  BoundedQueue<int> empty(10);
  BoundedQueue<int> full(1);
  CHECK(TryPush(full, 1, 1));
  std::atomic<int> woken = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] { woken += empty.Pop().has_value() ? 100 : 1; });
    threads.emplace_back([&] { woken += full.Push(2, 1) ? 100 : 1; });
  }
  empty.Close();
  full.Close();
  for (std::thread& thread : threads) thread.join();
  CHECK(woken == 6);
}

TEST_CASE("threads lose nothing, double nothing and keep each producer's order", "[base]") {
  constexpr int kProducers = 4;
  constexpr int kItems = 5000;
  BoundedQueue<std::pair<int, int>> queue(64);
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i) {
        std::pair<int, int> item{p, i};
        // Half of them come from producers that never wait.
        if (p % 2 == 0) {
          queue.Push(item, static_cast<size_t>(1 + i % 7));
        } else {
          while (!queue.TryPush(item, static_cast<size_t>(1 + i % 7))) std::this_thread::yield();
        }
      }
    });
  }
  std::vector<std::vector<std::pair<int, int>>> taken(3);
  std::vector<std::thread> consumers;
  for (auto& mine : taken) {
    consumers.emplace_back([&queue, &mine] {
      while (auto item = queue.Pop()) mine.push_back(*item);
    });
  }
  for (std::thread& thread : producers) thread.join();
  queue.Close();
  for (std::thread& thread : consumers) thread.join();

  std::vector<std::pair<int, int>> all;
  for (const auto& mine : taken) {
    std::vector<int> last(kProducers, -1);
    bool ordered = true;
    for (const auto& [producer, index] : mine) {
      ordered = ordered && index > last[static_cast<size_t>(producer)];
      last[static_cast<size_t>(producer)] = index;
    }
    CHECK(ordered);
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  CHECK(all.size() == size_t{kProducers} * kItems);
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  CHECK(queue.weight() == 0);
  CHECK(queue.drained());
}

TEST_CASE("many small items leaving let one heavy waiting producer in", "[base]") {
  BoundedQueue<int> queue(10);
  for (int i = 0; i < 10; ++i) CHECK(TryPush(queue, i, 1));
  std::thread producer([&] { queue.Push(99, 10); });
  for (int i = 0; i < 10; ++i) CHECK(queue.Pop() == i);
  CHECK(queue.Pop() == 99);
  producer.join();
}

}  // namespace
}  // namespace scry::base
