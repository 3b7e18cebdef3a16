#include "report/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "compare/ignore_rules.h"
#include "compare/latency_shape.h"
#include "compare/moments.h"
#include "event/statement_facts.h"

namespace scry::report {
namespace {

constexpr const char* kMigrationFailed = "migration failed";

// Of the list of all patterns, which may be thousands; findings have the whole text.
constexpr size_t kPatternCharsMax = 300;
// Of those whose latencies are kept, by share of the time; and with those that have findings.
constexpr size_t kShapesByShare = 300;
constexpr size_t kShapesMax = 1000;

Latency LatencyOf(const compare::LatencyNumbers& numbers) {
  return {numbers.p50_us, numbers.p95_us, numbers.p99_us};
}

RowSample SampleOf(const compare::RowSample& from, bool show_values) {
  RowSample sample;
  if (from.empty()) return sample;
  sample.key = from.key;
  for (const compare::SampleColumn& column : from.columns) {
    sample.columns.push_back({column.name, column.type, column.rows});
  }
  sample.columns_more = from.columns_more;
  sample.rows_before = from.rows_before;
  sample.rows_after = from.rows_after;
  sample.changed = from.changed;
  sample.gone = from.gone;
  sample.added = from.added;
  sample.moved = from.moved;
  sample.partial = from.partial;
  sample.values = show_values;
  for (const compare::SampleRow& row : from.rows) {
    SampleRow& shown = sample.rows.emplace_back();
    shown.change = compare::Name(row.change);
    shown.before = row.before;
    shown.after = row.after;
    if (show_values) shown.key = row.key;
    for (size_t i = 0; i < row.cells.size(); ++i) {
      const compare::SampleCell& cell = row.cells[i];
      if (!cell.differs) continue;
      shown.cells.push_back({from.columns[i].name, cell.null_before, cell.null_after,
                             show_values ? cell.before : "", show_values ? cell.after : "", i});
    }
  }
  return sample;
}

Work WorkOf(const compare::LaneWork& work) {
  return {work.blocks, work.spilled, work.wal_bytes, work.rows};
}

Losses LossesOf(const compare::FidelityCounts& counts) {
  const auto of = [&](compare::FidelityLoss loss) {
    return counts.lost[static_cast<size_t>(loss)];
  };
  return {of(compare::FidelityLoss::kSqlstate), of(compare::FidelityLoss::kRows),
          of(compare::FidelityLoss::kValues)};
}

Finding FindingOf(const compare::Finding& from, const std::vector<compare::RuleUse>& rules,
                  bool show_values) {
  Finding finding;
  finding.id = from.id;
  finding.type = compare::Name(from.type);
  finding.gates = from.gates;
  finding.fingerprint = event::FingerprintText(from.fingerprint);
  finding.pattern = from.pattern;
  finding.reasons = from.reasons;
  finding.calls = from.calls;
  finding.affected = from.affected;
  finding.share = from.share;
  if (from.difference != compare::DifferenceKind::kNone) {
    finding.difference = compare::Name(from.difference);
  }
  finding.sqlstate = from.sqlstate;
  finding.message = from.message;
  if (from.difference == compare::DifferenceKind::kRows) {
    finding.rows_before = from.example.baseline_rows;
    finding.rows_after = from.example.candidate_rows;
  }
  finding.has_latency = from.has_latency;
  finding.before = LatencyOf(from.before);
  finding.after = LatencyOf(from.after);
  finding.factor = from.factor;
  finding.factor_low = from.factor_interval.low;
  finding.factor_high = from.factor_interval.high;
  finding.p = from.p;
  finding.confirmed = from.confirmed;
  finding.again_pairs = from.again_pairs;
  finding.part = from.part;
  finding.rows = SampleOf(from.example.rows, show_values);
  finding.has_work = from.has_work;
  finding.work_before = WorkOf(from.work.before);
  finding.work_after = WorkOf(from.work.after);
  finding.work_samples = from.work.samples;
  finding.work_risen = from.work.risen;
  finding.work_other_plan = from.work.other_plan;
  finding.moment = compare::Name(from.moment);
  if (from.type == compare::FindingClass::kIgnored) {
    finding.ignored_type = compare::Name(from.ignored_type);
    finding.ignored_by = rules[from.rule].rule.place;
  }
  if (show_values) finding.example = from.example.text;
  return finding;
}

}  // namespace

namespace {

void FillClasses(const compare::Verdict& verdict, Report& report) {
  for (size_t i = 0; i < compare::kPatternClasses; ++i) {
    if (verdict.class_counts[i] == 0) continue;
    const char* name = compare::Name(static_cast<compare::PatternClass>(i));
    report.tested.classes.push_back({name, verdict.class_counts[i]});
  }
  for (const compare::PatternVerdict& one : verdict.classes) {
    report.patterns.push_back({event::FingerprintText(one.fingerprint),
                               base::Printable(base::OneLine(one.pattern), kPatternCharsMax),
                               compare::Name(one.type),
                               one.why,
                               one.finding,
                               one.calls,
                               one.pairs,
                               one.share,
                               one.median_us,
                               one.median_after_us,
                               one.detectable,
                               one.work.samples,
                               WorkOf(one.work.before),
                               WorkOf(one.work.after),
                               {}});
  }
}

}  // namespace

void FillVerdict(const compare::Verdict& verdict, bool show_values, Report& report) {
  report.verdict = compare::Name(verdict.result);
  report.sentence = verdict.sentence;
  for (const compare::Finding& finding : verdict.findings) {
    report.findings.push_back(FindingOf(finding, verdict.rules, show_values));
  }
  for (const compare::RuleUse& use : verdict.rules) {
    const compare::IgnoreRule& rule = use.rule;
    report.ignore_rules.push_back({rule.finding, rule.pattern, rule.reason,
                                   rule.until ? compare::FormatDate(*rule.until) : "", rule.place,
                                   use.expired, use.hidden, use.again});
  }
  for (const compare::Unjudged& unjudged : verdict.unjudged) {
    report.not_judged.push_back({event::FingerprintText(unjudged.fingerprint), unjudged.pattern,
                                 unjudged.why, unjudged.calls, unjudged.pairs, unjudged.share});
  }
  report.notes.insert(report.notes.end(), verdict.notes.begin(), verdict.notes.end());
  report.tested.statements = verdict.statements;
  report.tested.compared = verdict.compared;
  report.tested.patterns = verdict.patterns;
  report.tested.unchanged = verdict.unchanged;
  FillClasses(verdict, report);
  report.tested.self_test_patterns = verdict.self_test.patterns;
  report.tested.self_test_flagged = verdict.self_test.flagged;
  report.tested.confirm_asked = verdict.confirmation.asked;
  report.tested.confirm_ran = verdict.confirmation.ran;
  report.tested.confirmed = verdict.confirmation.confirmed;
  report.tested.fidelity = verdict.fidelity.share();
  report.tested.fidelity_floor = verdict.fidelity_floor;
  report.tested.fidelity_lost = LossesOf(verdict.fidelity);
  for (const compare::UnfaithfulPattern& worst : verdict.unfaithful) {
    report.unfaithful.push_back({event::FingerprintText(worst.fingerprint), worst.pattern,
                                 worst.counts.judged, LossesOf(worst.counts)});
  }
}

void FillLatencies(const compare::Verdict& verdict, const compare::PatternTable& table,
                   Report& report) {
  constexpr const char* kLanes[] = {"baseline", "candidate", "control"};
  constexpr const char* kSides[] = {"captured", "candidate"};
  size_t kept = 0;
  for (size_t i = 0; i < verdict.classes.size() && i < report.patterns.size(); ++i) {
    PatternLine& line = report.patterns[i];
    const compare::PatternStats* stats = table.Find(verdict.classes[i].fingerprint);
    if (stats == nullptr || kept >= kShapesMax) continue;
    if (i >= kShapesByShare && line.finding.empty()) continue;
    ++kept;
    for (size_t lane = 0; lane < compare::kLanesMax && !stats->latencies.empty(); ++lane) {
      if (lane == 2 && !table.totals().has_control) continue;
      line.latencies.push_back({kLanes[lane], compare::ShapeOf(*stats, lane)});
    }
    if (!line.latencies.empty() || stats->new_latencies.empty()) continue;
    for (size_t side = 0; side < 2; ++side) {
      line.latencies.push_back({kSides[side], compare::NewShapeOf(*stats, side)});
    }
  }
}

void AddFindings(const compare::Verdict& verdict, bool show_values, Report& report) {
  for (const compare::Finding& finding : verdict.findings) {
    report.findings.push_back(FindingOf(finding, verdict.rules, show_values));
  }
  // The rules are those of the policy, as in the verdict before.
  for (size_t i = 0; i < verdict.rules.size() && i < report.ignore_rules.size(); ++i) {
    report.ignore_rules[i].hidden += verdict.rules[i].hidden;
    report.ignore_rules[i].again += verdict.rules[i].again;
  }
  std::stable_partition(report.findings.begin(), report.findings.end(),
                        [](const Finding& finding) { return finding.gates; });
}

void FillTotals(const compare::TableTotals& totals, Report& report) {
  report.tested.order_broken = totals.order_broken;
  report.tested.held_up = totals.held_up;
}

void FillMigrationFailed(Report& report) {
  report.verdict = kMigrationFailed;
  report.sentence = fmt::format("the command exited with {}", report.migration.exit_status);
}

bool MigrationHasFailed(const Report& report) { return report.verdict == kMigrationFailed; }

bool IsJudged(const Report& report) {
  return report.verdict == compare::Name(compare::VerdictResult::kSafe) ||
         report.verdict == compare::Name(compare::VerdictResult::kRegressions);
}

}  // namespace scry::report
