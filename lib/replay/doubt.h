// Relations that may differ between lanes by chance: a race that the order could not decide went
// one way on one lane and another way on the next. What touches them afterwards tells nothing of a
// change under test. Pure; one thread.
#pragma once

#include <set>
#include <vector>

#include "exchange/answer_reader.h"
#include "replay/footprint.h"

namespace scry::replay {

class Doubt {
 public:
  void Add(const std::vector<ObjectId>& changed) {
    objects_.insert(changed.begin(), changed.end());
  }
  bool Touches(const std::vector<ObjectId>& objects) const;
  bool empty() const { return objects_.empty(); }

 private:
  std::set<ObjectId> objects_;
};

// The relations of a footprint, once each, kEverything among them: touched, or only those changed.
std::vector<ObjectId> ObjectsTouched(const ExchangeFacts& facts);
std::vector<ObjectId> ObjectsChanged(const ExchangeFacts& facts);

// Did an exchange go another way on one lane by chance? Some lost a race that others did not; or
// equal lanes (baseline and control, where there is one) differ in an exchange of which that is to
// be expected (`by_chance`; then results count too if `compare_rows`).
bool WentApart(const std::vector<exchange::Answers>& answers, bool by_chance, bool compare_rows);

}  // namespace scry::replay
