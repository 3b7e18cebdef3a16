#include "job/migration_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

#include "base/letter_case.h"
#include "base/units.h"
#include "cause/failure_rules.h"
#include "compare/difference.h"
#include "event/statement_facts.h"

namespace scry::job {
namespace {

constexpr size_t kStatementsMax = 1000;
constexpr size_t kTextColumnsMax = 2000;
constexpr size_t kListMax = 200;
constexpr size_t kLocksMax = 100;

std::vector<std::string> Front(const std::vector<std::string>& names) {
  return {names.begin(), names.begin() + static_cast<ptrdiff_t>(std::min(names.size(), kListMax))};
}

bool SetsPassword(std::string_view pattern) {
  const std::string upper = base::UpperAscii(pattern.substr(0, 64));
  return upper.find(" ROLE") != std::string::npos || upper.find(" USER") != std::string::npos ||
         upper.find(" SUBSCRIPTION") != std::string::npos ||
         upper.find(" SERVER") != std::string::npos || upper.find(" GROUP") != std::string::npos ||
         upper.starts_with("DO");
}

using Relations = std::set<std::string>;

// A tool that failed rolls back, and then unlocks and keeps its books: with statements on no table,
// or on tables that it has used before. One that goes on has recovered.
bool GoesOn(const migration::StatementProfile& statement, const Relations& used_before) {
  if (!statement.sqlstate.empty()) return false;
  const event::StatementFacts facts = event::AnalyzeQuery(statement.pattern).front();
  if (event::IsDull(facts.kind)) return false;
  return facts.kind == event::StatementKind::kDdl ||
         std::any_of(facts.relations.begin(), facts.relations.end(),
                     [&](const auto& name) { return !used_before.contains(name); });
}

// A text is the whole query string: no statement of it may set a password, and what cannot be read
// might.
bool MayHoldPassword(const std::string& text) {
  if (base::UpperAscii(text).find("PASSWORD") != std::string::npos) return true;
  const auto statements = event::AnalyzeQuery(text);
  return std::any_of(statements.begin(), statements.end(), [](const event::StatementFacts& facts) {
    return !facts.parsed || SetsPassword(facts.pattern);
  });
}

}  // namespace

bool TellsLiterals(const std::string& text, bool show_values) {
  return show_values && !MayHoldPassword(text);
}

std::string TextOf(const migration::StatementProfile& statement, bool show_values) {
  const bool whole = statement.ordinal == 0 && TellsLiterals(statement.text, show_values);
  return base::Printable(base::OneLine(whole ? statement.text : statement.pattern),
                         kTextColumnsMax);
}

const migration::StatementProfile* FailedStatement(
    const std::vector<migration::StatementProfile>& statements) {
  // What a tool does after it, in a transaction that is lost, fails as well.
  const auto last = std::find_if(statements.rbegin(), statements.rend(), [](const auto& statement) {
    return !statement.sqlstate.empty() && statement.sqlstate != "25P02";
  });
  if (last == statements.rend()) return nullptr;
  const auto failed = std::prev(last.base());
  Relations used;
  for (auto before = statements.begin(); before != failed; ++before) {
    const auto facts = event::AnalyzeQuery(before->pattern);
    used.insert(facts.front().relations.begin(), facts.front().relations.end());
  }
  const bool recovered = std::any_of(std::next(failed), statements.end(),
                                     [&](const auto& after) { return GoesOn(after, used); });
  return recovered ? nullptr : &*failed;
}

void FillFailure(const migration::MigrationProfile& profile, bool show_values,
                 std::vector<report::Cause>& causes) {
  const migration::StatementProfile* failed = FailedStatement(profile.statements);
  if (failed == nullptr) return;
  const auto facts = event::AnalyzeQuery(failed->text);
  const event::StatementFacts& known = facts[std::min<size_t>(failed->ordinal, facts.size() - 1)];
  const std::string object = known.relations.empty() ? "" : known.relations.front();
  const std::string message =
      show_values ? failed->message
                  : compare::MessageWithoutValues(failed->sqlstate, failed->message);
  const cause::Cause cause = cause::WhyFailed({failed->sqlstate, message, object, known.kind});
  report::Cause& told = causes.emplace_back();
  told.object = cause.object;
  told.mechanism = cause.mechanism;
  told.sentence = cause.sentence;
  told.statement = TextOf(*failed, show_values);
  const auto place = static_cast<size_t>(failed - profile.statements.data());
  if (place < kStatementsMax) told.statement_index = place;
}

std::vector<report::MigrationStatement> StatementsOf(const migration::MigrationProfile& profile,
                                                     base::Micros started_us, bool show_values) {
  std::vector<report::MigrationStatement> statements;
  for (const migration::StatementProfile& from : profile.statements) {
    if (statements.size() >= kStatementsMax) break;
    report::MigrationStatement& to = statements.emplace_back();
    to.text = TextOf(from, show_values);
    to.fingerprint = event::FingerprintText(from.fingerprint);
    to.started_us = std::max<base::Micros>(from.begin_us - started_us, 0);
    to.duration_us = from.busy_us;
    to.calls = from.calls;
    to.sqlstate = from.sqlstate;
    to.rows = from.rows;
    to.wal_bytes = from.wal_bytes;
    if (profile.spills_known) to.temp_bytes = from.temp_bytes;
    to.disk_bytes = from.disk_bytes;
    for (const migration::TakenLock& lock : from.locks) {
      // Reading and writing rows takes these; they stop nobody's rows. Of a table of its own nobody
      // knows yet.
      if (lock.mode <= migration::LockMode::kRowExclusive || lock.apart) continue;
      if (to.locks.size() >= kLocksMax) break;
      to.locks.push_back({lock.name, Name(lock.mode), lock.held_us, lock.implied});
    }
    to.rewrote = Front(from.rewrote);
    to.dropped = Front(from.dropped);
  }
  return statements;
}

void FillMigration(const migration::MigrationProfile& profile, base::Micros started_us,
                   bool show_values, report::MigrationFacts& facts) {
  facts.statements = StatementsOf(profile, started_us, show_values);
  facts.statements_more =
      profile.statements_more + profile.statements.size() - facts.statements.size();
  facts.wal_bytes = profile.wal_bytes;
  facts.temp_bytes = profile.temp_bytes;
  facts.disk_bytes = profile.disk_bytes;
  for (const migration::Rewritten& table : profile.change.rewritten) {
    if (facts.rewritten.size() >= kListMax) break;
    facts.rewritten.push_back({table.name, table.bytes_before, table.bytes_after});
  }
  for (const auto& [relation, rows] : profile.change.rows_written) {
    if (facts.rows_written.size() >= kListMax) break;
    facts.rows_written.push_back({relation, rows});
  }
  facts.statistics_lost = Front(profile.change.statistics_lost);
  facts.visibility_lost = Front(profile.change.visibility_lost);
  facts.indexes_invalid = Front(profile.change.indexes_invalid);
  facts.grants_lost = Front(profile.change.grants_lost);
}

std::vector<std::string> GapNotes(const migration::WatchGaps& gaps, std::string_view when) {
  std::vector<std::string> notes;
  if (gaps.looks_failed > 0) {
    notes.push_back(fmt::format("{}, {} of the looks at its locks failed: locks may be missing.",
                                when, base::FormatCount(gaps.looks_failed)));
  }
  if (gaps.log_dropped > 0 || gaps.log_cut) {
    notes.push_back(fmt::format(
        "{}, the server logged more than is read{}: lock waits, locks and rewrites may be missing.",
        when,
        gaps.log_dropped > 0 ? fmt::format(" ({} events)", base::FormatCount(gaps.log_dropped))
                             : std::string()));
  }
  if (gaps.events_lost) {
    notes.push_back(
        fmt::format("{}, the server logged nothing of what its event triggers told, as a setting "
                    "of a role may have it: short locks and rewrites are missing.",
                    when));
  }
  return notes;
}

void AddTableSizes(const event::SourceSnapshot& snapshot, migration::ProductionSize& size) {
  for (const event::SourceRelation& relation : snapshot.relations) {
    if (!relation.bytes) continue;
    const std::string schema = relation.schema == "public" ? "" : relation.schema + ".";
    uint64_t& bytes = size.table_bytes[schema + relation.name];
    bytes = std::max(bytes, *relation.bytes);
  }
}

void FillEstimates(const migration::MigrationProfile& profile,
                   const migration::ProductionSize& production, report::MigrationFacts& facts) {
  const migration::Extrapolation found = migration::Extrapolate(profile, production);
  if (found.empty()) return;
  // One entry each, from the first on; the last ones may be left out.
  for (size_t i = 0; i < facts.statements.size(); ++i) {
    report::MigrationStatement& to = facts.statements[i];
    if (found.held_us[i] > 0 && !to.locks.empty()) to.held_us_estimated = found.held_us[i];
    if (!found.statements[i]) continue;
    const migration::Estimate& from = *found.statements[i];
    const bool sorts = from.growth == migration::Growth::kSorting;
    to.estimate.emplace(report::MigrationEstimate{from.factor, sorts ? "n log n" : "linear",
                                                  from.duration_us, from.rows, from.wal_bytes});
  }
  for (report::RewrittenTable& table : facts.rewritten) {
    const double factor = migration::SizeFactor(profile, production, {table.relation});
    if (factor > 1) table.bytes_estimated = migration::Times(table.bytes_after, factor);
  }
  facts.duration_us_estimated = facts.duration_us + found.added_us;
  facts.estimate_basis = fmt::format(
      "an estimate for production, from what was measured on this smaller shadow ({}): linear in "
      "the bytes of the table, n log n for index builds; what only changes catalogues takes as "
      "long "
      "there",
      production.database_bytes > 0
          ? fmt::format("{} of {}", base::FormatSize(profile.database_bytes),
                        base::FormatSize(production.database_bytes))
          : std::string("table sizes: of the capture"));
}

std::string NoEstimateNote(const migration::MigrationProfile& profile,
                           const migration::ProductionSize& production) {
  const uint64_t count = migration::Extrapolate(profile, production).too_small;
  if (count == 0) return {};
  return fmt::format(
      "For production there is no estimate of {} statement{} whose cost grows with the table: "
      "here {} took under 5 ms or worked through less than 8 MB, which says nothing of a large "
      "table.",
      base::FormatCount(count), count == 1 ? "" : "s", count == 1 ? "it" : "they");
}

}  // namespace scry::job
