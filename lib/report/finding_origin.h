// Where a finding comes from: its cause, the statement of the migration behind it and, where that
// is known, the line of a file. For writers whose readers look at the change, not at the database.
// Pure; what is handed out points into the report.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/report.h"

namespace scry::report {

struct FindingOrigin {
  const Cause* cause = nullptr;                   // nullptr: none is known.
  const MigrationStatement* statement = nullptr;  // The same.
};

// A line of a file, as reviews name it: by its path in the repository.
struct CodePlace {
  std::string path;
  uint64_t line = 1;
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
// The statement that a failed migration failed on, or nullptr: the one that its cause names. What
// was tried and recovered from is none.
const MigrationStatement* FailedStatement(const Report& report);
// For forms that list problems and have no verdict: the failure as one of them. `id`: the same for
// the same statement in every run.
struct MigrationFailure {
  const MigrationStatement* statement = nullptr;
  std::string id;
  std::string text;  // Printable.
};
MigrationFailure FailureOf(const Report& report);

// Code hosts know files of the repository alone: a path that leads out of it is none to them.
bool LiesInRepository(const std::string& path);
// Nothing where no line is known, or where the file lies outside of the repository.
std::optional<CodePlace> PlaceOf(const MigrationStatement* statement);
// "db/3.sql:12", wherever the file lies; empty: not known.
std::string PlaceText(const MigrationStatement& statement);

// A line each: why, which query, how much, and what follows from that. Printable.
std::string FindingMessage(const Finding& finding, const FindingOrigin& origin);

// An id for each finding that no other of the report has, for forms that hold nothing twice: its
// own, and numbered where a report has it again.
std::vector<std::string> UniqueIds(const Report& report);

// Findings that are no problem are of no use where only problems are shown.
bool IsProblem(const Finding& finding);

}  // namespace scry::report
