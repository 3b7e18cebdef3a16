// Which statement of the migration a cause comes from: the one that does to the cause's object what
// the cause says was done to it. Where no single one can be told, none is named. Used by the
// test-migration job. Pure.
#pragma once

#include "migration/profile.h"
#include "report/report.h"

namespace scry::job {

// Fills statement and statement_index of the report's causes. `profile` is what the report's
// statements were filled from.
void TieCauses(const migration::MigrationProfile& profile, report::Report& report);

}  // namespace scry::job
