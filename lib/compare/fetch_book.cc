#include "compare/fetch_book.h"

#include <algorithm>

namespace scry::compare {
namespace {

using event::CursorAct;
using event::LaneOutcome;
using event::StatementFacts;
using event::StatementKind;
using event::StatementPair;

bool AllSucceeded(const StatementPair& pair) {
  return std::all_of(pair.lanes.begin(), pair.lanes.end(),
                     [](const LaneOutcome& lane) { return Succeeded(lane.outcome); });
}

bool AnyIs(const StatementPair& pair, event::OutcomeStatus status) {
  return std::any_of(pair.lanes.begin(), pair.lanes.end(),
                     [&](const LaneOutcome& lane) { return lane.outcome.status == status; });
}

bool AnyIdle(const StatementPair& pair) {
  return std::any_of(pair.lanes.begin(), pair.lanes.end(),
                     [](const LaneOutcome& lane) { return lane.transaction_status == 'I'; });
}

// Nothing in this part needs the others to be judged: what it shows, it shows of the whole.
bool IsAlike(const Difference& part) {
  if (part.control != DifferenceKind::kNone) return false;
  switch (part.kind) {
    case DifferenceKind::kNone:
    case DifferenceKind::kColumnsAdded:
    case DifferenceKind::kColumnsChanged:
      return true;
    case DifferenceKind::kValues:
      return part.excuse == Excuse::kEqualByValue ||
             (part.excuse == Excuse::kRowOrderSums && part.weight == Weight::kNote);
    default:
      return false;
  }
}

// The order of parts counts, as that of rows does.
uint64_t Chain(uint64_t before, uint64_t digest) {
  return (before ^ (before >> 29U)) * 0xbf58476d1ce4e5b9ULL + digest;
}

void AddSums(const event::Outcome& part, event::Outcome& whole) {
  whole.rows += part.rows;
  whole.row_bytes += part.row_bytes;
  whole.digest_unordered += part.digest_unordered;
}

size_t BytesOf(const LaneOutcome& lane) {
  return lane.cells.size() * sizeof(uint64_t) + lane.rows.size();
}

void ForgetRows(LaneOutcome& lane) {
  lane.cells = {};
  lane.cells_complete = false;
  lane.rows = {};
  lane.rows_complete = false;
}

void AddValues(const LaneOutcome& part, LaneOutcome& whole) {
  if (part.outcome.rows == 0) return;
  if (whole.outcome.rows == 0) {
    whole.values = part.values;
  } else if (whole.values.known && part.values.known) {
    whole.values.ordered = Chain(whole.values.ordered, part.values.ordered);
    whole.values.unordered += part.values.unordered;
  } else {
    whole.values = {};
  }
}

void AddLane(const LaneOutcome& part, LaneOutcome& whole) {
  AddValues(part, whole);
  AddSums(part.outcome, whole.outcome);
  whole.outcome.digest_ordered = Chain(whole.outcome.digest_ordered, part.outcome.digest_ordered);
  if (whole.cells_complete && part.cells_complete) {
    whole.cells.insert(whole.cells.end(), part.cells.begin(), part.cells.end());
  } else {
    whole.cells = {};
    whole.cells_complete = false;
  }
  if (!whole.rows_complete) return;
  whole.rows += part.rows;
  whole.rows_complete = part.rows_complete;
}

}  // namespace

Difference JudgeWhole(FetchedWhole& whole, base::Micros clock_slack_us) {
  std::vector<LaneOutcome>& lanes = whole.pair.lanes;
  const auto take_sums = [&] {
    for (size_t i = 0; i < std::min(lanes.size(), whole.sums.size()); ++i) {
      event::Outcome& outcome = lanes[i].outcome;
      const event::Outcome& sums = whole.sums[i];
      lanes[i].rows_complete = lanes[i].rows_complete && outcome.rows == sums.rows;
      outcome.rows = sums.rows;
      outcome.row_bytes = sums.row_bytes;
      outcome.digest_unordered = sums.digest_unordered;
    }
  };
  // Of other counts nobody asks for values, and the counts told are to be those of the whole.
  if (lanes.size() > 1 && whole.sums[0].rows != whole.sums[1].rows) take_sums();
  Difference difference = JudgePair(whole.pair, whole.facts, clock_slack_us);
  if (difference.kind == DifferenceKind::kNone && whole.noted.kind != DifferenceKind::kNone) {
    difference = whole.noted;
  }
  take_sums();
  return difference;
}

FetchBook::Part FetchBook::Add(const StatementPair& pair, const StatementFacts& facts,
                               Ended& ended) {
  if (pair.lanes.size() < 2) return Part::kNone;
  const auto id = static_cast<uint64_t>(pair.session);
  auto known = sessions_.find(id);
  if (known == sessions_.end() && facts.cursor.act == CursorAct::kNone && !pair.portal) {
    return Part::kNone;
  }
  if (known != sessions_.end()) {
    Session& session = known->second;
    const bool over = session.idle && session.exchange != pair.exchange;
    const bool ends =
        facts.kind == StatementKind::kCommit || facts.kind == StatementKind::kRollback;
    const bool lost = AnyIs(pair, event::OutcomeStatus::kLost);
    if (over || ends || lost) EndOf(session, /*holding_too=*/lost, ended);
  }
  const Part part = TakePart(pair, facts, ended);
  known = sessions_.find(id);
  if (known == sessions_.end()) return part;
  if (known->second.cursors.empty()) {
    sessions_.erase(known);
  } else {
    known->second.exchange = pair.exchange;
    known->second.idle = AnyIdle(pair);
  }
  return part;
}

void FetchBook::EndAll(Ended& ended) {
  for (auto& [id, session] : sessions_) EndOf(session, /*holding_too=*/true, ended);
  sessions_.clear();
}

FetchBook::Part FetchBook::TakePart(const StatementPair& pair, const StatementFacts& facts,
                                    Ended& ended) {
  // A FETCH whose own rows come in parts: those are put together.
  if (pair.portal) return TakePortal(pair, facts, ended);
  const event::CursorUse& use = facts.cursor;
  switch (use.act) {
    case CursorAct::kNone:
      return Part::kNone;
    case CursorAct::kFetch:
      return TakeFetch(pair, facts, ended);
    case CursorAct::kDeclare:
      if (!AllSucceeded(pair)) return Part::kNone;
      End(pair.session, use.name, ended);
      if (Cursor* cursor = Open(pair, facts, use.name)) {
        cursor->of_sql = cursor->declared = true;
        cursor->holds = use.holds;
      }
      return Part::kNone;
    case CursorAct::kMove:
      if (Cursor* cursor = Find(pair.session, use.name)) {
        EndParts(*cursor, ended);
        cursor->skips = true;
      }
      return Part::kNone;
    case CursorAct::kClose: {
      const auto known = sessions_.find(static_cast<uint64_t>(pair.session));
      if (!use.name.empty()) {
        End(pair.session, use.name, ended);
      } else if (known != sessions_.end()) {
        EndOf(known->second, /*holding_too=*/true, ended);
      }
      return Part::kNone;
    }
  }
  return Part::kNone;
}

FetchBook::Part FetchBook::TakeFetch(const StatementPair& pair, const StatementFacts& facts,
                                     Ended& ended) {
  const event::CursorUse& use = facts.cursor;
  if (!AllSucceeded(pair)) {
    End(pair.session, use.name, ended);
    return Part::kNone;
  }
  Cursor* cursor = Find(pair.session, use.name);
  if (cursor == nullptr) {
    // Of a function, or of what was before the capture. Without a transaction it is one WITH HOLD.
    cursor = Open(pair, facts, use.name);
    if (cursor == nullptr) {
      ++parts_alone_;
      return Part::kNone;
    }
    cursor->of_sql = true;
    cursor->holds = AnyIdle(pair);
  }
  if (!use.onwards) {
    EndParts(*cursor, ended);
    cursor->skips = true;
  }
  AddPart(pair, use.rows, *cursor);
  for (size_t i = 0; i < std::min(pair.lanes.size(), cursor->at_end.size()); ++i) {
    cursor->at_end[i] = use.onwards && pair.lanes[i].outcome.rows < use.rows;
  }
  const Part part = cursor->declared ? Part::kOfDeclared : Part::kOfPortal;
  const bool all =
      std::find(cursor->at_end.begin(), cursor->at_end.end(), false) == cursor->at_end.end();
  if (all || !use.onwards) {
    EndParts(*cursor, ended);
    cursor->skips = true;
  }
  return part;
}

FetchBook::Part FetchBook::TakePortal(const StatementPair& pair, const StatementFacts& facts,
                                      Ended& ended) {
  const std::string& name = pair.portal->name;
  if (pair.portal->first || !AllSucceeded(pair)) End(pair.session, name, ended);
  if (!AllSucceeded(pair)) return Part::kNone;
  const bool more = AnyIs(pair, event::OutcomeStatus::kSuspended);
  Cursor* cursor = Find(pair.session, name);
  if (cursor == nullptr) {
    if (!more) return Part::kNone;
    cursor = Open(pair, facts, name);
    if (cursor == nullptr) {
      ++parts_alone_;
      return Part::kNone;
    }
    cursor->skips = !pair.portal->first;  // Its first parts are not known.
  }
  AddPart(pair, pair.portal->rows_max, *cursor);
  for (size_t i = 0; i < std::min(pair.lanes.size(), cursor->at_end.size()); ++i) {
    if (pair.lanes[i].outcome.status != event::OutcomeStatus::kSuspended) cursor->at_end[i] = true;
  }
  if (!more) End(pair.session, name, ended);
  return Part::kOfPortal;
}

FetchBook::Cursor* FetchBook::Find(event::SessionId session, const std::string& name) {
  const auto known = sessions_.find(static_cast<uint64_t>(session));
  if (known == sessions_.end()) return nullptr;
  const auto found = known->second.cursors.find(name);
  return found == known->second.cursors.end() ? nullptr : &found->second;
}

// REQUIRES: none of that name is open. nullptr: over a limit.
FetchBook::Cursor* FetchBook::Open(const StatementPair& pair, const StatementFacts& facts,
                                   const std::string& name) {
  const auto known = sessions_.find(static_cast<uint64_t>(pair.session));
  const size_t of_session = known == sessions_.end() ? 0 : known->second.cursors.size();
  const size_t bytes = sizeof(Cursor) + name.size() + pair.text.size() + facts.pattern.size();
  if (cursors_ >= limits_.cursors || of_session >= limits_.cursors_per_session ||
      bytes_ + bytes > limits_.bytes) {
    return nullptr;
  }
  Cursor& cursor = sessions_[static_cast<uint64_t>(pair.session)].cursors[name];
  cursor.facts = facts;
  cursor.order_broken = pair.order_broken;
  cursor.counterfactual = pair.counterfactual;
  cursor.opened_bytes = bytes;
  cursor.whole.session = pair.session;
  cursor.whole.exchange = pair.exchange;
  cursor.whole.text = pair.text;
  cursor.whole.ordinal = pair.ordinal;
  bytes_ += bytes;
  ++cursors_;
  return &cursor;
}

void FetchBook::AddPart(const StatementPair& pair, uint64_t rows_max, Cursor& cursor) {
  StatementPair& whole = cursor.whole;
  if (cursor.parts == 0) {
    whole.lanes.resize(pair.lanes.size());
    for (LaneOutcome& lane : whole.lanes) lane.cells_complete = lane.rows_complete = true;
    cursor.sums.assign(pair.lanes.size(), {});
    cursor.at_end.assign(pair.lanes.size(), false);
    whole.started_us = pair.started_us;
    whole.captured.status = event::OutcomeStatus::kDone;
  }
  ++cursor.parts;
  cursor.rows_max = rows_max;
  whole.completed_us = pair.completed_us;
  whole.held_up = whole.held_up || pair.held_up;
  whole.cancel_requested = whole.cancel_requested || pair.cancel_requested;
  whole.order_broken = whole.order_broken || pair.order_broken;
  whole.counterfactual = whole.counterfactual || pair.counterfactual;
  // Rows tied with those at an edge count, however equal they are.
  const bool edges = cursor.facts.ordered && (cursor.kept > 0 || cursor.skips);
  const Difference alone = edges ? Difference() : JudgePair(pair, cursor.facts);
  const bool keep = edges || !IsAlike(alone);
  cursor.kept += keep ? 1U : 0U;
  if (!keep && alone.kind == DifferenceKind::kValues) cursor.noted = alone;
  for (size_t i = 0; i < std::min(pair.lanes.size(), whole.lanes.size()); ++i) {
    const LaneOutcome& part = pair.lanes[i];
    LaneOutcome& lane = whole.lanes[i];
    AddSums(part.outcome, cursor.sums[i]);
    if (lane.columns.empty()) lane.columns = part.columns;
    lane.transaction_status = part.transaction_status;
    lane.backend_pid = part.backend_pid;
    if (keep) AddLane(part, lane);
  }
  // A part that production did not get is counted by itself.
  if (!Succeeded(pair.captured)) whole.captured.status = event::OutcomeStatus::kSkipped;
  AddSums(pair.captured, whole.captured);
  if (keep) Bound(cursor);
}

void FetchBook::Bound(Cursor& cursor) {
  size_t bytes = 0;
  for (const LaneOutcome& lane : cursor.whole.lanes) bytes += BytesOf(lane);
  bytes_ += bytes - cursor.bytes;
  cursor.bytes = bytes;
  if (bytes <= limits_.bytes_per_cursor && bytes_ <= limits_.bytes) return;
  for (LaneOutcome& lane : cursor.whole.lanes) ForgetRows(lane);
  bytes_ -= cursor.bytes;
  cursor.bytes = 0;
}

void FetchBook::EndParts(Cursor& cursor, Ended& ended) {
  StatementPair& parts = cursor.whole;
  const bool any_rows = std::any_of(cursor.sums.begin(), cursor.sums.end(),
                                    [](const event::Outcome& sums) { return sums.rows > 0; });
  // Behind the end a client may ask as often as it likes.
  if (cursor.parts > 0 && (any_rows || !cursor.skips)) {
    std::vector<LaneOutcome> lanes = std::move(parts.lanes);
    parts.lanes.clear();
    FetchedWhole& whole = ended.emplace_back();
    whole.pair = parts;
    whole.pair.lanes = std::move(lanes);
    whole.pair.order_broken = parts.order_broken || cursor.order_broken;
    whole.pair.counterfactual = parts.counterfactual || cursor.counterfactual;
    whole.sums = std::move(cursor.sums);
    whole.noted = std::move(cursor.noted);
    whole.facts = cursor.facts;
    whole.declared = cursor.declared;
    bool all = !cursor.skips;
    for (size_t i = 0; i < cursor.at_end.size(); ++i) {
      all = all && cursor.at_end[i];
      whole.pair.lanes[i].outcome.status =
          cursor.at_end[i] ? event::OutcomeStatus::kDone : event::OutcomeStatus::kSuspended;
    }
    // Who asks a query without order for one row knows that there is but one, and drivers that
    // return one row ask for no more: `SELECT name FROM users WHERE id = $1`.
    const bool one = !cursor.of_sql && cursor.parts == 1 && cursor.rows_max == 1 && !cursor.skips &&
                     !cursor.facts.ordered;
    // Only the rows of the parts that were kept are counted later.
    const bool cut = std::any_of(whole.sums.begin(), whole.sums.end(), [&](const auto& sums) {
      return event::LeavesOut(whole.facts, sums.rows);
    });
    if (!all || cut) whole.facts.limit.reset();
    whole.facts.limited = whole.facts.limited || (!all && !one);
    whole.facts.skips = whole.facts.skips || cursor.skips;
  }
  bytes_ -= cursor.bytes;
  cursor.bytes = 0;
  cursor.parts = cursor.kept = 0;
  cursor.sums.clear();
  cursor.noted = {};
  cursor.at_end.clear();
  parts.lanes.clear();
  parts.captured = {};
  parts.held_up = parts.cancel_requested = parts.order_broken = parts.counterfactual = false;
}

void FetchBook::End(event::SessionId session, const std::string& name, Ended& ended) {
  const auto known = sessions_.find(static_cast<uint64_t>(session));
  if (known == sessions_.end()) return;
  const auto found = known->second.cursors.find(name);
  if (found == known->second.cursors.end()) return;
  EndParts(found->second, ended);
  bytes_ -= found->second.opened_bytes;
  --cursors_;
  known->second.cursors.erase(found);
}

void FetchBook::EndOf(Session& session, bool holding_too, Ended& ended) {
  for (auto at = session.cursors.begin(); at != session.cursors.end();) {
    if (at->second.holds && !holding_too) {
      ++at;
      continue;
    }
    EndParts(at->second, ended);
    bytes_ -= at->second.opened_bytes;
    --cursors_;
    at = session.cursors.erase(at);
  }
}

}  // namespace scry::compare
