#include "job/split_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/letter_case.h"
#include "base/units.h"
#include "cause/safe_rewrite.h"
#include "compare/verdict.h"
#include "event/plain_sql.h"
#include "event/statement_facts.h"
#include "job/migration_report.h"
#include "migration/log_settings.h"
#include "os/directory.h"
#include "os/user.h"
#include "pg/admin.h"

namespace scry::job {
namespace {

using base::FormatDuration;
using base::Micros;
using base::Result;
using base::Status;

// By place in the script.
using Rewrites = std::map<size_t, std::vector<std::string>>;

constexpr mode_t kScriptMode = 0600;  // It may hold values.

bool IsBlocked(const report::Finding& finding) {
  return finding.type == compare::Name(compare::FindingClass::kBlocked);
}

// As the during act tells its statements.
std::string Told(const std::string& pattern) {
  return base::Printable(base::OneLine(pattern), 2000);
}

Micros EstimatedUs(const report::Finding& finding, const report::Report& report) {
  Micros longest = 0;
  for (const report::MigrationStatement& statement : report.migration.statements) {
    if (statement.fingerprint == finding.fingerprint) {
      longest = std::max(longest, statement.held_us_estimated);
    }
  }
  return longest;
}

Micros EstimatedUs(const SplitPlan& plan, const report::Report& report) {
  Micros longest = 0;
  for (const report::Finding& finding : report.findings) {
    if (!plan.fingerprints.contains(finding.fingerprint)) continue;
    longest = std::max(longest, EstimatedUs(finding, report));
  }
  return longest;
}

bool IsToBeMended(const report::Finding& finding, const report::Report& report,
                  const compare::Policy& policy) {
  return IsBlocked(finding) &&
         (finding.gates || EstimatedUs(finding, report) > policy.lock.max_wait_us);
}

// What a set of statements made others wait.
struct Waits {
  uint64_t blocked = 0;
  Micros wait_us_max = 0;

  Micros stall_us = 0;

  void Add(const report::BlockingStatement& statement) {
    blocked += statement.blocked + statement.failed;
    wait_us_max = std::max(wait_us_max, statement.wait_us_max);
    stall_us += statement.stall_us;
  }
};

std::set<std::string> RewrittenTexts(const SplitPlan& plan, const report::Report& report) {
  std::set<std::string> texts;
  for (const report::Finding& finding : report.findings) {
    if (plan.fingerprints.contains(finding.fingerprint)) texts.insert(Told(finding.pattern));
  }
  return texts;
}

// Of the statements that are rewritten and of those in their place; and of those that stay as they
// are, without and with the others rewritten.
struct TrialWaits {
  Waits before;
  Waits fixed;
  Waits left_before;
  Waits left_fixed;
};
TrialWaits WaitsOf(const SplitPlan& plan, const SplitOutcome& outcome,
                   const report::Report& report) {
  const std::set<std::string> rewritten = RewrittenTexts(plan, report);
  std::set<std::string> left;
  TrialWaits waits;
  for (const report::BlockingStatement& statement : report.during.statements_blocking) {
    if (!rewritten.contains(statement.text)) left.insert(statement.text);
    (rewritten.contains(statement.text) ? waits.before : waits.left_before).Add(statement);
  }
  for (const report::BlockingStatement& statement : outcome.during.statements_blocking) {
    (left.contains(statement.text) ? waits.left_fixed : waits.fixed).Add(statement);
  }
  return waits;
}

// Queries that no longer wait for what is rewritten may wait for what is left instead.
bool OnlyMoves(const TrialWaits& waits) {
  return waits.left_fixed.stall_us > waits.left_before.stall_us + waits.before.stall_us / 2;
}

Micros TookUs(const report::DuringFacts& during) {
  Micros sum = 0;
  for (const auto& statement : during.migration_statements) sum += statement.duration_us;
  return sum;
}

// What blocks of the migration as it is, and is not rewritten.
std::set<std::string> LeftBlocking(const SplitPlan& plan, const report::Report& report) {
  std::set<std::string> left;
  for (const report::Finding& finding : report.findings) {
    if (IsBlocked(finding) && !plan.fingerprints.contains(finding.fingerprint)) {
      left.insert(finding.fingerprint);
    }
  }
  return left;
}

std::string Paste(const std::string& sql, bool show_values) {
  if (TellsLiterals(sql, show_values)) return sql;
  return event::AnalyzeQuery(sql).front().pattern;
}

bool IsLogSetting(const std::string& name) {
  const auto names = migration::LogSettingNames();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// State, such as sizes and statistics, differs by itself; and so do identities.
std::string SchemaChange(const cause::Catalog& wanted, const cause::Catalog& got) {
  for (const cause::Change& change : cause::DiffCatalogs(wanted, got, /*copies=*/false)) {
    // The forks were told what to log.
    if (change.kind() == "setting" && IsLogSetting(change.object().Fact("name"))) continue;
    if (change.type != cause::ChangeType::kChanged || !change.facts.empty()) {
      return cause::Describe(change);
    }
  }
  return {};
}

Result<std::string> SchemaChangeOn(const shadow::Fork& fork, const cause::Catalog& wanted) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(fork.Info()));
  SCRY_TRY_ASSIGN(const cause::Catalog got, cause::ReadCatalog(session));
  return SchemaChange(wanted, got);
}

// The longest that a lock which stops others would be held there.
Micros HeldOnProduction(const migration::MigrationProfile& profile,
                        const migration::ProductionSize& production) {
  report::MigrationFacts facts;
  FillMigration(profile, 0, /*show_values=*/false, facts);
  FillEstimates(profile, production, facts);
  Micros longest = 0;
  for (size_t i = 0; i < std::min(facts.statements.size(), profile.statements.size()); ++i) {
    const auto& locks = profile.statements[i].locks;
    const bool stops = std::any_of(locks.begin(), locks.end(),
                                   [](const auto& lock) { return migration::StopsTraffic(lock); });
    if (stops) longest = std::max(longest, facts.statements[i].held_us_estimated);
  }
  return longest;
}

// Behind a lock that is held to the end of the transaction nobody sees what later statements of it
// would have blocked.
void AddMasked(const std::vector<migration::RecordedStatement>& script,
               const LaneCatalogs& catalogs, Rewrites& rewrites) {
  const Rewrites found = rewrites;
  for (const auto& [place, sql] : found) {
    const auto [from, to] = TransactionAround(script, place);
    for (size_t i = from; i < to; ++i) {
      if (rewrites.contains(i)) continue;
      auto own = cause::SafeRewrite(script[i].sql, catalogs.before, catalogs.after);
      if (!own.empty()) rewrites.emplace(i, std::move(own));
    }
  }
}

// Each by itself: what it would be replaced by, if it could be run again.
std::vector<migration::RecordedStatement> StatementsOf(const migration::MigrationProfile& profile) {
  std::vector<migration::RecordedStatement> statements;
  for (const migration::StatementProfile& one : profile.statements) {
    const auto plain = event::PlainStatementsOf(one.text);
    if (one.ordinal >= plain.size()) continue;
    statements.push_back({plain[one.ordinal].sql, one.fingerprint, event::StatementKind::kOther});
  }
  return statements;
}

Result<SplitOutcome> Run(const SplitTrialRequest& request, const ForkMaker& make_fork,
                         const RunWatch& watch, Progress& progress) {
  std::string script;
  for (const std::string& sql : request.plan.migration.script) script += sql + ";\n";
  SCRY_TRY(os::StoreText(request.script_file, script, kScriptMode, os::CurrentUser()));
  report::Report scratch;
  SCRY_TRY_ASSIGN(const DuringOutcome during,
                  RunDuring(request.during, make_fork, watch, progress, scratch));
  SplitOutcome outcome;
  outcome.during = std::move(scratch.during);
  outcome.findings = std::move(scratch.findings);
  if (const auto* failed = FailedStatement(during.profile.statements)) {
    outcome.failed_on = fmt::format("{} failed with {}", Told(failed->pattern), failed->sqlstate);
  }
  outcome.held_us_estimated = HeldOnProduction(during.profile, request.production);
  SCRY_TRY_ASSIGN(outcome.schema_change, SchemaChangeOn(*during.fork, request.wanted));
  return outcome;
}

// What fails beside the safe form and did not beside the migration as it is; nullptr: nothing.
const report::Finding* NewlyBroken(const SplitOutcome& outcome, const report::Report& report) {
  for (const report::Finding& finding : outcome.findings) {
    const bool known =
        std::any_of(report.findings.begin(), report.findings.end(),
                    [&](const report::Finding& one) { return one.id == finding.id; });
    if (finding.gates && !IsBlocked(finding) && !known) return &finding;
  }
  return nullptr;
}

}  // namespace

std::optional<SplitPlan> PlanSplit(const migration::MigrationProfile& profile,
                                   const LaneCatalogs& catalogs, const report::Report& report,
                                   const compare::Policy& policy) {
  const auto script = profile.script.empty() ? StatementsOf(profile) : profile.script;
  SplitPlan plan;
  Rewrites rewrites;
  for (const report::Finding& finding : report.findings) {
    if (!IsToBeMended(finding, report, policy)) continue;
    Rewrites own;
    size_t calls = 0;
    for (size_t i = 0; i < script.size(); ++i) {
      if (event::FingerprintText(script[i].fingerprint) != finding.fingerprint) continue;
      ++calls;
      auto sql = cause::SafeRewrite(script[i].sql, catalogs.before, catalogs.after);
      if (!sql.empty()) own.emplace(i, std::move(sql));
    }
    if (own.empty() || own.size() != calls) continue;
    rewrites.merge(own);
    plan.findings.push_back(finding.id);
    plan.fingerprints.insert(finding.fingerprint);
  }
  if (rewrites.empty()) return std::nullopt;
  if (profile.script.empty()) {
    plan.why_not = profile.why_no_script;
    return plan;
  }
  if (catalogs.before.cut || catalogs.after.cut) {
    plan.why_not = "the database has more objects than are compared";
    return plan;
  }
  AddMasked(script, catalogs, rewrites);
  auto split = SplitUp(script, rewrites);
  if (split) {
    plan.migration = std::move(*split);
  } else {
    plan.why_not = "a transaction of the migration has to stay whole";
  }
  return plan;
}

std::string WhyNoFix(const SplitPlan& plan, const SplitOutcome& outcome,
                     const report::Report& report, const compare::Policy& policy) {
  const report::DuringFacts& during = outcome.during;
  if (during.exit_status != 0) {
    return outcome.failed_on.empty() ? fmt::format("it ended with status {}", during.exit_status)
                                     : outcome.failed_on;
  }
  if (during.unloaded_us > 0) {
    return fmt::format("it ran {} of its time without any traffic",
                       FormatDuration(during.unloaded_us));
  }
  if (!outcome.schema_change.empty()) return "it ends in another schema: " + outcome.schema_change;
  if (const report::Finding* broken = NewlyBroken(outcome, report)) {
    return fmt::format("of {}, queries fail beside it: {}", Told(broken->pattern),
                       broken->reasons.empty() ? broken->sqlstate : broken->reasons.front());
  }
  const std::set<std::string> left = LeftBlocking(plan, report);
  for (const report::Finding& finding : outcome.findings) {
    if (!IsBlocked(finding) || !finding.gates || left.contains(finding.fingerprint)) continue;
    const std::string reason = finding.reasons.empty() ? "blocks" : finding.reasons.front();
    return fmt::format("of {}, {}", Told(finding.pattern), reason);
  }
  const TrialWaits waits = WaitsOf(plan, outcome, report);
  if (OnlyMoves(waits)) {
    return fmt::format("queries wait for other statements of the migration instead, {} in all",
                       FormatDuration(waits.left_fixed.stall_us));
  }
  if (outcome.held_us_estimated > policy.lock.max_wait_us && left.empty()) {
    return fmt::format("on production it would hold a lock for about {} (an estimate)",
                       FormatDuration(outcome.held_us_estimated));
  }
  return {};
}

report::Fix FixOf(const SplitPlan& plan, const SplitOutcome& outcome, const report::Report& report,
                  bool show_values) {
  report::Fix fix;
  fix.kind = "split migration";
  fix.findings = plan.findings;
  bool hidden = false;
  bool concurrent = false;
  bool if_not_exists = false;
  for (const std::string& sql : plan.migration.changed) {
    const std::string shown = Paste(sql, show_values);
    hidden = hidden || shown != sql;
    const std::string upper = base::UpperAscii(sql);
    const bool own = upper.find(" CONCURRENTLY ") != std::string::npos;
    concurrent = concurrent || own;
    if_not_exists = if_not_exists || (own && upper.find(" IF NOT EXISTS ") != std::string::npos);
    fix.sql.push_back(shown + ";");
  }
  const TrialWaits waits = WaitsOf(plan, outcome, report);
  fix.waits = {waits.before.wait_us_max, waits.fixed.wait_us_max, waits.before.blocked,
               waits.fixed.blocked,      TookUs(report.during),   TookUs(outcome.during)};
  fix.sentence =
      "in place of the migration's own: ends in the same schema, and keeps to the policy while the "
      "same traffic runs";
  if (!LeftBlocking(plan, report).empty()) {
    fix.sentence += "; what blocks of its other statements stays";
  }
  if (const Micros held_us = EstimatedUs(plan, report); held_us > 0) {
    fix.sentence +=
        fmt::format("; on production the original would hold a lock for about {} (an estimate)",
                    FormatDuration(held_us));
  }
  if (outcome.during.blocker_supposed && fix.waits->blocked_fixed > 0) {
    fix.sentence += fmt::format(
        "; who still waits does so behind the transaction of {} that scry "
        "added",
        FormatDuration(outcome.during.blocker_us));
  }
  if (concurrent) {
    fix.advice.emplace_back(
        "CONCURRENTLY does not run inside a transaction; where it fails, drop the invalid index");
    if (if_not_exists) {
      fix.advice.emplace_back(
          "IF NOT EXISTS takes an invalid index for one: drop it before it is tried again");
    }
  }
  if (plan.migration.splits) {
    fix.advice.emplace_back(
        "It is no longer one transaction: where a part fails, what came before it stays");
  }
  if (fix.waits->blocked_fixed > 0) {
    fix.advice.emplace_back(
        concurrent ? "SET lock_timeout = '200ms' before the statements that are not CONCURRENTLY, "
                     "and try again what fails: nobody then waits longer; SET lock_timeout = 0 for "
                     "those that are, which wait for older transactions and stop nobody"
                   : "SET lock_timeout = '200ms' before it, and try again what fails: nobody then "
                     "waits longer");
  }
  if (hidden) {
    fix.advice.emplace_back("Its literals are left out here: --show-values shows them");
  }
  return fix;
}

Status TrySplit(const SplitTrialRequest& request, const ForkMaker& make_fork, const RunWatch& watch,
                Progress& progress, report::Report& report) {
  const auto outcome = Run(request, make_fork, watch, progress);
  SCRY_TRY(watch.Check());
  const std::string why = outcome.ok()
                              ? WhyNoFix(request.plan, *outcome, report, request.during.policy)
                              : outcome.error().message;
  if (!why.empty()) {
    report.notes.push_back("The safe form of what blocks traffic was tried, and is no fix: " +
                           base::Printable(base::OneLine(why), 300) + ".");
    return {};
  }
  report.fixes.push_back(FixOf(request.plan, *outcome, report, request.during.show_values));
  const auto& mended = report.fixes.back().findings;
  for (report::Finding& finding : report.findings) {
    // The fix says it in SQL.
    if (std::find(mended.begin(), mended.end(), finding.id) != mended.end()) finding.advice.clear();
  }
  return {};
}

}  // namespace scry::job
