#include "replay/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace scry::replay {

void IdentityStats::Add(const IdentityStats& other) {
  values_learned += other.values_learned;
  values_sent += other.values_sent;
  values_ambiguous += other.values_ambiguous;
  values_forgotten += other.values_forgotten;
  functions_unknown += other.functions_unknown;
}

std::vector<std::string> IdentityStats::Notes() const {
  std::vector<std::string> notes;
  if (values_learned > 0) {
    notes.push_back(fmt::format(
        "Lanes made {} ids and other values of their own; they were sent in the place of "
        "production's {} times, and count as equal to them.",
        base::FormatCount(values_learned), base::FormatCount(values_sent)));
  }
  if (values_ambiguous > 0) {
    notes.push_back(
        fmt::format("{} values stayed as captured, since they may stand for several "
                    "that a lane made.",
                    base::FormatCount(values_ambiguous)));
  }
  if (values_forgotten > 0) {
    notes.push_back(
        fmt::format("{} of the values that lanes made were forgotten: there were too many to "
                    "remember all. Later statements that use them may miss their rows.",
                    base::FormatCount(values_forgotten)));
  }
  if (functions_unknown > 0) {
    notes.push_back(
        fmt::format("{} calls of functions of users by their OID went out with production's OID.",
                    base::FormatCount(functions_unknown)));
  }
  return notes;
}

void ReplayStats::Add(const ReplayStats& other) {
  sessions += other.sessions;
  sessions_excluded += other.sessions_excluded;
  for (const auto& [reason, count] : other.exclusion_reasons) exclusion_reasons[reason] += count;
  exchanges += other.exchanges;
  exchanges_excluded += other.exchanges_excluded;
  statements += other.statements;
  signals_left_out += other.signals_left_out;
  races_withdrawn += other.races_withdrawn;
  rereads += other.rereads;
  held_up += other.held_up;
  stalls_broken += other.stalls_broken;
  cancelled += other.cancelled;
  cancel_requests += other.cancel_requests;
  cancels_missed += other.cancels_missed;
  gaps += other.gaps;
  gap_exchanges += other.gap_exchanges;
  order_wait_us += other.order_wait_us;
  tool_wait_us += other.tool_wait_us;
  lag_us_max = std::max(lag_us_max, other.lag_us_max);
  lag.Merge(other.lag);
  server_wait_us += other.server_wait_us;
  duration_us += other.duration_us;
  identity.Add(other.identity);
  // What is so of every capture is told once.
  for (const std::string& note : other.notes) {
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
}

void ReplayStats::AddBeside(const ReplayStats& other) {
  const Micros longest_us = std::max(duration_us, other.duration_us);
  Add(other);
  duration_us = longest_us;
}

}  // namespace scry::replay
