#include "job/missed_meeting.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "compare/blocking.h"
#include "job/migration_reach.h"

namespace scry::job {

using base::Micros;
using migration::StatementProfile;

const StatementProfile* FirstStrong(const migration::MigrationProfile& profile) {
  const auto first =
      std::find_if(profile.statements.begin(), profile.statements.end(),
                   [](const StatementProfile& one) { return StopsOthers(one) || one.rows > 0; });
  return first == profile.statements.end() ? nullptr : &*first;
}

std::optional<MissedMeeting> Missed(const migration::MigrationProfile& profile,
                                    const TransactionSpan& transaction, Micros lag_us) {
  constexpr Micros kLastShare = 4;
  const StatementProfile* first = FirstStrong(profile);
  if (first == nullptr) return std::nullopt;
  std::set<uint32_t> pids;
  for (const StatementProfile& one : profile.statements) {
    if (!one.sqlstate.empty()) return std::nullopt;
    pids.insert(one.pid);
  }
  // Shorter ones are for a statement that was on its way.
  const auto met = [&](const migration::LockWaitEvent& wait) {
    return pids.contains(wait.pid) && wait.end_wall_us >= first->begin_us &&
           wait.end_wall_us - wait.begin_wall_us >= compare::kBlockedUs;
  };
  const bool waited = std::any_of(profile.waits.begin(), profile.waits.end(), met);
  if (waited) return std::nullopt;
  const Micros at_us = first->begin_us;
  const Micros late_us = transaction.end_us - transaction.length_us() / kLastShare;
  MissedMeeting missed;
  missed.first_lock_us = at_us;
  if (at_us < transaction.begin_us) {
    missed.early = true;
    missed.by_us = transaction.begin_us - at_us;
  } else if (at_us > late_us) {
    missed.by_us = at_us - late_us;
  } else if (lag_us > at_us - transaction.begin_us) {
    missed.traffic_late = true;
    missed.by_us = lag_us;
  } else {
    return std::nullopt;
  }
  return missed;
}

}  // namespace scry::job
