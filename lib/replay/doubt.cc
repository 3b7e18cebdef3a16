#include "replay/doubt.h"

#include <algorithm>

#include "event/lane_pair.h"
#include "replay/lost_race.h"

namespace scry::replay {
namespace {

void AddObject(std::vector<ObjectId>& objects, const Access& access) {
  const bool relation = access.object >= kFirstRelation || access.object == kEverything;
  if (!relation || std::find(objects.begin(), objects.end(), access.object) != objects.end()) {
    return;
  }
  objects.push_back(access.object);
}

bool SameOutcome(const event::Outcome& a, const event::Outcome& b, bool compare_rows) {
  if (a.status != b.status || a.sqlstate != b.sqlstate || a.tag != b.tag) return false;
  return !compare_rows || a.digest_unordered == b.digest_unordered;
}

bool Same(const exchange::Answers& a, const exchange::Answers& b, bool compare_rows) {
  return a.status == b.status &&
         std::equal(a.statements.begin(), a.statements.end(), b.statements.begin(),
                    b.statements.end(), [&](const auto& one, const auto& other) {
                      return SameOutcome(one.outcome, other.outcome, compare_rows);
                    });
}

bool LostOne(const exchange::Answers& answers) {
  return std::any_of(answers.statements.begin(), answers.statements.end(),
                     [](const auto& one) { return IsLostRace(one.outcome); });
}

}  // namespace

bool Doubt::Touches(const std::vector<ObjectId>& objects) const {
  if (objects_.empty()) return false;
  if (objects_.contains(kEverything)) return !objects.empty();
  return std::any_of(objects.begin(), objects.end(), [&](ObjectId object) {
    return object == kEverything || objects_.contains(object);
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

std::vector<ObjectId> ObjectsChanged(const ExchangeFacts& facts) {
  std::vector<ObjectId> objects;
  for (const Access& touch : facts.footprint.touches) {
    if (touch.mode != Mode::kRead && touch.mode != Mode::kKeyShare) AddObject(objects, touch);
  }
  return objects;
}

bool WentApart(const std::vector<exchange::Answers>& answers, bool by_chance, bool compare_rows) {
  if (answers.size() < 2) return false;
  const bool lost = LostOne(answers.front());
  for (const exchange::Answers& other : answers) {
    if (LostOne(other) != lost) return true;
  }
  constexpr auto kControl = static_cast<size_t>(event::LaneRole::kControl);
  const exchange::Answers& equal = answers[answers.size() > kControl ? kControl : 1];
  return by_chance && !Same(answers.front(), equal, compare_rows);
}

}  // namespace scry::replay
