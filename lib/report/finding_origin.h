// Where a finding comes from: its cause, the statement of the migration behind it and, where that
// is known, the line of a file. For writers whose readers look at the change, not at the database.
// Pure; what is handed out points into the report.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "report/report.h"

namespace scry::report {

struct FindingOrigin {
  const Cause* cause = nullptr;                   // nullptr: none is known.
  const MigrationStatement* statement = nullptr;  // The same.
  // A statement with a line.
  bool placed() const { return statement != nullptr && !statement->file.empty(); }
};

class Origins {
 public:
  explicit Origins(const Report& report);
  FindingOrigin Of(const Finding& finding) const;

 private:
  const Report& report_;
  std::map<std::string_view, const Cause*> causes_;                   // By finding.
  std::map<std::string_view, const MigrationStatement*> statements_;  // By fingerprint.
};

// nullptr: the cause has no statement.
const MigrationStatement* StatementOf(const Report& report, const Cause& cause);
// The first statement of a migration that failed, or nullptr.
const MigrationStatement* FailedStatement(const MigrationFacts& migration);

// "db/3.sql:12"; empty: not known.
std::string PlaceText(const MigrationStatement& statement);

// A line each: why, which query, how much, and what follows from that. Printable.
std::string FindingMessage(const Finding& finding, const FindingOrigin& origin);

// Findings that are no problem are of no use where only problems are shown.
bool IsProblem(const Finding& finding);

}  // namespace scry::report
