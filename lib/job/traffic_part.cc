#include "job/traffic_part.h"

#include <algorithm>
#include <memory>
#include <string_view>

#include "base/letter_case.h"
#include "event/relation_name.h"
#include "job/capture_traffic.h"

namespace scry::job {
namespace {

using base::Micros;
using migration::LockMode;

// The migration comes well into the transaction, as tools do not start equally fast each time, and
// with most of it still to come.
constexpr Micros kIntoTransactionUs = 2 * 1000 * 1000;
constexpr Micros kIntoTransactionShare = 4;
// Without a transaction worth it, so far into the part: what follows is for the queue to drain.
constexpr double kIntoPart = 0.4;
constexpr Micros kShortTransactionUs = 100 * 1000;

// The lock that a statement takes on a relation that it names.
LockMode ModeOf(const std::string& relation, const event::StatementFacts& facts,
                const event::StatementSites& sites) {
  using event::StatementKind;
  if (!sites.known) {
    const bool reads =
        facts.kind == StatementKind::kSelect || facts.kind == StatementKind::kSession;
    // DDL and LOCK, whichever.
    return reads && !facts.writes ? LockMode::kAccessShare : LockMode::kAccessExclusive;
  }
  if (std::find(sites.writes.begin(), sites.writes.end(), relation) != sites.writes.end()) {
    return LockMode::kRowExclusive;
  }
  const bool locks_rows =
      std::any_of(sites.row_locks.begin(), sites.row_locks.end(),
                  [&](const event::LockedRelation& one) { return one.relation == relation; });
  return locks_rows ? LockMode::kRowShare : LockMode::kAccessShare;
}

}  // namespace

void TransactionScan::Take(const event::Event& event) {
  const auto session = static_cast<uint64_t>(event::SessionOf(event));
  end_us_ = std::max(end_us_, event::TimeOf(event));
  if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    begin_us_ = std::min(begin_us_.value_or(start->at_us), start->at_us);
  } else if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    const bool open = exchange->status == 'T' || exchange->status == 'E';
    if (!open_.contains(session) && Stops(*exchange)) {
      open_.emplace(session, exchange->forwarded_us);
    }
    // A statement alone is a transaction, too.
    if (!open && open_.contains(session)) End(session, exchange->completed_us);
  } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    if (open_.contains(session)) End(session, end->at_us);
  }
}

bool TransactionScan::Stops(const event::Exchange& exchange) {
  return wish_.tables.empty() ||
         std::any_of(exchange.statements.begin(), exchange.statements.end(),
                     [&](const event::Statement& one) { return Stops(one); });
}

bool TransactionScan::Names(const base::SharedText& text) {
  if (!text.SharesWith(named_text_)) {
    named_text_ = text;
    names_ = std::any_of(wish_.tables.begin(), wish_.tables.end(), [&](const auto& table) {
      return base::ContainsInAnyCase(text, table.first);
    });
  }
  return names_;
}

bool TransactionScan::Stops(const event::Statement& statement) {
  if (!Names(statement.text)) return false;
  const event::StatementFacts& facts = facts_.Get(statement.text, statement.ordinal);
  const event::StatementSites& sites = sites_.Get(statement.text, statement.ordinal);
  return std::any_of(facts.relations.begin(), facts.relations.end(),
                     [&](const std::string& relation) {
                       const auto table = wish_.tables.find(std::string(event::BareName(relation)));
                       return table != wish_.tables.end() &&
                              migration::Conflicts(table->second, ModeOf(relation, facts, sites));
                     });
}

void TransactionScan::End(uint64_t session, Micros at_us) {
  const auto open = open_.find(session);
  const TransactionSpan span{open->second, at_us};
  if (span.length_us() > longest_.length_us()) longest_ = span;
  if (span.length_us() > wish_.hold_us && spans_.size() < kSpansMax) spans_.push_back(span);
  open_.erase(open);
}

void TransactionScan::Finish() {
  while (!open_.empty()) End(open_.begin()->first, end_us_);
}

base::Result<TrafficPart> ChooseTrafficPart(const std::vector<std::string>& captures,
                                            const PartWish& wish, event::FactsCache& facts) {
  TrafficPart best;
  TransactionSpan longest;
  for (const std::string& capture : captures) {
    SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, OpenWholeCapture(capture));
    TransactionScan scan(wish, facts);
    uint64_t statements = 0;
    for (;;) {
      SCRY_TRY_ASSIGN(const std::optional<event::Event> event, source->Next());
      if (!event) break;
      if (const auto* exchange = std::get_if<event::Exchange>(&*event)) {
        statements += exchange->statements.size();
      }
      scan.Take(*event);
    }
    scan.Finish();
    if (!best.capture.empty() && scan.longest().length_us() <= longest.length_us()) continue;
    best.capture = capture;
    best.statements = statements;
    longest = scan.longest();
    best.begin_us = scan.begin_us();
    best.end_us = scan.end_us();
    best.spans = scan.TakeSpans();
  }
  best.from_us = best.begin_us;
  best.to_us = best.end_us;
  best.transaction_us_max = longest.length_us();
  best.transaction = longest;
  const bool is_long = best.transaction_us_max >= kShortTransactionUs;
  const Micros all_us = best.end_us - best.begin_us;
  if (all_us > wish.length_us) {
    best.whole = false;
    best.from_us = is_long ? longest.begin_us - wish.before_us : best.begin_us + all_us / 2;
    best.from_us = std::clamp(best.from_us, best.begin_us, best.end_us - wish.length_us);
    best.to_us = best.from_us + wish.length_us;
  }
  const auto into_us =
      std::min(wish.before_us,
               static_cast<Micros>(static_cast<double>(best.to_us - best.from_us) * kIntoPart));
  best.migrate_us =
      is_long ? longest.begin_us +
                    std::min(kIntoTransactionUs, best.transaction_us_max / kIntoTransactionShare)
              : best.from_us + into_us;
  return best;
}

}  // namespace scry::job
