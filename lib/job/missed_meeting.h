// Did a migration come when the traffic's longest transaction was there, as it was to? The moment
// goes by how long the command took to start without traffic, and a tool may start sooner or later
// the next time. Used by the during act. Pure.
#pragma once

#include <optional>

#include "base/clock.h"
#include "job/traffic_part.h"
#include "migration/profile.h"

namespace scry::job {

struct MissedMeeting {
  bool early = false;         // Else late.
  bool traffic_late = false;  // It was in time, and whom it was to meet may not have been.
  // Before the transaction held anything, or behind its last quarter; or so late was traffic.
  base::Micros by_us = 0;
  base::Micros first_lock_us = 0;  // When the migration came.
};

// The first statement that may stop others or writes rows; nullptr: there is none.
const migration::StatementProfile* FirstStrong(const migration::MigrationProfile& profile);

// `transaction`: in the profile's time, if traffic was played to the moment; `lag_us`: so late it
// was at most. A migration that waited for its lock, as queries are told to be blocked, or failed
// met somebody.
std::optional<MissedMeeting> Missed(const migration::MigrationProfile& profile,
                                    const TransactionSpan& transaction, base::Micros lag_us);

}  // namespace scry::job
