#include "replay/doubt.h"

#include <algorithm>

#include "event/lane_pair.h"
#include "replay/lost_race.h"

namespace scry::replay {
namespace {

void AddObject(std::vector<ObjectId>& objects, const Access& access) {
  const bool told = access.object >= kFirstRelation || access.object == kSequences ||
                    access.object == kAdvisoryLocks || access.object == kEverything;
  if (!told || std::find(objects.begin(), objects.end(), access.object) != objects.end()) {
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

bool HoldsEverything(const std::vector<ObjectId>& objects) {
  return std::find(objects.begin(), objects.end(), kEverything) != objects.end();
}

bool Share(const std::set<ObjectId>& some, const std::vector<ObjectId>& others) {
  return std::any_of(others.begin(), others.end(),
                     [&](ObjectId object) { return some.contains(object); });
}

bool Meet(const std::vector<ObjectId>& some, const std::vector<ObjectId>& others) {
  if (some.empty() || others.empty()) return false;
  if (HoldsEverything(some) || HoldsEverything(others)) return true;
  return std::any_of(others.begin(), others.end(), [&](ObjectId object) {
    return std::find(some.begin(), some.end(), object) != some.end();
  });
}

bool LostOne(const exchange::Answers& answers) {
  return std::any_of(answers.statements.begin(), answers.statements.end(),
                     [](const auto& one) { return IsLostRace(one.outcome); });
}

}  // namespace

void Doubt::Count(Parting parting) {
  candidate_partings_ += parting == Parting::kCandidate ? 1U : 0U;
  other_partings_ += parting == Parting::kOther ? 1U : 0U;
}

void Doubt::Add(const std::vector<ObjectId>& changed, Parting parting, base::Micros now_us) {
  if (parting == Parting::kNone) return;
  const bool candidate = parting == Parting::kCandidate;
  std::set<ObjectId>& objects = candidate ? by_candidate_ : objects_;
  for (const ObjectId object : changed) {
    if (object != kEverything) {
      objects.insert(object);
      if (!candidate) some_until_us_ = std::max(some_until_us_, now_us + kEverythingUs);
    } else if (!candidate || !CandidateIsToBlame()) {
      everything_until_us_ = std::max(everything_until_us_, now_us + kEverythingUs);
    }
  }
}

void Doubt::Begin(uint64_t session, const std::vector<ObjectId>& objects) {
  constexpr size_t kPassingMax = 256;
  if (passing_.size() >= kPassingMax) {  // Then for good, as far as it is known what it touches.
    const std::vector<ObjectId>& touched = passing_.front().objects;
    objects_.insert(touched.begin(), touched.end());
    objects_.erase(kEverything);
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
  if (objects.empty()) return false;
  if (since_us <= everything_until_us_ || Share(objects_, objects)) return true;
  const bool unknown = HoldsEverything(objects);
  if (unknown && since_us <= some_until_us_) return true;
  // What the candidate alone did otherwise no equal lane can tell apart from the change under test.
  const bool by_candidate = Share(by_candidate_, objects) || (unknown && !by_candidate_.empty());
  if (by_candidate && !CandidateIsToBlame()) return true;
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

Parting PartingOf(const std::vector<exchange::Answers>& answers, bool by_chance) {
  constexpr auto kCandidate = static_cast<size_t>(event::LaneRole::kCandidate);
  constexpr auto kControl = static_cast<size_t>(event::LaneRole::kControl);
  if (answers.size() <= kCandidate) return Parting::kNone;
  const bool lost = LostOne(answers.front());
  if (answers.size() > kControl && LostOne(answers[kControl]) != lost) return Parting::kOther;
  if (LostOne(answers[kCandidate]) != lost) {
    // Of two lanes, the one that loses is the odd one.
    return answers.size() > kControl || !lost ? Parting::kCandidate : Parting::kOther;
  }
  const exchange::Answers& equal = answers[answers.size() > kControl ? kControl : kCandidate];
  return by_chance && !Same(answers.front(), equal) ? Parting::kOther : Parting::kNone;
}

}  // namespace scry::replay
