// Chooses which part of the captures to play beside a migration: around the longest transaction,
// since that is where a lock queue would form. Reads captures; blocks. Used by the during act.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"

namespace scry::job {

// Of one capture; times in its own time.
struct TrafficPart {
  std::string capture;
  base::Micros from_us = 0;
  base::Micros to_us = 0;
  bool whole = true;
  base::Micros transaction_us_max = 0;  // In the part.
  base::Micros migrate_us = 0;          // When the migration should come for its first strong lock.
  uint64_t statements = 0;              // Of the part.
};

// Follows open transactions. Pure; one capture.
class TransactionScan {
 public:
  struct Longest {
    base::Micros begin_us = 0;
    base::Micros end_us = 0;
  };
  void Take(const event::Event& event);
  Longest Finish();  // Transactions still open end with the capture.
  base::Micros end_us() const { return end_us_; }
  base::Micros begin_us() const { return begin_us_.value_or(0); }

 private:
  void End(uint64_t session, base::Micros at_us);
  std::map<uint64_t, base::Micros> open_;  // By session: since when.
  std::optional<base::Micros> begin_us_;
  base::Micros end_us_ = 0;
  Longest longest_;
};

// At most `length_us` of the capture with the longest transaction. REQUIRES: captures.
base::Result<TrafficPart> ChooseTrafficPart(const std::vector<std::string>& captures,
                                            base::Micros length_us);

}  // namespace scry::job
