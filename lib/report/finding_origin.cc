#include "report/finding_origin.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/table.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::OneLine;
using base::Printable;

constexpr size_t kPatternColumns = 200;

}  // namespace

const MigrationStatement* StatementOf(const Report& report, const Cause& cause) {
  // A report that was read may say anything.
  if (!cause.statement_index || *cause.statement_index >= report.migration.statements.size()) {
    return nullptr;
  }
  return &report.migration.statements[*cause.statement_index];
}

const MigrationStatement* FailedStatement(const MigrationFacts& migration) {
  if (migration.exit_status == 0) return nullptr;
  const auto failed =
      std::find_if(migration.statements.begin(), migration.statements.end(),
                   [](const MigrationStatement& statement) { return !statement.sqlstate.empty(); });
  return failed == migration.statements.end() ? nullptr : &*failed;
}

Origins::Origins(const Report& report) : report_(report) {
  for (const Cause& cause : report.causes) {
    for (const std::string& id : cause.findings) causes_.emplace(id, &cause);
  }
  for (const MigrationStatement& statement : report.migration.statements) {
    if (!statement.fingerprint.empty()) statements_.emplace(statement.fingerprint, &statement);
  }
}

FindingOrigin Origins::Of(const Finding& finding) const {
  FindingOrigin origin;
  const auto cause = causes_.find(finding.id);
  if (cause != causes_.end()) {
    origin.cause = cause->second;
    origin.statement = StatementOf(report_, *cause->second);
  }
  // What blocks is itself a statement of the migration.
  const auto statement = statements_.find(finding.fingerprint);
  if (finding.type == "blocked" && statement != statements_.end()) {
    origin.statement = statement->second;
  }
  return origin;
}

std::string PlaceText(const MigrationStatement& statement) {
  return statement.file.empty() ? "" : fmt::format("{}:{}", statement.file, statement.line);
}

std::string FindingMessage(const Finding& finding, const FindingOrigin& origin) {
  std::string text;
  if (origin.cause != nullptr) text = Printable(OneLine(origin.cause->sentence)) + "\n";
  text += Shorten(Printable(OneLine(finding.pattern)), kPatternColumns);
  if (finding.has_latency) {
    text += fmt::format("\n{} -> {} ({})", base::FormatDuration(finding.before.p50_us),
                        base::FormatDuration(finding.after.p50_us), Factor(finding.factor));
  }
  for (const std::string& reason : finding.reasons) text += "\n" + Printable(OneLine(reason));
  if (!finding.plan.sentence.empty()) text += "\n" + Printable(OneLine(finding.plan.sentence));
  return text;
}

bool IsProblem(const Finding& finding) {
  return finding.type != "new" && finding.type != "faster" && finding.type != "ignored";
}

}  // namespace scry::report
