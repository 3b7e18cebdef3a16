#include "replay/identity_map.h"

namespace scry::replay {

std::string RowVersion(std::string_view xmin, const std::vector<std::string>& key) {
  std::string text(xmin);
  for (const std::string& value : key) text += ' ' + std::to_string(value.size()) + ':' + value;
  return text;
}

IdentityMap::Entry* IdentityMap::Find(const Index& index, const Key& key) {
  const auto found = index.find(key);
  if (found == index.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return &entries_.front();
}

IdentityMap::Entry& IdentityMap::Add(DomainId domain, const std::string& captured,
                                     const std::string& lane) {
  entries_.push_front({domain, captured, lane});
  by_captured_.emplace(Key{domain, entries_.front().captured}, entries_.begin());
  if (domain >= count_.size()) count_.resize(size_t{domain} + 1);
  ++count_[domain];
  return entries_.front();
}

bool IdentityMap::Put(DomainId domain, const std::string& captured, const std::string& lane) {
  if (Entry* known = Find(by_captured_, {domain, captured})) {
    known->lane = lane;
    return false;
  }
  if (captured == lane) return false;
  Add(domain, captured, lane);
  ForgetSome();
  return true;
}

bool IdentityMap::Learn(DomainId domain, const std::string& captured, const std::string& lane) {
  Entry* of_captured = Find(by_captured_, {domain, captured});
  Entry* of_lane = Find(by_lane_, {domain, lane});
  if (of_captured != nullptr && of_captured == of_lane) return false;
  if (of_captured != nullptr) of_captured->captured_ambiguous = true;
  if (of_lane != nullptr) of_lane->lane_ambiguous = true;
  if (of_captured != nullptr || of_lane != nullptr || captured == lane) return false;
  const Entry& entry = Add(domain, captured, lane);
  by_lane_.emplace(Key{domain, entry.lane}, entries_.begin());
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
  const bool other = entry->lane != entry->captured;
  return {other && !entry->captured_ambiguous, entry->captured_ambiguous, entry->lane};
}

IdentityMap::Found IdentityMap::ToCaptured(DomainId domain, std::string_view lane) {
  const Entry* entry = Find(by_lane_, {domain, lane});
  if (entry == nullptr) return {};
  return {!entry->lane_ambiguous, entry->lane_ambiguous, entry->captured};
}

}  // namespace scry::replay
