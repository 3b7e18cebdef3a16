// Tells readers, writers and commits apart, from the text of their statements and from what the
// server says of what they use. What is not known to be a reader counts as a writer. Pure; one
// thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "event/event.h"
#include "event/statement_facts.h"
#include "replay/commit_order.h"

namespace scry::replay {

// What makes a SELECT write, lock or draw from a sequence without its text saying so.
struct HiddenWrites {
  std::set<std::string> functions;  // Volatile ones: lower case, no schema.
  std::set<std::string> relations;  // Views and tables with policies that use such; no schema.
  std::set<std::string> operators;  // "<=>": those whose function is volatile.
};

// Per session: what the exchanges before left behind.
struct TransactionTrail {
  bool wrote = false;           // The open transaction did.
  bool writing_cursor = false;  // Cursors may do so when they are fetched from.
  bool ever_wrote = false;      // The session may hold locks beyond its transactions.
};

struct ExchangeClass {
  OrderClass order_class = OrderClass::kFree;
  bool only_ends = false;    // COMMIT or ROLLBACK and nothing else.
  uint64_t fingerprint = 0;  // Of the first statement; 0: none.
};

class ExchangeClassifier {
 public:
  ExchangeClassifier(event::FactsCache& facts, HiddenWrites hidden)
      : facts_(facts), hidden_(std::move(hidden)) {}

  ExchangeClass Classify(const event::Exchange& exchange, TransactionTrail& trail);
  // The end of a session: an open transaction is rolled back, advisory locks are let go.
  static OrderClass ClassifyEnd(const TransactionTrail& trail);

 private:
  bool Writes(const event::Statement& statement, const event::StatementFacts& facts) const;

  event::FactsCache& facts_;
  const HiddenWrites hidden_;
};

}  // namespace scry::replay
