#include "compare/folding.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "compare/finding_parts.h"

namespace scry::compare {
namespace {

constexpr size_t kFollowersToldMax = 3;

using Followers = std::map<uint64_t, uint64_t>;  // Pairs folded, by pattern.

std::map<uint64_t, Followers> FollowersByCause(const PatternTable& table, const Causes& causes) {
  std::map<uint64_t, Followers> followers;
  for (const PatternStats* stats : table.Patterns()) {
    for (const auto& [kind, counts] : stats->differences) {
      for (const auto& [cause, weighed] : counts.follows) {
        if (causes.Has(cause)) followers[cause][stats->fingerprint] += weighed.weights.sum();
      }
    }
  }
  return followers;
}

void TellFollowing(const PatternTable& table, const Followers& followers, Finding& finding) {
  std::vector<std::pair<uint64_t, uint64_t>> most(followers.begin(), followers.end());
  std::stable_sort(most.begin(), most.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  uint64_t pairs = 0;
  for (const auto& [fingerprint, count] : most) pairs += count;
  finding.reasons.push_back(fmt::format("{} later {} in {} {} from it", base::FormatCount(pairs),
                                        pairs == 1 ? "difference" : "differences",
                                        PatternCount(most.size()),
                                        pairs == 1 ? "follows" : "follow"));
  for (size_t i = 0; i < most.size() && i < kFollowersToldMax; ++i) {
    const PatternStats* stats = table.Find(most[i].first);
    if (stats == nullptr) continue;
    finding.reasons.push_back(fmt::format("follows: {} ({})", base::Printable(stats->pattern, 60),
                                          Calls(most[i].second)));
  }
}

}  // namespace

ColumnWeights OwnWeights(const KindStats& kind, const Causes& causes) {
  ColumnWeights own{kind.weights, kind.by_columns};
  for (const auto& [cause, folded] : kind.follows) {
    if (!causes.Has(cause)) continue;
    own.weights.Subtract(folded.weights);
    for (const auto& [columns, counts] : folded.by_columns)
      own.by_columns[columns].Subtract(counts);
  }
  return own;
}

bool AnyFolded(const PatternStats& stats, const Causes& causes) {
  for (const auto& [kind, counts] : stats.differences) {
    for (const auto& [cause, weighed] : counts.follows) {
      if (causes.Has(cause)) return true;
    }
  }
  return false;
}

bool AnyFollows(const PatternTable& table) {
  const std::vector<const PatternStats*> patterns = table.Patterns();
  return std::any_of(patterns.begin(), patterns.end(), [](const PatternStats* stats) {
    return AnyFolded(*stats, {true, {}});
  });
}

void TellFollowers(const PatternTable& table, const Causes& causes,
                   std::vector<Finding>& findings) {
  const std::map<uint64_t, Followers> followers = FollowersByCause(table, causes);
  std::set<uint64_t> told;
  for (Finding& finding : findings) {
    if (!finding.gates || !told.insert(finding.fingerprint).second) continue;
    const auto folded = followers.find(finding.fingerprint);
    if (folded != followers.end()) TellFollowing(table, folded->second, finding);
    const PatternStats* stats = table.Find(finding.fingerprint);
    if (stats != nullptr && stats->cut_short > 0) {
      finding.reasons.push_back(fmt::format("{} that followed in the same transactions not weighed",
                                            Statements(stats->cut_short)));
    }
  }
}

}  // namespace scry::compare
