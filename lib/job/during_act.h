// The migration while traffic runs: on a fork of its own the captured traffic plays at its recorded
// pace, the migration command starts in the middle, and traffic goes on until the capture (or the
// part of it that is played) ends. Who waited for it, or failed, is told by the server's log, by
// replay and by the relay in front of the command together (blame.h); nothing rests on polling.
// Used by the test-migration job. Blocks; threads of its own run the command and the blocker.
//
//   capture -> part around its longest transaction -> again and again, as long as the command runs
//     -> replay (one lane, by the clock) -> SlowBook
//   command -> relay -> fork: MigrationWatch -> profile, waits     started so that its first strong
//   blocker -> fork: idle in transaction                           lock comes in the middle
//     => BlameMigration -> findings `blocked`   gave up behind the blocker -> once more, without it
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/policy.h"
#include "job/cause_finder.h"
#include "job/progress.h"
#include "job/run_watch.h"
#include "migration/command.h"
#include "migration/profile.h"
#include "report/report.h"
#include "shadow/fork.h"

namespace scry::job {

enum class DuringMode : uint8_t {
  kAuto,  // Where the migration took locks that stop others, wrote rows, or took something away.
  kAlways,
  kNever,
};

struct DuringOptions {
  DuringMode mode = DuringMode::kAuto;
  double speed = 1;  // Of the traffic.
  // A transaction that holds what one holds that wrote to the tables, from before the migration's
  // first strong lock, and lasts so long after the migration began to wait for it. 0: none. Empty:
  // kBlockerDefaultUs where the traffic has none of kLongTransactionUs; then it does not gate.
  std::optional<base::Micros> blocker_us;
  base::Micros lock_timeout_us = 0;  // 0: as the command sets it.
  uint64_t retries = 0;              // After a lock_timeout, or what would be one on production.
};

inline constexpr base::Micros kBlockerDefaultUs = 1000 * 1000;
inline constexpr base::Micros kLongTransactionUs = 500 * 1000;
// Of traffic that is played, so much before the migration's first strong lock and so much from then
// on: long enough for a queue to form and drain. For a migration that takes long it is more, and
// where the capture has no more it is played again from its beginning.
inline constexpr base::Micros kDuringBeforeUs = 5 * 1000 * 1000;
inline constexpr base::Micros kDuringAfterUs = 15 * 1000 * 1000;
// Under load the migration may take so many times longer than without; then its last queries drain.
inline constexpr base::Micros kDuringSlower = 2;
inline constexpr base::Micros kDuringDrainUs = 5 * 1000 * 1000;

struct DuringRequest {
  std::string lane = "during";  // Of the fork.
  DuringOptions options;
  std::vector<std::string> captures;
  compare::Policy policy;
  bool show_values = false;
  migration::CommandOptions command;  // But for its target.
  std::vector<std::string> fix;       // Run behind it, as a part of the migration. Empty: none.
  std::string role;                   // That the command connects as; empty: the superuser.
  // Of the run without traffic, the fix included.
  const migration::MigrationProfile* idle = nullptr;
  base::Micros idle_started_us = 0;  // Monotonic time.
  base::Micros idle_us = 0;
  // Of the source. The fork looks for deadlocks far earlier: so it logs waits.
  base::Micros deadlock_timeout_us = 0;
  std::string step = "migrate while traffic runs";  // For progress.
  // Does a query fail so, now and then, on a fork that no migration runs on? Empty: that is not
  // known.
  std::function<bool(uint64_t fingerprint, const std::string& sqlstate)> fails_anyway;
};

// Makes a fork of that lane, whose marker is checked, with DuringSettings().
using ForkMaker = std::function<base::Result<shadow::Fork*>(const std::string& lane)>;

struct DuringOutcome {
  shadow::Fork* fork = nullptr;         // That the migration ran on.
  bool gave_up = false;                 // Behind the supposed transaction: that is left out.
  std::vector<ExplainedFinding> known;  // Of findings that may have a cause in the catalogues.
  migration::MigrationProfile profile;  // Of the migration under load.
};

// Does the mode ask for it, after a run without traffic?
bool WantsDuring(DuringMode mode, const migration::MigrationProfile& idle);
// For ForkOptions::extra of the fork.
shadow::Settings DuringSettings();

// Fills report.during and adds its findings and notes. A migration that gives up behind a
// transaction that nobody asked for runs once more without that, on another fork: what it would do
// after that is to be seen too.
base::Result<DuringOutcome> RunDuring(const DuringRequest& request, const ForkMaker& make_fork,
                                      const RunWatch& watch, Progress& progress,
                                      report::Report& report);

}  // namespace scry::job
