// Chooses, of all executions of one pattern, the few that show most of its parameter space: the
// slowest, the ones with most and fewest rows, the extreme values, the frequent ones, and of all
// others each distinct set of parameters with the same chance, so that rare ones count. Used by
// SampleBook. The same executions and seed give the same choice. Bounded. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "replay/sample.h"

namespace scry::replay {

// One execution, as far as the choice needs it.
struct SampleOffer {
  uint64_t key = 0;         // Digest of everything that makes it differ from another one.
  std::string_view values;  // Its parameters; the longer one is the larger, then byte by byte.
  base::Micros elapsed_us = 0;
  uint64_t rows = 0;
};

class SampleSpread {
 public:
  SampleSpread(size_t samples_max, uint64_t seed);

  // Counts the execution. True: Put() it.
  bool Wants(const SampleOffer& offer);
  void Put(const SampleOffer& offer, Sample sample);

  // At most `samples_max`, the slowest first.
  std::vector<Sample> Chosen() const;
  size_t bytes() const { return bytes_; }  // Held, roughly.

 private:
  struct Extreme {
    bool set = false;
    uint64_t key = 0;
    uint64_t number = 0;
    std::string values;
  };
  struct Counted {
    uint64_t key = 0;
    uint64_t count = 0;
    uint64_t inherited = 0;  // Of `count`: from the one whose place it took.
    uint64_t sure() const { return count - inherited; }
  };
  enum Role : size_t { kSlowest, kMostRows, kLargest, kSmallest, kFewestRows, kRoles };

  void TakeNumber(Role role, uint64_t key, uint64_t number, bool larger);
  void TakeValues(Role role, const SampleOffer& offer, bool larger);
  void CountFrequent(uint64_t key);
  void TakeDistinct(uint64_t key);
  // In the order of Chosen(), once each.
  std::vector<uint64_t> Keys() const;

  const size_t samples_max_;
  const uint64_t seed_;
  std::array<Extreme, kRoles> extremes_;
  std::vector<Counted> frequent_;          // "Space saving": the heavy ones stay.
  std::map<uint64_t, uint64_t> distinct_;  // Hash of the key to the key: the smallest hashes.
  std::map<uint64_t, Sample> held_;        // By key.
  size_t bytes_ = 0;
};

}  // namespace scry::replay
