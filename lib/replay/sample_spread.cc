#include "replay/sample_spread.h"

#include <algorithm>
#include <utility>

#include "base/random.h"

namespace scry::replay {
namespace {

constexpr size_t kFrequentMax = 8;
constexpr size_t kFrequentChosen = 2;

bool Larger(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() > b.size() : a > b;
}

}  // namespace

SampleSpread::SampleSpread(size_t samples_max, uint64_t seed)
    : samples_max_(samples_max), seed_(seed) {}

void SampleSpread::TakeNumber(Role role, uint64_t key, uint64_t number, bool larger) {
  Extreme& extreme = extremes_[role];
  if (extreme.set && (larger ? number <= extreme.number : number >= extreme.number)) return;
  extreme.set = true;
  extreme.key = key;
  extreme.number = number;
}

void SampleSpread::TakeValues(Role role, const SampleOffer& offer, bool larger) {
  Extreme& extreme = extremes_[role];
  if (extreme.set &&
      !(larger ? Larger(offer.values, extreme.values) : Larger(extreme.values, offer.values))) {
    return;
  }
  extreme.set = true;
  extreme.key = offer.key;
  extreme.values = offer.values;
}

void SampleSpread::CountFrequent(uint64_t key) {
  const auto known = std::find_if(frequent_.begin(), frequent_.end(),
                                  [&](const Counted& counted) { return counted.key == key; });
  if (known != frequent_.end()) {
    ++known->count;
    return;
  }
  if (frequent_.size() < kFrequentMax) {
    frequent_.push_back({key, 1, 0});
    return;
  }
  const auto least =
      std::min_element(frequent_.begin(), frequent_.end(),
                       [](const Counted& a, const Counted& b) { return a.count < b.count; });
  *least = {key, least->count + 1, least->count};
}

void SampleSpread::TakeDistinct(uint64_t key) {
  const uint64_t hash = base::Random(key ^ seed_).Next();
  if (distinct_.size() >= samples_max_ && hash > distinct_.rbegin()->first) return;
  distinct_.try_emplace(hash, key);
  if (distinct_.size() > samples_max_) distinct_.erase(std::prev(distinct_.end()));
}

bool SampleSpread::Wants(const SampleOffer& offer) {
  TakeNumber(kSlowest, offer.key,
             static_cast<uint64_t>(std::max<base::Micros>(offer.elapsed_us, 0)), true);
  TakeNumber(kMostRows, offer.key, offer.rows, true);
  TakeNumber(kFewestRows, offer.key, offer.rows, false);
  TakeValues(kLargest, offer, true);
  TakeValues(kSmallest, offer, false);
  CountFrequent(offer.key);
  TakeDistinct(offer.key);
  if (held_.contains(offer.key)) return false;
  const std::vector<uint64_t> keys = Keys();
  return std::find(keys.begin(), keys.end(), offer.key) != keys.end();
}

void SampleSpread::Put(const SampleOffer& offer, Sample sample) {
  bytes_ += WeightBytes(sample);
  held_.insert_or_assign(offer.key, std::move(sample));
  const std::vector<uint64_t> keys = Keys();
  std::erase_if(held_, [&](const auto& held) {
    if (std::find(keys.begin(), keys.end(), held.first) != keys.end()) return false;
    bytes_ -= WeightBytes(held.second);
    return true;
  });
}

std::vector<uint64_t> SampleSpread::Keys() const {
  std::vector<uint64_t> keys;
  const auto add = [&](uint64_t key) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  };
  for (size_t role = 0; role < kFewestRows; ++role) {
    if (extremes_[role].set) add(extremes_[role].key);
  }
  std::vector<Counted> frequent = frequent_;
  // What came once is not frequent, and holding each of them would cost a copy per execution.
  std::erase_if(frequent, [](const Counted& counted) { return counted.sure() < 2; });
  std::stable_sort(frequent.begin(), frequent.end(),
                   [](const Counted& a, const Counted& b) { return a.sure() > b.sure(); });
  for (size_t i = 0; i < frequent.size() && i < kFrequentChosen; ++i) add(frequent[i].key);
  if (extremes_[kFewestRows].set) add(extremes_[kFewestRows].key);
  for (const auto& [hash, key] : distinct_) add(key);
  for (const Counted& counted : frequent) add(counted.key);  // Held: they may become the first.
  return keys;
}

std::vector<Sample> SampleSpread::Chosen() const {
  std::vector<Sample> chosen;
  for (const uint64_t key : Keys()) {
    if (chosen.size() >= samples_max_) break;
    const auto held = held_.find(key);
    if (held != held_.end()) chosen.push_back(held->second);
  }
  return chosen;
}

}  // namespace scry::replay
