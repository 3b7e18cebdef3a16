// Relations that may differ between lanes by chance: a race that the order could not decide went
// one way on one lane and another way on the next. What touches them afterwards tells nothing of a
// change under test. What is not known to be touched is in doubt for a while only: it may be all
// there is, and a run of which nothing can be said proves nothing. So is what touches nobody knows
// what, as far as equal lanes tell apart what differs by chance. Pure; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "base/clock.h"
#include "exchange/answer_reader.h"
#include "replay/footprint.h"

namespace scry::replay {

// How an exchange went another way on one lane than on another by chance.
enum class Parting : uint8_t {
  kNone,
  kCandidate,  // The candidate alone lost a race, or won one. Chance, unless that is the rule.
  kOther,      // Any other lane, so that it can be no matter of the change.
};

class Doubt {
 public:
  // For how long what may be everything is in doubt.
  static constexpr base::Micros kEverythingUs = 1000 * 1000;

  // An exchange went apart; counted, to tell chance from rule.
  void Count(Parting parting);
  // What a transaction changed that went apart.
  void Add(const std::vector<ObjectId>& changed, Parting parting, base::Micros now_us);
  // An exchange that touches or lets go of `objects` runs out of order: what runs beside it may see
  // it on one lane and not on the next.
  void Begin(uint64_t session, const std::vector<ObjectId>& objects);
  void End(uint64_t session, base::Micros now_us);
  // `since_us`: what touches them runs since then.
  bool Touches(const std::vector<ObjectId>& objects, base::Micros since_us) const;

 private:
  // Each lane loses as many races by chance. Eight of nine on one lane are none.
  bool CandidateIsToBlame() const {
    constexpr uint64_t kPartingsMin = 8;
    return candidate_partings_ >= kPartingsMin &&
           candidate_partings_ >= kPartingsMin * other_partings_;
  }

  struct Passing {
    uint64_t session = 0;
    std::vector<ObjectId> objects;
    base::Micros ended_us = -1;  // -1: it runs.
  };
  std::set<ObjectId> objects_;
  std::set<ObjectId> by_candidate_;  // In doubt unless the candidate is to blame.
  base::Micros some_until_us_ = -1;  // Whoever touches nobody knows what may touch one of objects_.
  base::Micros everything_until_us_ = -1;
  uint64_t candidate_partings_ = 0;
  uint64_t other_partings_ = 0;
  std::deque<Passing> passing_;  // The latest ones.
};

// The relations of a footprint, once each, kEverything, kSequences and kAdvisoryLocks (which
// outlive their transactions) among them: touched, changed, or let go at the end of a transaction.
std::vector<ObjectId> ObjectsTouched(const ExchangeFacts& facts);
std::vector<ObjectId> ObjectsReleased(const ExchangeFacts& facts);
std::vector<ObjectId> ObjectsChanged(const ExchangeFacts& facts);

// Did an exchange go another way on one lane by chance? Some lost a race that others did not; or
// equal lanes (baseline and control, where there is one) differ in an exchange of which that is to
// be expected (`by_chance`).
Parting PartingOf(const std::vector<exchange::Answers>& answers, bool by_chance);

}  // namespace scry::replay
