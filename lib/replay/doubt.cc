#include "replay/doubt.h"

#include <algorithm>

#include "event/lane_pair.h"
#include "replay/lost_race.h"

namespace scry::replay {
namespace {

void AddObject(std::vector<ObjectId>& objects, const Access& access) {
  const bool relation = access.object >= kFirstRelation || access.object == kSequences ||
                        access.object == kEverything;
  if (!relation || std::find(objects.begin(), objects.end(), access.object) != objects.end()) {
    return;
  }
  objects.push_back(access.object);
}

bool SameOutcome(const event::Outcome& a, const event::Outcome& b) {
  return a.status == b.status && a.sqlstate == b.sqlstate && a.tag == b.tag &&
         a.digest_unordered == b.digest_unordered;
}

bool Same(const exchange::Answers& a, const exchange::Answers& b) {
  return a.status == b.status &&
         std::equal(a.statements.begin(), a.statements.end(), b.statements.begin(),
                    b.statements.end(), [](const auto& one, const auto& other) {
                      return SameOutcome(one.outcome, other.outcome);
                    });
}

template <typename Objects>
bool Meet(const Objects& some, const std::vector<ObjectId>& others) {
  if (some.empty() || others.empty()) return false;
  const auto everything = [](ObjectId object) { return object == kEverything; };
  if (std::any_of(some.begin(), some.end(), everything)) return true;
  return std::any_of(others.begin(), others.end(), [&](ObjectId object) {
    return everything(object) || std::find(some.begin(), some.end(), object) != some.end();
  });
}

bool LostOne(const exchange::Answers& answers) {
  return std::any_of(answers.statements.begin(), answers.statements.end(),
                     [](const auto& one) { return IsLostRace(one.outcome); });
}

}  // namespace

void Doubt::Begin(uint64_t session, const std::vector<ObjectId>& objects) {
  constexpr size_t kPassingMax = 256;
  if (passing_.size() >= kPassingMax) {  // Then for good.
    Add(passing_.front().objects);
    passing_.pop_front();
  }
  passing_.push_back({session, objects, -1});
}

void Doubt::End(uint64_t session, base::Micros now_us) {
  for (Passing& passing : passing_) {
    if (passing.session == session && passing.ended_us < 0) passing.ended_us = now_us;
  }
}

bool Doubt::Touches(const std::vector<ObjectId>& objects, base::Micros since_us) const {
  if (Meet(objects_, objects)) return true;
  return std::any_of(passing_.begin(), passing_.end(), [&](const Passing& passing) {
    return (passing.ended_us < 0 || passing.ended_us >= since_us) && Meet(passing.objects, objects);
  });
}

std::vector<ObjectId> ObjectsTouched(const ExchangeFacts& facts) {
  std::vector<ObjectId> objects;
  for (const Access& touch : facts.footprint.touches) {
    // A snapshot is of everything, what is read with it has accesses of its own.
    const bool snapshot = facts.takes_snapshot && touch == Access{kEverything, 0, Mode::kRead};
    if (!snapshot) AddObject(objects, touch);
  }
  return objects;
}

std::vector<ObjectId> ObjectsReleased(const ExchangeFacts& facts) {
  std::vector<ObjectId> objects;
  for (const Access& release : facts.footprint.releases) AddObject(objects, release);
  return objects;
}

std::vector<ObjectId> ObjectsChanged(const ExchangeFacts& facts) {
  std::vector<ObjectId> objects;
  for (const Access& touch : facts.footprint.touches) {
    if (touch.mode != Mode::kRead && touch.mode != Mode::kKeyShare) AddObject(objects, touch);
  }
  return objects;
}

bool WentApart(const std::vector<exchange::Answers>& answers, bool by_chance) {
  if (answers.size() < 2) return false;
  const bool lost = LostOne(answers.front());
  for (const exchange::Answers& other : answers) {
    if (LostOne(other) != lost) return true;
  }
  constexpr auto kControl = static_cast<size_t>(event::LaneRole::kControl);
  const exchange::Answers& equal = answers[answers.size() > kControl ? kControl : 1];
  return by_chance && !Same(answers.front(), equal);
}

}  // namespace scry::replay
