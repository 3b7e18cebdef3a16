// What an earlier difference explains: a write that went differently on the candidate taints its
// relation, and later differences on that relation follow from it. Filled by PatternTable with
// every pair, in their order; what it says depends on earlier pairs only. Not thread-safe.
//
// Following is a matter of order in the report, never of the verdict: verdict.cc folds a difference
// only under a cause that gates.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compare/difference.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

class TaintBook {
 public:
  struct Following {
    uint64_t cause = 0;           // Fingerprint of the first cause; 0: follows from nothing known.
    bool in_transaction = false;  // Of the same transaction, which the cause broke.
  };
  // Takes in one more pair and says what its difference follows from.
  Following Add(const event::StatementPair& pair, const event::StatementFacts& facts,
                const Difference& difference);

 private:
  // Taints of an open transaction are seen by others once it commits.
  struct Session {
    uint64_t cause = 0;  // What broke the open transaction on a lane.
    std::map<std::string, uint64_t> taints;
    std::vector<std::string> written;
  };

  uint64_t CauseOf(const event::StatementPair& pair, const event::StatementFacts& facts,
                   const Difference& difference, const Session& session) const;
  uint64_t CauseOfKey(std::string_view message, const Session& session) const;
  void Write(const std::string& relation, const event::StatementFacts& facts, uint64_t cause,
             Session& session) const;
  void End(const event::StatementPair& pair, const event::StatementFacts& facts, Session& session);
  void Publish(const std::string& relation, uint64_t cause);

  std::map<std::string, uint64_t> taints_;  // Cause by relation, without its schema.
  std::map<uint64_t, Session> sessions_;    // With a transaction open that wrote.
};

// The relation that a statement writes, without its schema; empty: none, or not known.
std::string WrittenRelation(const event::StatementFacts& facts);

}  // namespace scry::compare
