#include "compare/connect_tally.h"

#include <string_view>

namespace scry::compare {
namespace {

constexpr auto kCandidate = static_cast<size_t>(event::LaneRole::kCandidate);
constexpr size_t kRolesMax = 1000;
constexpr size_t kStatesMax = 32;

// "connect to ...: connection to server on ... failed: FATAL: permission denied": what the server
// said, in whatever language it names the severity.
std::string ServerText(const std::string& message) {
  constexpr std::string_view kBefore = " failed: ";
  const size_t failed = message.find(kBefore);
  if (failed == std::string::npos) return {};
  const size_t severity = message.find(": ", failed + kBefore.size());
  return severity == std::string::npos ? std::string() : message.substr(severity + 2);
}

}  // namespace

void ConnectTally::Put(const event::ConnectPair& pair) {
  if (pair.lanes.size() <= kCandidate) return;
  if (roles_.size() >= kRolesMax && !roles_.contains(pair.role)) return;
  Role& role = roles_[pair.role];
  ++role.sessions;
  const auto refusals_of = [&](const std::string& sqlstate) -> Refusals* {
    const bool room = role.refusals.size() < kStatesMax || role.refusals.contains(sqlstate);
    return room ? &role.refusals[sqlstate] : nullptr;
  };
  bool others = false;
  for (size_t lane = 0; lane < pair.lanes.size(); ++lane) {
    if (lane == kCandidate || pair.lanes[lane].connected) continue;
    Refusals* refusals = refusals_of(pair.lanes[lane].sqlstate);
    if (refusals != nullptr && !others) ++refusals->others;
    others = true;
  }
  const event::LaneConnect& candidate = pair.lanes[kCandidate];
  if (others || candidate.connected) return;
  Refusals* refusals = refusals_of(candidate.sqlstate);
  if (refusals == nullptr) return;
  if (refusals->candidate++ == 0) refusals->message = ServerText(candidate.message);
}

}  // namespace scry::compare
