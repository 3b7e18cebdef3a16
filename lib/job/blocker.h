// A session that is idle in a transaction, with the locks of one that has written to some tables:
// what a migration meets where the captured traffic has no long transaction. Used by the during
// act; a thread of its own holds on and lets go.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
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
  // to wait for it. `tables`: OIDs; of an index, its table is meant. The watch outlives it.
  static base::Result<std::unique_ptr<Blocker>> Begin(const pg::ConnInfo& fork,
                                                      const std::vector<uint32_t>& tables,
                                                      base::Micros length_us,
                                                      const migration::MigrationWatch& watch);
  ~Blocker();

 private:
  Blocker(pg::Connection holder, pg::AdminSession probe, base::Micros length_us,
          const migration::MigrationWatch& watch);
  void Hold(const std::stop_token& stop);

  pg::Connection holder_;
  pg::AdminSession probe_;
  const base::Micros length_us_;
  const migration::MigrationWatch& watch_;
  std::jthread thread_;
};

}  // namespace scry::job
