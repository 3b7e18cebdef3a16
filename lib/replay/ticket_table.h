// What belongs to tickets that are given out one after the other and handed back in about the same
// order: found by position instead of by hash. Room of long past tickets is given back even while a
// much older one is still out. Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace scry::replay {

template <typename T>
class TicketTable {
 public:
  using Ticket = uint64_t;  // From 1.

  // REQUIRES: `ticket` is larger than all before it. The reference stays until Erase.
  T& Add(Ticket ticket) {
    const uint64_t chunk = ticket / kChunk;
    if (chunks_.empty()) first_ = chunk;
    while (first_ + chunks_.size() <= chunk) chunks_.push_back(nullptr);
    std::unique_ptr<Chunk>& here = chunks_[chunk - first_];
    if (here == nullptr) here = std::make_unique<Chunk>();
    ++here->used;
    ++size_;
    return here->places[ticket % kChunk].emplace();
  }

  // nullptr: it is not in the table.
  T* Find(Ticket ticket) { return const_cast<T*>(std::as_const(*this).Find(ticket)); }
  const T* Find(Ticket ticket) const {
    const uint64_t chunk = ticket / kChunk;
    if (chunk < first_ || chunk - first_ >= chunks_.size()) return nullptr;
    const std::unique_ptr<Chunk>& here = chunks_[chunk - first_];
    if (here == nullptr) return nullptr;
    const std::optional<T>& place = here->places[ticket % kChunk];
    return place ? &*place : nullptr;
  }
  bool Contains(Ticket ticket) const { return Find(ticket) != nullptr; }

  void Erase(Ticket ticket) {
    if (!Contains(ticket)) return;
    std::unique_ptr<Chunk>& here = chunks_[ticket / kChunk - first_];
    here->places[ticket % kChunk].reset();
    --size_;
    if (--here->used > 0) return;
    here.reset();
    while (!chunks_.empty() && chunks_.front() == nullptr) {
      chunks_.pop_front();
      ++first_;
    }
  }

  // In the order of tickets; from `from` on.
  template <typename Each>
  void ForEach(Ticket from, Each each) {
    const uint64_t begin = from / kChunk > first_ ? from / kChunk - first_ : 0;
    for (uint64_t i = begin; i < chunks_.size(); ++i) {
      if (chunks_[i] == nullptr) continue;
      for (size_t place = 0; place < kChunk; ++place) {
        const Ticket ticket = (first_ + i) * kChunk + place;
        std::optional<T>& one = chunks_[i]->places[place];
        if (one && ticket >= from) each(ticket, *one);
      }
    }
  }

  size_t size() const { return size_; }

 private:
  static constexpr size_t kChunk = 64;
  struct Chunk {
    std::array<std::optional<T>, kChunk> places;
    size_t used = 0;
  };

  std::deque<std::unique_ptr<Chunk>> chunks_;  // nullptr: nothing is left of it.
  uint64_t first_ = 0;                         // Of chunks_, counted from the first there was.
  size_t size_ = 0;
};

}  // namespace scry::replay
