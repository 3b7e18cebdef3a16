// What SQL text says of itself: pattern, fingerprint, kind, what it reads and orders by. The one
// place that knows libpg_query, so that capture tools, replay, compare and report agree on
// patterns. Pure; FactsCache is for one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/text_cache.h"

namespace scry::event {

enum class StatementKind : uint8_t {
  kSelect,  // Also VALUES, TABLE, SHOW, FETCH, EXPLAIN without ANALYZE.
  kInsert,
  kUpdate,
  kDelete,
  kMerge,
  kCopyIn,
  kCopyOut,
  kBegin,
  kCommit,     // COMMIT, END, PREPARE TRANSACTION, COMMIT PREPARED.
  kRollback,   // ROLLBACK, ABORT, ROLLBACK PREPARED.
  kSavepoint,  // SAVEPOINT, RELEASE, ROLLBACK TO.
  kSession,    // SET, RESET, DISCARD, PREPARE, DEALLOCATE, DECLARE, CLOSE, LISTEN ...
  kDdl,
  kOther,  // Everything else, and what could not be parsed.
};

// What a statement does with a cursor of SQL.
enum class CursorAct : uint8_t { kNone, kDeclare, kFetch, kMove, kClose };

struct CursorUse {
  static constexpr uint64_t kAllRows = UINT64_MAX;

  CursorAct act = CursorAct::kNone;
  std::string name;      // As the server folds it. Empty: of CLOSE ALL.
  bool holds = false;    // DECLARE ... WITH HOLD: it outlives its transaction.
  bool onwards = false;  // FETCH and MOVE: the next rows, in their order.
  uint64_t rows = 0;     // So many of them at most.
};

struct StatementFacts {
  std::string pattern;       // Normalised text on one line: constants become $1, $2 ...
  uint64_t fingerprint = 0;  // Of libpg_query; of the pattern text where that cannot parse.
  bool parsed = false;       // False: the textual fallback was used.
  StatementKind kind = StatementKind::kOther;
  bool writes = true;    // May change data or take row locks; true where unknown. Functions are not
                         // judged here: see `functions`.
  bool ordered = false;  // ORDER BY at the top level; of DECLARE: of the cursor's query, as are
                         // `limited`, `skips` and `sort_keys`.
  bool skips_locked = false;      // FOR UPDATE SKIP LOCKED and its like, anywhere in it.
  bool nowait = false;            // FOR UPDATE NOWAIT and its like, LOCK TABLE NOWAIT.
  bool limited = false;           // LIMIT, OFFSET or FETCH FIRST at the top level.
  bool skips = false;             // OFFSET at the top level.
  std::optional<uint64_t> limit;  // That many rows, where a constant at the top level says.
  bool one_row = false;           // Aggregates at the top level, without GROUP BY.
  bool one_table = false;         // FROM at the top level names one table or view, nothing else.
  // Of one table, the row of an id that is given: but one, by its looks.
  bool one_key = false;
  bool repeats = false;  // Some relation stands in it more than once.
  // Left to chance, where rows are tied or read in another order. Which rows it is about: a LIMIT
  // below the top level, DISTINCT ON.
  bool picks = false;
  // What its computed columns hold: row_number() and its like, any_value(), a LIMIT in a subquery.
  bool ranks = false;
  // The order within a value: array_agg() and its like without an order of their own.
  bool gathers = false;
  // The output columns that `ranks` and `gathers` are about, as in sort_keys. nullopt: not known,
  // it may be any that is computed.
  std::optional<std::vector<std::string>> chosen;
  // The sort keys: an output column by its position from 1 ("#2"), or by its name where a star may
  // stand before it. Empty entry: what is no output column, as far as the text tells.
  std::vector<std::string> sort_keys;
  std::vector<std::string> functions;  // Names without schema, in lower case, sorted, once each.
  std::vector<std::string> relations;  // "schema.name" or "name" as written, sorted, once each.
  // The table or view that it makes (CREATE TABLE, SELECT INTO ...), also among `relations`.
  std::string makes;
  bool makes_temporary = false;
  // INSERT, UPDATE: the output columns that hang on what it gets of nextval() and its like.
  // nullopt: it calls none, or not only for values of its columns.
  std::optional<std::vector<std::string>> drawn;
  CursorUse cursor;
};

// The text on one line, without comments and closing semicolons; constants stay as they are.
std::string OneLineSql(std::string_view text);

// Whose speed nobody waits for: BEGIN and its like, and what only sets the session up.
bool IsDull(StatementKind kind);

// What it answers depends on what others are at in that moment: it goes round the locks they hold
// or gives up, instead of waiting, or it says whether their session was still there.
bool DependsOnLocks(const StatementFacts& facts);

// Its LIMIT or OFFSET may have left rows out, when it returned that many.
bool LeavesOut(const StatementFacts& facts, uint64_t rows);

// It calls nextval() and its like.
bool DrawsFromSequences(const StatementFacts& facts);

// "f3a9c0..." as 16 hex digits.
std::string FingerprintText(uint64_t fingerprint);

// All statements of a query string, in order. Never empty: unparsable text is one statement.
// Empty statements (";;") have no entry, as the server runs none.
std::vector<StatementFacts> AnalyzeQuery(std::string_view text);

// Bytes that an entry of FactsCache holds, roughly.
size_t WeighFacts(std::string_view text, const std::vector<StatementFacts>& facts);

// AnalyzeQuery with memory: so many texts, and 64 MiB of them and what they hold, as those with
// their values in them are all different.
class FactsCache : public TextCache<StatementFacts> {
 public:
  explicit FactsCache(size_t texts_max = 8192)
      : TextCache(&AnalyzeQuery, texts_max, &WeighFacts, size_t{64} << 20U) {}
};

}  // namespace scry::event
