#include "job/session_rerun.h"

#include <algorithm>
#include <memory>
#include <set>
#include <variant>

#include "compare/same_work.h"
#include "replay/traffic_filter.h"

namespace scry::job {
namespace {

using base::Result;
using base::Status;

class SameOnAllLanes final : public event::PairSink {
 public:
  SameOnAllLanes(const SessionRerun& rerun, compare::PatternTable& table, event::FactsCache& facts)
      : rerun_(rerun), table_(table), facts_(facts) {}

  void Put(const event::StatementPair& pair) override {
    if (pair.text.empty()) return;
    const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
    if (!rerun_.pairs_wanted.contains(facts.fingerprint) || !DidTheSame(pair)) return;
    if (same_work_.Keeps(pair, facts)) table_.Put(pair);
  }

 private:
  static bool DidTheSame(const event::StatementPair& pair) {
    return std::all_of(pair.lanes.begin(), pair.lanes.end(), [&](const event::LaneOutcome& lane) {
      return lane.outcome.status == pair.captured.status &&
             lane.outcome.tag == pair.lanes.front().outcome.tag;
    });
  }

  const SessionRerun& rerun_;
  compare::PatternTable& table_;
  event::FactsCache& facts_;
  compare::SameWork same_work_;
};

// Numbers of the sessions that have any of the patterns, in ascending order.
Result<std::vector<uint64_t>> SessionsWith(const SessionRerun& rerun, event::EventSource& source,
                                           event::FactsCache& facts) {
  std::set<uint64_t> sessions;
  event::Event event;
  for (;;) {
    SCRY_TRY_ASSIGN(const bool more, source.Read(event));
    if (!more) return std::vector<uint64_t>(sessions.begin(), sessions.end());
    const auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange == nullptr) continue;
    const auto session = static_cast<uint64_t>(exchange->session);
    if (sessions.contains(session)) continue;
    for (const event::Statement& statement : exchange->statements) {
      if (statement.text.empty()) continue;
      const uint64_t fingerprint = facts.Get(statement.text, statement.ordinal).fingerprint;
      if (!rerun.pairs_wanted.contains(fingerprint)) continue;
      sessions.insert(session);
      break;
    }
  }
}

bool HasEnough(const SessionRerun& rerun, const compare::PatternTable& table) {
  return std::all_of(rerun.pairs_wanted.begin(), rerun.pairs_wanted.end(), [&](const auto& wanted) {
    const compare::PatternStats* stats = table.Find(wanted.first);
    return stats != nullptr && stats->latency_pairs >= wanted.second;
  });
}

}  // namespace

Status RerunSessions(const SessionRerun& rerun, compare::PatternTable& table,
                     event::FactsCache& facts, const ReplayTraffic& replay) {
  std::vector<std::vector<uint64_t>> sessions;
  for (const std::string& directory : rerun.captures) {
    SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, rerun.open(directory));
    SCRY_TRY_ASSIGN(std::vector<uint64_t> found, SessionsWith(rerun, *source, facts));
    sessions.push_back(std::move(found));
  }
  const base::Clock& clock = base::SystemClock();
  const base::Micros began_us = clock.MonotonicUs();
  SameOnAllLanes sink(rerun, table, facts);
  for (int round = 0; round < kSessionRoundsMax && !HasEnough(rerun, table); ++round) {
    if (round > 0 && clock.MonotonicUs() - began_us > rerun.budget_us) break;
    for (size_t i = 0; i < rerun.captures.size(); ++i) {
      if (sessions[i].empty()) continue;
      SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source,
                      rerun.open(rerun.captures[i]));
      replay::TrafficFilterOptions only;
      only.sessions = &sessions[i];
      replay::TrafficFilter filter(*source, only, facts, nullptr);
      SCRY_TRY(replay({filter, /*statements=*/0}, sink));
      table.EndSessions();
    }
  }
  return {};
}

}  // namespace scry::job
