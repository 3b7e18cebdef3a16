#include "report/finding_origin.h"

#include <fmt/format.h>

#include <filesystem>

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

const MigrationStatement* FailedStatement(const Report& report) {
  if (!MigrationHasFailed(report) || report.causes.empty()) return nullptr;
  return StatementOf(report, report.causes.front());
}

MigrationFailure FailureOf(const Report& report) {
  MigrationFailure failure;
  failure.statement = FailedStatement(report);
  failure.id = "migration-failed";
  failure.text = "the migration failed: " + Printable(OneLine(report.sentence));
  if (failure.statement != nullptr) {
    failure.id += "-" + failure.statement->fingerprint;
    failure.text = fmt::format("{} fails with {}\n{}",
                               Printable(OneLine(failure.statement->text), kPatternColumns),
                               Printable(failure.statement->sqlstate), failure.text);
  }
  return failure;
}

bool LiesInRepository(const std::string& path) {
  const std::filesystem::path normal = std::filesystem::path(path).lexically_normal();
  return !normal.empty() && !normal.is_absolute() && *normal.begin() != "..";
}

std::optional<CodePlace> PlaceOf(const MigrationStatement* statement) {
  if (statement == nullptr || statement->line == 0 || !LiesInRepository(statement->file)) {
    return std::nullopt;
  }
  return CodePlace{statement->file, statement->line};
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

std::vector<std::string> UniqueIds(const Report& report) {
  std::vector<std::string> ids;
  std::map<std::string_view, uint64_t> seen;
  for (const Finding& finding : report.findings) {
    const uint64_t number = ++seen[finding.id];
    ids.push_back(number == 1 ? finding.id : fmt::format("{}-{}", finding.id, number));
  }
  return ids;
}

bool IsProblem(const Finding& finding) {
  return finding.type != "new" && finding.type != "faster" && finding.type != "ignored";
}

}  // namespace scry::report
