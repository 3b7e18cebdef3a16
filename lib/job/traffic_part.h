// Chooses which part of the captures to play beside a migration: around the longest transaction on
// its tables, since that is where a lock queue would form. Reads captures; blocks. Used by the
// during act.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/shared_text.h"
#include "event/event.h"
#include "event/statement_facts.h"
#include "event/value_sites.h"
#include "migration/lock_mode.h"

namespace scry::job {

// What of a part is asked for. Times are of the capture.
struct PartWish {
  base::Micros length_us = 0;  // At most.
  base::Micros before_us = 0;  // Of that, so much before the transaction.
  // Without schemas: what statements name that use what the migration locks or writes, and the
  // strongest lock that it wants there. Empty: any transaction counts, since its beginning.
  std::map<std::string, migration::LockMode> tables;
  base::Micros hold_us = 0;  // Which transactions' spans are kept: those longer than that.
};

// From when to when a transaction was open, since it first locked one of the tables in a way that
// the migration waits for: of what only reads, CREATE INDEX does not.
struct TransactionSpan {
  base::Micros begin_us = 0;
  base::Micros end_us = 0;
  base::Micros length_us() const { return end_us - begin_us; }
  friend bool operator==(const TransactionSpan&, const TransactionSpan&) = default;
};

// Of one capture; times in its own time.
struct TrafficPart {
  std::string capture;
  base::Micros from_us = 0;
  base::Micros to_us = 0;
  bool whole = true;
  base::Micros transaction_us_max = 0;  // The longest one on the tables.
  TransactionSpan transaction;          // That one.
  base::Micros migrate_us = 0;          // When the migration should come for its first strong lock.
  uint64_t statements = 0;              // Of the part.
  // Of the whole capture.
  base::Micros begin_us = 0;
  base::Micros end_us = 0;
  std::vector<TransactionSpan> spans;  // On the tables, longer than PartWish::hold_us.
};

// Follows open transactions. Pure; one capture.
class TransactionScan {
 public:
  static constexpr size_t kSpansMax = 100 * 1000;

  // Both outlive it.
  TransactionScan(const PartWish& wish, event::FactsCache& facts) : wish_(wish), facts_(facts) {}
  void Take(const event::Event& event);
  // Transactions still open end with the capture. Once.
  void Finish();
  TransactionSpan longest() const { return longest_; }
  std::vector<TransactionSpan> TakeSpans() { return std::move(spans_); }
  base::Micros end_us() const { return end_us_; }
  base::Micros begin_us() const { return begin_us_.value_or(0); }

 private:
  bool Stops(const event::Exchange& exchange);
  bool Stops(const event::Statement& statement);
  bool Names(const base::SharedText& text);  // One of the tables, perhaps.
  void End(uint64_t session, base::Micros at_us);

  const PartWish& wish_;
  event::FactsCache& facts_;
  event::SitesCache sites_;
  std::map<uint64_t, base::Micros> open_;  // By session: since when it is in the way.
  std::optional<base::Micros> begin_us_;
  base::Micros end_us_ = 0;
  TransactionSpan longest_;
  std::vector<TransactionSpan> spans_;
  base::SharedText named_text_;  // The last one that Names() was asked of, and what it said.
  bool names_ = false;
};

// A part of the capture with the longest transaction. REQUIRES: captures.
base::Result<TrafficPart> ChooseTrafficPart(const std::vector<std::string>& captures,
                                            const PartWish& wish, event::FactsCache& facts);

}  // namespace scry::job
