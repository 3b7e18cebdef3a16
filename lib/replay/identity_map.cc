#include "replay/identity_map.h"

namespace scry::replay {

IdentityMap::Entry* IdentityMap::Find(const Index& index, const Key& key) {
  const auto found = index.find(key);
  if (found == index.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &entries_.front();
}

bool IdentityMap::Learn(DomainId domain, const std::string& captured, const std::string& lane) {
  Entry* of_captured = Find(by_captured_, {domain, captured});
  Entry* of_lane = Find(by_lane_, {domain, lane});
  if (of_captured != nullptr && of_captured == of_lane) return false;
  if (of_captured != nullptr) of_captured->captured_ambiguous = true;
  if (of_lane != nullptr) of_lane->lane_ambiguous = true;
  if (of_captured != nullptr || of_lane != nullptr || captured == lane) return false;
  entries_.push_front({domain, captured, lane});
  const auto entry = entries_.begin();
  by_captured_.emplace(Key{domain, entry->captured}, entry);
  by_lane_.emplace(Key{domain, entry->lane}, entry);
  if (domain >= count_.size()) count_.resize(size_t{domain} + 1);
  ++count_[domain];
  ForgetSome();
  return true;
}

void IdentityMap::ForgetSome() {
  while (entries_.size() > entries_max_) {
    const Entry& last = entries_.back();
    by_captured_.erase({last.domain, last.captured});
    by_lane_.erase({last.domain, last.lane});
    --count_[last.domain];
    ++forgotten_;
    entries_.pop_back();
  }
}

IdentityMap::Found IdentityMap::ToLane(DomainId domain, std::string_view captured) {
  const Entry* entry = Find(by_captured_, {domain, captured});
  if (entry == nullptr) return {};
  return {!entry->captured_ambiguous, entry->captured_ambiguous, entry->lane};
}

IdentityMap::Found IdentityMap::ToCaptured(DomainId domain, std::string_view lane) {
  const Entry* entry = Find(by_lane_, {domain, lane});
  if (entry == nullptr) return {};
  return {!entry->lane_ambiguous, entry->lane_ambiguous, entry->captured};
}

}  // namespace scry::replay
