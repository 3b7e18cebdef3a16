// What a migration reaches that others use, by its run without traffic: whom it may disturb, and by
// which names they call that. Used by the during act. Pure, but for NamesOver().
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "migration/lock_mode.h"
#include "migration/profile.h"
#include "pg/conninfo.h"

namespace scry::job {

bool StopsOthers(const migration::StatementProfile& statement);
// OIDs of what the migration locks so that others stop; of many, the first.
std::vector<uint32_t> StoppedRelations(const migration::MigrationProfile& profile);
// Tables that existed before and that it wrote rows to or rewrote.
std::set<std::string> WrittenTables(const migration::MigrationProfile& profile);
// What is dropped, renamed or revoked is gone for others until it is put back, whatever lock that
// takes: a function, a schema and a right have none that stops queries.
bool TakesAway(const migration::MigrationProfile& profile);
// Names by which the traffic may call what the migration locks or writes: tables, and views and
// partitioned tables over them; and the strongest lock that it wants there. Asks the fork.
base::Result<std::map<std::string, migration::LockMode>> NamesOver(
    const migration::MigrationProfile& profile, const pg::ConnInfo& fork);

}  // namespace scry::job
