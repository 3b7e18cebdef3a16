// A migration's profile as the report tells it. Used by the test-migration job. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "event/source_snapshot.h"
#include "migration/extrapolate.h"
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

// Sentences on what the watch may have missed. `when`: "during the migration"...
std::vector<std::string> GapNotes(const migration::WatchGaps& gaps, std::string_view when);

// Beside what FillMigration() told: what it would cost on production. Nothing where that is not
// known to be larger than the shadow.
void FillEstimates(const migration::MigrationProfile& profile,
                   const migration::ProductionSize& production, report::MigrationFacts& facts);
// Why some have none, in one sentence. Empty: nothing is missing. Pure.
std::string NoEstimateNote(const migration::MigrationProfile& profile,
                           const migration::ProductionSize& production);

// The tables' sizes when a capture began. Of several captures the largest counts.
void AddTableSizes(const event::SourceSnapshot& snapshot, migration::ProductionSize& size);

// The statement that a command which failed did so on: its last error. nullptr where it failed for
// another reason: none of its statements failed, or it recovered from that and went on.
const migration::StatementProfile* FailedStatement(
    const std::vector<migration::StatementProfile>& statements);

// Of a command that failed: on which statement, why, and what to do. Nothing without a failed
// statement.
void FillFailure(const migration::MigrationProfile& profile, bool show_values,
                 std::vector<report::Cause>& causes);

// May a statement be told with its literals?
bool TellsLiterals(const std::string& text, bool show_values);
// One statement's text, as above.
std::string TextOf(const migration::StatementProfile& statement, bool show_values);

}  // namespace scry::job
