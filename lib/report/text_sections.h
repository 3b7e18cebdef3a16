// The sections of a text report, each written where it stands in the page. Called by WriteText().
#pragma once

#include "report/report.h"
#include "report/text_page.h"
#include "report/text_writer.h"

namespace scry::report {

// What a command that failed printed last.
void WriteMigrationOutput(const Report& report, TextPage& page);
// Cause first: what one of them did to several patterns is told once.
void WriteCauses(const Report& report, TextPage& page);
// Kind by kind, the worst first.
void WriteFindings(const Report& report, const TextOptions& options, TextPage& page);
// Statement by statement, and what waited for them.
void WriteMigration(const Report& report, TextPage& page);
void WriteFixes(const Report& report, TextPage& page);
// What was ignored, not judged or thin, and what was tested.
void WriteCoverage(const Report& report, const TextOptions& options, TextPage& page);

}  // namespace scry::report
