// A migration's profile as the report tells it. Used by the test-migration job. Pure.
#pragma once

#include "base/clock.h"
#include "migration/profile.h"
#include "report/report.h"

namespace scry::job {

// `started_us`: when the command did, of the clock's monotonic time. Texts with their literals only
// with `show_values`; of statements that set passwords never.
// What it did, by start since `started_us`; at most 1,000.
std::vector<report::MigrationStatement> StatementsOf(const migration::MigrationProfile& profile,
                                                     base::Micros started_us, bool show_values);

void FillMigration(const migration::MigrationProfile& profile, base::Micros started_us,
                   bool show_values, report::MigrationFacts& facts);

// One statement's text, as above.
std::string TextOf(const migration::StatementProfile& statement, bool show_values);

}  // namespace scry::job
