// Relations that may differ between lanes by chance: a race that the order could not decide went
// one way on one lane and another way on the next. What touches them afterwards tells nothing of a
// change under test. Pure; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "base/clock.h"
#include "exchange/answer_reader.h"
#include "replay/footprint.h"

namespace scry::replay {

class Doubt {
 public:
  void Add(const std::vector<ObjectId>& changed) {
    objects_.insert(changed.begin(), changed.end());
  }
  // An exchange that touches or lets go of `objects` runs out of order: what runs beside it may see
  // it on one lane and not on the next.
  void Begin(uint64_t session, const std::vector<ObjectId>& objects);
  void End(uint64_t session, base::Micros now_us);
  // `since_us`: what touches them runs since then.
  bool Touches(const std::vector<ObjectId>& objects, base::Micros since_us) const;

 private:
  struct Passing {
    uint64_t session = 0;
    std::vector<ObjectId> objects;
    base::Micros ended_us = -1;  // -1: it runs.
  };
  std::set<ObjectId> objects_;
  std::deque<Passing> passing_;  // The latest ones.
};

// The relations of a footprint, once each, kEverything and kSequences among them: touched, changed,
// or let go at the end of a transaction.
std::vector<ObjectId> ObjectsTouched(const ExchangeFacts& facts);
std::vector<ObjectId> ObjectsReleased(const ExchangeFacts& facts);
std::vector<ObjectId> ObjectsChanged(const ExchangeFacts& facts);

// Did an exchange go another way on one lane by chance? Some lost a race that others did not; or
// equal lanes (baseline and control, where there is one) differ in an exchange of which that is to
// be expected (`by_chance`).
bool WentApart(const std::vector<exchange::Answers>& answers, bool by_chance);

}  // namespace scry::replay
