// Which value of a lane is which of production's, for values that each made itself (numbers of a
// sequence, UUIDs), by where they come from. One for each lane. Pure; one thread. Values are texts
// as ReadValue has them (identity_value.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace scry::replay {

// A column that makes its values itself, and all that refer to it. 0: none.
using DomainId = uint32_t;

// A version of a row, as text: its xmin and its primary key.
std::string RowVersion(std::string_view xmin, const std::vector<std::string>& key);

class IdentityMap {
 public:
  // Past `entries_max`, those used least recently are forgotten.
  explicit IdentityMap(size_t entries_max) : entries_max_(entries_max) {}
  IdentityMap(const IdentityMap&) = delete;
  IdentityMap& operator=(const IdentityMap&) = delete;

  // Equal values make no entry: what is not known is the same on both sides. True: it is new.
  bool Learn(DomainId domain, const std::string& captured, const std::string& lane);

  // Of values that many rows have and that stand for others from one row to the next (xmin): what
  // was said last holds, and only towards the lane. True: it is new. REQUIRES: no Learn() of that
  // domain.
  bool Put(DomainId domain, const std::string& captured, const std::string& lane);

  struct Found {
    bool known = false;      // `value` is another than the one asked for.
    bool ambiguous = false;  // It stands for several: nobody knows which one is meant.
    std::string_view value;  // Valid until the next call of Learn.
  };
  Found ToLane(DomainId domain, std::string_view captured);
  Found ToCaptured(DomainId domain, std::string_view lane);

  bool empty() const { return entries_.empty(); }
  bool Has(DomainId domain) const { return domain < count_.size() && count_[domain] > 0; }
  size_t size() const { return entries_.size(); }
  uint64_t forgotten() const { return forgotten_; }

 private:
  struct Entry {
    DomainId domain = 0;
    std::string captured;
    std::string lane;
    bool captured_ambiguous = false;  // Lanes made several values for it.
    bool lane_ambiguous = false;
  };
  using Entries = std::list<Entry>;
  struct Key {
    DomainId domain = 0;
    std::string_view value;  // Into an entry.
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return std::hash<std::string_view>()(key.value) ^ (key.domain * 0x9e3779b97f4a7c15ULL);
    }
  };
  using Index = std::unordered_map<Key, Entries::iterator, KeyHash>;

  Entry* Find(const Index& index, const Key& key);
  Entry& Add(DomainId domain, const std::string& captured, const std::string& lane);
  void ForgetSome();

  const size_t entries_max_;
  Entries entries_;  // Most recently used first.
  Index by_captured_;
  Index by_lane_;
  std::vector<size_t> count_;  // By domain.
  uint64_t forgotten_ = 0;
};

}  // namespace scry::replay
