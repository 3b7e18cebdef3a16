#include "job/fix_neighbours.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "compare/latency_verdict.h"
#include "compare/work.h"
#include "replay/sample.h"

namespace scry::job {
namespace {

using base::Result;
using base::Status;

constexpr size_t kPatternsMax = 30;  // Looked at for harm, those that take most time first.
constexpr size_t kWritersTimed = 5;
constexpr uint64_t kWritePairs = 40;
constexpr size_t kReadSamples = 2;
// Whether updates stay heap-only shows in several sets of parameters only.
constexpr size_t kWriteSamples = kWorkSamplesPerPattern;

report::Work WorkOf(const compare::LaneWork& work) {
  return {work.blocks, work.spilled, work.wal_bytes, work.rows};
}

uint64_t FingerprintOf(const report::WriteCost& cost) {
  return std::strtoull(cost.fingerprint.c_str(), nullptr, 16);
}

}  // namespace

Status FixNeighbours::Survey(uint64_t target, const std::set<std::string>& tables) {
  Samples to_time;
  for (const uint64_t fingerprint : Over(target, tables)) {
    if (now_.contains(fingerprint)) continue;
    Now& now = now_[fingerprint];
    SCRY_TRY_ASSIGN(now.counted, meter_.Count(fingerprint, SamplesOf(fingerprint), false));
    now.on_baseline = !now.counted.empty();
    if (!now.on_baseline) {
      SCRY_TRY_ASSIGN(now.counted, meter_.Count(fingerprint, SamplesOf(fingerprint), true));
    }
    if (Writes(fingerprint) && !now.counted.empty() && to_time.size() < kWritersTimed) {
      RepeatTo(to_time[fingerprint] = work_.samples.at(fingerprint), kWritePairs);
    }
  }
  if (to_time.empty()) return {};
  compare::PatternTable timed;
  SCRY_TRY(meter_.Time(to_time, timed));
  for (const auto& [fingerprint, samples] : to_time) {
    now_[fingerprint].us = LatencyOf(timed.Find(fingerprint), 1);
  }
  return {};
}

Result<std::optional<std::vector<report::WriteCost>>> FixNeighbours::Costs(
    uint64_t target, const std::set<std::string>& tables) {
  std::vector<report::WriteCost> writes;
  for (const uint64_t fingerprint : Over(target, tables)) {
    const auto now = now_.find(fingerprint);
    if (now == now_.end() || now->second.counted.empty()) continue;
    SCRY_TRY_ASSIGN(std::vector<compare::WorkSample> counted,
                    meter_.Count(fingerprint, SamplesOf(fingerprint), /*candidate_only=*/true));
    const std::vector<compare::WorkSample>& before = now->second.counted;
    if (counted.size() != before.size()) continue;
    for (size_t i = 0; i < counted.size(); ++i) {
      counted[i].baseline = before[i].candidate;
      // An index that was there before may cost again what it did cost.
      if (now->second.on_baseline) counted[i].control = before[i].baseline;
    }
    const compare::WorkJudgement judged = compare::JudgeWork(counted, policy_.work);
    if (!judged.rises.empty()) return std::optional<std::vector<report::WriteCost>>();
    // A write that finds its row gone by now costs nothing and tells nothing.
    if (!Writes(fingerprint) || judged.numbers.after.wal_bytes == 0) continue;
    const std::string& text = work_.samples.at(fingerprint).front().text;
    writes.push_back({event::FingerprintText(fingerprint), facts_.Get(text, 0).pattern, 0, 0,
                      WorkOf(judged.numbers.before), WorkOf(judged.numbers.after)});
  }
  return std::optional(std::move(writes));
}

void FixNeighbours::Forget(const std::set<std::string>& tables) {
  std::erase_if(now_, [&](const auto& entry) {
    const std::set<std::string>& relations = RelationsOf(entry.first);
    return std::any_of(tables.begin(), tables.end(),
                       [&](const std::string& table) { return relations.contains(table); });
  });
}

Samples FixNeighbours::TimedSamples(const std::vector<report::WriteCost>& writes) const {
  Samples samples;
  for (const report::WriteCost& cost : writes) {
    const uint64_t fingerprint = FingerprintOf(cost);
    const auto now = now_.find(fingerprint);
    if (now == now_.end() || now->second.us == 0) continue;
    RepeatTo(samples[fingerprint] = work_.samples.at(fingerprint), kWritePairs);
  }
  return samples;
}

bool FixNeighbours::JudgeTimes(const compare::PatternTable& timed,
                               const std::set<uint64_t>& found_already,
                               std::vector<report::WriteCost>& writes) const {
  std::set<uint64_t> counting;
  double all_us = 0;
  for (const uint64_t us : table_.totals().time_us) all_us += static_cast<double>(us);
  for (report::WriteCost& cost : writes) {
    const uint64_t fingerprint = FingerprintOf(cost);
    const compare::PatternStats* stats = timed.Find(fingerprint);
    const auto now = now_.find(fingerprint);
    const bool enough = stats != nullptr && stats->latency_pairs >= policy_.latency.min_pairs;
    if (!enough || now == now_.end() || now->second.us == 0) continue;
    cost.us_without = now->second.us;
    cost.us_with = LatencyOf(stats, 1);
    const bool counts = TimeOf(fingerprint) >= policy_.latency.min_share * all_us;
    if (counts && !found_already.contains(fingerprint)) counting.insert(fingerprint);
  }
  const compare::LatencyVerdict verdict =
      compare::JudgeLatency(timed, policy_, nullptr, nullptr, {});
  return std::none_of(verdict.findings.begin(), verdict.findings.end(), [&](const auto& finding) {
    return finding.type == compare::FindingClass::kSlower && counting.contains(finding.fingerprint);
  });
}

// The ones that take most time first.
std::vector<uint64_t> FixNeighbours::Over(uint64_t target, const std::set<std::string>& tables) {
  std::vector<uint64_t> over;
  for (const auto& [fingerprint, samples] : work_.samples) {
    if (fingerprint == target || samples.empty()) continue;
    const std::set<std::string>& relations = RelationsOf(fingerprint);
    if (std::any_of(tables.begin(), tables.end(),
                    [&](const std::string& table) { return relations.contains(table); })) {
      over.push_back(fingerprint);
    }
  }
  std::stable_sort(over.begin(), over.end(),
                   [&](uint64_t a, uint64_t b) { return TimeOf(a) > TimeOf(b); });
  if (over.size() > kPatternsMax) over.resize(kPatternsMax);
  return over;
}

const std::set<std::string>& FixNeighbours::RelationsOf(uint64_t fingerprint) {
  const auto known = relations_.find(fingerprint);
  if (known != relations_.end()) return known->second;
  std::set<std::string> names;
  const std::string& text = work_.samples.at(fingerprint).front().text;
  for (const std::string& relation : facts_.Get(text, 0).relations) {
    for (const cause::CatalogObject* object : catalog_.Named("relation", relation)) {
      names.insert(object->name);
    }
  }
  return relations_[fingerprint] = catalog_.Closure(names);
}

std::vector<replay::Sample> FixNeighbours::SamplesOf(uint64_t fingerprint) {
  std::vector<replay::Sample> samples = work_.samples.at(fingerprint);
  const size_t most = Writes(fingerprint) ? kWriteSamples : kReadSamples;
  if (samples.size() > most) samples.resize(most);
  return samples;
}

bool FixNeighbours::Writes(uint64_t fingerprint) {
  return facts_.Get(work_.samples.at(fingerprint).front().text, 0).writes;
}

double FixNeighbours::TimeOf(uint64_t fingerprint) const {
  double us = 0;
  const compare::PatternStats* stats = table_.Find(fingerprint);
  if (stats == nullptr) return us;
  for (const uint64_t lane_us : stats->time_us) us += static_cast<double>(lane_us);
  return us;
}

}  // namespace scry::job
