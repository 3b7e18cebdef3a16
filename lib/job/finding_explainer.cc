#include "job/finding_explainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/units.h"
#include "job/fix_prover.h"
#include "job/plan_probe.h"

namespace scry::job {
namespace {

using base::FormatCount;
using base::Micros;
using base::Result;
using base::Status;

constexpr size_t kPlansMax = 5;       // Told in the report.
constexpr size_t kExplainedMax = 12;  // Looked at.
constexpr size_t kCausesMax = 60;     // Patterns that causes are looked for.

const std::vector<replay::Sample>& SamplesOf(uint64_t fingerprint, const replay::SampleBook& book) {
  static const std::vector<replay::Sample> kNone;
  const auto found = book.samples().find(fingerprint);
  return found == book.samples().end() ? kNone : found->second;
}

}  // namespace

// Plans on both lanes where both can run it, and causes.
Status FindingExplainer::Run() {
  std::set<uint64_t> wanted;
  for (size_t i = 0; i < report_.findings.size() && wanted.size() < kCausesMax; ++i) {
    if (HasCause(report_.findings[i])) wanted.insert(Judged(report_.findings[i]).fingerprint);
  }
  if (wanted.empty()) return {};
  progress_.Step("look for causes");
  SCRY_TRY_ASSIGN(const replay::SampleBook book, request_.collect(wanted));
  SCRY_TRY_ASSIGN(const std::vector<replay::LaneTarget> targets, request_.lanes());
  std::vector<ExplainedFinding> known;
  size_t explained = 0;
  for (report::Finding& finding : report_.findings) {
    const compare::Finding& judged = Judged(finding);
    if (!HasCause(finding) || !wanted.contains(judged.fingerprint)) continue;
    known.push_back(WhatIsKnown(judged, book));
    const bool costs = judged.has_latency || judged.has_work;
    if (!known.back().plans && costs && judged.moment != compare::Moment::kFirst &&
        explained < kExplainedMax) {
      SCRY_TRY(watch_.Check());
      const replay::Sample* sample = WorstSample(judged.fingerprint, book);
      if (sample != nullptr) {
        known.back().plans = ExplainPair(targets, *sample, SamplesOf(judged.fingerprint, book));
      }
      ++explained;
    }
    const bool shown = judged.gates || judged.moment == compare::Moment::kFirst;
    if (known.back().plans && shown && explained <= kPlansMax) {
      finding.plan = TextOf(*known.back().plans);
    }
  }
  FillCauses(known, request_.catalogs, report_);
  progress_.Done(fmt::format("{} cause{}", FormatCount(report_.causes.size()),
                             report_.causes.size() == 1 ? "" : "s"));
  SCRY_TRY(Prove(known, book, targets));
  TellSettled();
  return {};
}

// The first moment was bad, and after VACUUM (ANALYZE) all of the traffic was not: that is a proof.
void FindingExplainer::TellSettled() {
  if (request_.first == nullptr) return;
  std::map<std::string, report::Fix> by_remedy;
  for (const report::Finding& finding : report_.findings) {
    const auto remedy = request_.first->moment.remedies.find(Judged(finding).fingerprint);
    if (finding.type != "transient" || remedy == request_.first->moment.remedies.end()) continue;
    report::Fix& fix = by_remedy[remedy->second];
    fix.findings.push_back(finding.id);
    if (fix.findings.size() > 1) continue;
    fix.kind = "vacuum";
    fix.sql = {remedy->second + ";"};
    fix.sentence =
        "run right after the migration it ends what else lasts until autovacuum: after it "
        "all of the traffic was as before";
    if (finding.has_latency) {
      fix.us_before = finding.before.p50_us;
      fix.us_after = finding.after.p50_us;
    }
    fix.blocks_before = finding.work_before.blocks;
    fix.blocks_after = finding.work_after.blocks;
    const auto work = request_.work.table.find(Judged(finding).fingerprint);
    if (work != request_.work.table.end()) {
      fix.blocks_fixed =
          compare::JudgeWork(work->second, request_.policy.work).numbers.after.blocks;
    }
  }
  for (auto& [remedy, fix] : by_remedy) report_.fixes.push_back(std::move(fix));
}

Status FindingExplainer::Prove(const std::vector<ExplainedFinding>& known,
                               const replay::SampleBook& book,
                               const std::vector<replay::LaneTarget>& targets) {
  if (!request_.prove_fixes || request_.catalogs == nullptr) return {};
  std::vector<FixTarget> to_mend;
  for (const report::Finding& finding : report_.findings) {
    const bool is_new = finding.type == "new-slow";
    if (finding.type != "slower" && finding.type != "more-work" && !is_new) continue;
    const auto found = std::find_if(known.begin(), known.end(), [&](const ExplainedFinding& one) {
      return one.id == finding.id;
    });
    if (found == known.end()) continue;
    FixTarget target;
    target.fingerprint = Judged(finding).fingerprint;
    target.finding = &finding;
    target.known = &*found;
    target.is_new = is_new;
    const replay::Sample* worst = WorstSample(target.fingerprint, book);
    if (worst == nullptr) continue;
    target.samples.push_back(*worst);
    const std::vector<replay::Sample>& samples = SamplesOf(target.fingerprint, book);
    target.samples.insert(target.samples.end(), samples.begin(), samples.end());
    to_mend.push_back(std::move(target));
  }
  if (to_mend.empty()) return {};
  progress_.Step("try what might mend it");
  const Micros budget_us = request_.fix_budget_us;
  const FixRequest request{targets, *request_.catalogs, request_.policy, request_.table,
                           request_.work,
                           // A time limit must not cost the verdict that is there by now.
                           watch_.limited() ? std::min(budget_us, watch_.LeftUs() / 2) : budget_us,
                           request_.show_values, request_.replay};
  auto tried = ProveFixes(request, to_mend, watch_, facts_);
  SCRY_TRY(watch_.Check());
  if (!tried.ok()) {  // The verdict stands without.
    progress_.Done("");
    report_.notes.push_back("Fixes were not tried to the end: " +
                            base::Printable(base::OneLine(tried.error().message), 200));
    return {};
  }
  ProvenFixes proven = std::move(tried).value();
  progress_.Done(
      fmt::format("{} of {} helped", FormatCount(proven.fixes.size()), FormatCount(proven.tried)));
  if (proven.out_of_time > 0) {
    report_.notes.push_back(fmt::format("There was no time to look for a fix for {} pattern{}.",
                                        proven.out_of_time, proven.out_of_time == 1 ? "" : "s"));
  }
  if (proven.pruned > 0) {
    report_.notes.push_back(fmt::format(
        "Of {} index{} proposed as fixes, {} {} pruned by HypoPG: the planner would not use {}.",
        FormatCount(proven.asked), proven.asked == 1 ? "" : "es", FormatCount(proven.pruned),
        proven.pruned == 1 ? "was" : "were", proven.pruned == 1 ? "it" : "them"));
  }
  if (proven.skipped > 0) {
    report_.notes.push_back(fmt::format("{} more finding{}: no fix was looked for.",
                                        FormatCount(proven.skipped),
                                        proven.skipped == 1 ? "" : "s"));
  }
  for (const auto& [sql, timeout_us] : proven.unfinished) {
    report_.notes.push_back(fmt::format("As a fix, {} did not finish within {}.",
                                        base::Printable(base::OneLine(sql), 200),
                                        base::FormatDuration(timeout_us)));
  }
  for (report::Fix& fix : proven.fixes) report_.fixes.push_back(std::move(fix));
  return {};
}

const replay::Sample* FindingExplainer::WorstSample(uint64_t fingerprint,
                                                    const replay::SampleBook& book) const {
  const auto work = request_.work.table.find(fingerprint);
  if (work != request_.work.table.end()) {
    const compare::WorkJudgement judged = compare::JudgeWork(work->second, request_.policy.work);
    if (!judged.rises.empty()) return &request_.work.samples.at(fingerprint)[judged.worst];
  }
  const std::vector<replay::Sample>& samples = SamplesOf(fingerprint, book);
  return samples.empty() ? nullptr : &samples[replay::UsualOf(samples)];
}

const compare::Finding& FindingExplainer::Judged(const report::Finding& finding) const {
  const auto found =
      std::find_if(request_.verdict.findings.begin(), request_.verdict.findings.end(),
                   [&](const auto& one) { return one.id == finding.id; });
  SCRY_CHECK(found != request_.verdict.findings.end());
  return *found;
}

// What is known of a finding but for its plans in the second moment.
ExplainedFinding FindingExplainer::WhatIsKnown(const compare::Finding& finding,
                                               const replay::SampleBook& book) const {
  ExplainedFinding known;
  known.id = finding.id;
  const std::vector<replay::Sample>& samples = SamplesOf(finding.fingerprint, book);
  const compare::PatternStats* stats = request_.table.Find(finding.fingerprint);
  if (stats != nullptr && !stats->text.empty()) {
    const auto all = event::AnalyzeQuery(stats->text);
    known.facts = all[std::min<size_t>(stats->ordinal, all.size() - 1)];
  } else if (!samples.empty()) {
    known.facts = event::AnalyzeQuery(samples.front().text).front();
  }
  if (!samples.empty()) {
    for (const auto& [name, value] : samples.front().session.parameters) {
      if (name == "user") known.role = value;
    }
  }
  const auto work = request_.work.table.find(finding.fingerprint);
  if (work != request_.work.table.end()) {
    const compare::WorkNumbers numbers =
        compare::JudgeWork(work->second, request_.policy.work).numbers;
    known.triggers_before = numbers.before.in_triggers;
    known.triggers_after = numbers.after.in_triggers;
  }
  if (request_.first != nullptr && finding.moment == compare::Moment::kFirst) {
    const auto plans = request_.first->plans.find(finding.fingerprint);
    if (plans != request_.first->plans.end()) known.plans = plans->second;
  } else {
    known.settled = request_.first != nullptr;
  }
  return known;
}

}  // namespace scry::job
