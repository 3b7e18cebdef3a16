// Puts together results that clients fetch in parts: of portals, by the row limit of Execute, and
// of SQL cursors, by FETCH. Where the query has no total order, which row lies in which part is up
// to the plan; so parts are judged together, once there are no more of them. Filled by PatternTable
// with every pair, in their order. Pure and bounded; not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "compare/difference.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

struct FetchLimits {
  size_t cursors_per_session = 256;  // Parts of further ones are judged each by itself.
  size_t cursors = 16 * 1024;        // The same of all sessions.
  // Values and rows of parts that differ. Of more, digests alone are compared.
  size_t bytes_per_cursor = 16'000'000;
  size_t bytes = 64'000'000;  // Of all cursors, their texts included.
};

// A result as far as it was fetched.
struct FetchedWhole {
  // All parts as one statement: that which opened the cursor. Parts that are alike on all lanes may
  // be left out.
  event::StatementPair pair;
  std::vector<event::Outcome> sums;  // By lane, of all parts: rows, bytes and unordered digests.
  Difference noted;                  // Of a part that was left out: by itself it does not weigh.
  event::StatementFacts facts;  // Of its query; `limited` too where it was not fetched to its end.
  bool declared = false;        // A DECLARE opened it, which is a statement of its own.
};

// As JudgePair. The sums stand in the lanes' outcomes afterwards.
Difference JudgeWhole(FetchedWhole& whole, base::Micros clock_slack_us);

class FetchBook {
 public:
  enum class Part : uint8_t {
    kNone,        // No part of a result: to be judged by itself.
    kOfPortal,    // Its whole counts for the same statement.
    kOfDeclared,  // Its whole counts for the DECLARE.
  };

  explicit FetchBook(FetchLimits limits = {}) : limits_(limits) {}

  // Takes in one more pair. What it ends, and what had ended before it, goes to `ended`.
  Part Add(const event::StatementPair& pair, const event::StatementFacts& facts,
           std::vector<FetchedWhole>& ended);
  // There are no more pairs of any session.
  void EndAll(std::vector<FetchedWhole>& ended);

  uint64_t parts_alone() const { return parts_alone_; }  // Not put together: over the limits.
  size_t open() const { return cursors_; }
  size_t bytes() const { return bytes_; }

 private:
  // A portal or a cursor of SQL: both have their names from one space.
  struct Cursor {
    bool of_sql = false;
    bool declared = false;
    bool holds = false;  // Outlives its transaction.
    bool order_broken = false;
    bool counterfactual = false;
    event::StatementFacts facts;
    size_t opened_bytes = 0;
    event::StatementPair whole;  // Without the flags of its parts; no lanes: no part yet.
    // Of its parts.
    std::vector<event::Outcome> sums;  // By lane, as of FetchedWhole.
    std::vector<bool> at_end;          // By lane.
    Difference noted;
    uint64_t parts = 0;
    uint64_t kept = 0;      // Of those, with values and rows.
    uint64_t rows_max = 0;  // Asked for by the last one.
    bool skips = false;     // They do not begin with the first row.
    size_t bytes = 0;
  };
  using Cursors = std::map<std::string, Cursor>;
  struct Session {
    Cursors cursors;
    uint64_t exchange = 0;  // Of the pair before.
    bool idle = false;      // No transaction was open behind it.
  };
  using Ended = std::vector<FetchedWhole>;

  Part TakePart(const event::StatementPair& pair, const event::StatementFacts& facts, Ended& ended);
  Part TakeFetch(const event::StatementPair& pair, const event::StatementFacts& facts,
                 Ended& ended);
  Part TakePortal(const event::StatementPair& pair, const event::StatementFacts& facts,
                  Ended& ended);
  Cursor* Find(event::SessionId session, const std::string& name);
  Cursor* Open(const event::StatementPair& pair, const event::StatementFacts& facts,
               const std::string& name);
  void AddPart(const event::StatementPair& pair, uint64_t rows_max, Cursor& cursor);
  void Bound(Cursor& cursor);
  void EndParts(Cursor& cursor, Ended& ended);
  void End(event::SessionId session, const std::string& name, Ended& ended);
  void EndOf(Session& session, bool holding_too, Ended& ended);

  const FetchLimits limits_;
  std::map<uint64_t, Session> sessions_;  // With a cursor open.
  size_t cursors_ = 0;
  size_t bytes_ = 0;
  uint64_t parts_alone_ = 0;
};

}  // namespace scry::compare
