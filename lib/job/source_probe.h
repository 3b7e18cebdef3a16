// Asks a source what a capture should know of it, over a short connection of its own that only
// reads. Used by the capture job, before the first client and after the last. Blocking; bounded by
// the limits below. What the role may not read leaves a note, not an error.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "event/source_snapshot.h"
#include "pg/conninfo.h"

namespace scry::job {

struct SourceProbeLimits {
  base::Micros connect_us = 3 * 1000 * 1000;
  base::Micros statement_us = 5 * 1000 * 1000;
  // Of all statements: past it the lists not yet read stay empty, with a note. A capture must not
  // wait for its snapshot.
  base::Micros total_us = 10 * 1000 * 1000;
  uint32_t sequences_max = 50000;
  uint32_t types_max = 100000;
  uint32_t relations_max = 100000;
  uint32_t columns_max = 200000;
};

struct SourceFacts {
  std::string server_version;  // As the server tells it: "15.4 (Debian 15.4-1)".
  event::SourceSnapshot snapshot;
};

// Fails only if there is no connection. The counts of transactions are left to CountTransactions.
base::Result<SourceFacts> ProbeSource(const pg::ConnInfo& source,
                                      const SourceProbeLimits& limits = {});

// Of the database of `source`, as the server has counted until now: its sessions report with up to
// a second of delay while they run, and at their end. Asking costs kCountCommits commits of our
// own.
struct TransactionCounts {
  uint64_t commits = 0;
  uint64_t rollbacks = 0;
};
inline constexpr uint64_t kCountCommits = 1;
base::Result<TransactionCounts> CountTransactions(const pg::ConnInfo& source,
                                                  const SourceProbeLimits& limits = {});

}  // namespace scry::job
