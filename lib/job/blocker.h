// A session that is idle in a transaction, with the locks of one that has written to some tables
// and read some views: what a migration meets where the captured traffic has no long transaction.
// Used by the during act; a thread of its own holds on and lets go.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "migration/watch.h"
#include "pg/admin.h"
#include "pg/connection.h"
#include "pg/conninfo.h"

namespace scry::job {

class Blocker {
 public:
  // Holds them on return, and for `length_us` from when a backend of the watched migration begins
  // to wait for it. `relations`: OIDs; of an index, its table is meant. Null: none of them is one
  // that a transaction of the traffic would hold. The watch outlives it.
  static base::Result<std::unique_ptr<Blocker>> Begin(const pg::ConnInfo& fork,
                                                      const std::vector<uint32_t>& relations,
                                                      base::Micros length_us,
                                                      const migration::MigrationWatch& watch);
  ~Blocker() { (void)End(); }

  uint32_t pid() const { return holder_.backend_pid(); }
  // Lets go, if it has not by now. Monotonic time of when it did.
  base::Micros End();

 private:
  Blocker(pg::Connection holder, pg::AdminSession probe, base::Micros length_us,
          const migration::MigrationWatch& watch);
  void Hold(const std::stop_token& stop);

  pg::Connection holder_;
  pg::AdminSession probe_;
  const base::Micros length_us_;
  const migration::MigrationWatch& watch_;
  base::Micros ended_us_ = 0;  // Of the thread, until it is joined.
  std::jthread thread_;
};

}  // namespace scry::job
