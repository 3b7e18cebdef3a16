#include "compare/same_work.h"

namespace scry::compare {
namespace {

constexpr uint64_t kOtherShareMax = 10;  // One in so many.

bool IsWrite(event::StatementKind kind) {
  using event::StatementKind;
  return kind == StatementKind::kInsert || kind == StatementKind::kUpdate ||
         kind == StatementKind::kDelete || kind == StatementKind::kMerge;
}

}  // namespace

bool SameWork::Keeps(const event::StatementPair& pair, const event::StatementFacts& facts) {
  if (!IsWrite(facts.kind) || pair.lanes.empty()) return true;
  Counts& counts = counts_[facts.fingerprint];
  ++counts.seen;
  const bool same =
      event::TagCount(pair.captured.tag) == event::TagCount(pair.lanes[0].outcome.tag);
  if (!same) ++counts.other;
  return same && counts.other * kOtherShareMax <= counts.seen;
}

}  // namespace scry::compare
