// Where the text of a statement says which column a value belongs to ("id = $1", "INSERT INTO t (a)
// VALUES (5)"), and which relations it reads, writes and locks. For replay: values that a lane made
// itself are mapped by their column, and exchanges that touch different rows need no order. Pure
// syntax: no catalog, so what takes one to know is left open. Pure; SitesCache is for one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "event/text_cache.h"

namespace scry::event {

// A constant or a parameter that belongs to a column. Constants are numbers, strings, true, false
// and NULL.
struct ValueSite {
  enum class Role : uint8_t {
    kCompared,  // "=", "<" and the like, IN, = ANY, BETWEEN.
    kStored,    // INSERT and UPDATE SET.
  };

  // "schema.name" or "name" as written; never an alias, a CTE or a subquery.
  std::string relation;
  // Filled where `relation` is empty: an unqualified column that can be of any of these.
  std::vector<std::string> candidates;
  // "#3": the third column of an INSERT that does not name its columns.
  std::string column;
  Role role = Role::kCompared;
  int parameter = 0;  // $n. 0: a literal.
  // Of a literal: the constant alone, with its quotes or its sign, in bytes of the whole query
  // text.
  size_t offset = 0;
  size_t length = 0;
  bool array = false;  // The value is an array of the column's type: = ANY($1).
  // `column = value` of a top-level AND in the WHERE of a statement over this one relation, which
  // the statement names nowhere else: every row of it that is touched satisfies this.
  bool conjunct = false;
  uint32_t row = 0;  // kStored by INSERT ... VALUES: of which row, from 0.
};

// In the order of the lock manager.
enum class RowLock : uint8_t { kKeyShare, kShare, kNoKeyUpdate, kUpdate };

struct LockedRelation {
  std::string relation;
  RowLock strength = RowLock::kUpdate;
};

// An INSERT, or the target of COPY FROM.
struct InsertShape {
  std::vector<std::string> columns;  // Empty: all of the relation, in its order.
  bool on_conflict = false;
  // Its rows are plain VALUES (also DEFAULT VALUES), so many. What is stored in a column is known
  // where there are as many sites of it. 0: of a query, or COPY.
  uint32_t values_rows = 0;
  // Columns for which a row says DEFAULT, named as in the sites; columns not named get theirs too.
  std::vector<std::string> defaults;
};

// Data that the client of COPY FROM STDIN sends, into the columns of InsertShape.
struct CopyShape {
  enum class Format : uint8_t { kText, kCsv, kBinary };
  Format format = Format::kText;
  char delimiter = '\t';
  char quote = '"';  // Of kCsv, as the next.
  char escape = '"';
  bool header = false;  // The first line is none of the rows.
};

// An output column of a SELECT that is a call of a sequence function.
struct SequenceCall {
  size_t column = 0;     // From 0.
  std::string function;  // nextval, currval, lastval.
  std::string sequence;  // The name, as its literal holds it. Empty: lastval, or not a literal.
};

struct StatementSites {
  // The statement is a SELECT, INSERT, UPDATE, DELETE, MERGE or COPY and was read whole: the lists
  // of relations hold all that its text names. Otherwise they may be short (EXECUTE, DDL), and the
  // sites are those that were found (in EXPLAIN, DECLARE, PREPARE, CREATE TABLE AS).
  bool known = false;
  std::vector<ValueSite> sites;
  std::vector<ValueSite> unresolved;  // Those with candidates.
  // Names as written, sorted, once each. A target of a write is read only where it is named again.
  std::vector<std::string> reads;
  std::vector<std::string> writes;  // Of INSERT, UPDATE, DELETE, MERGE, COPY FROM, in CTEs too.
  std::vector<LockedRelation> row_locks;  // FOR UPDATE and its like.
  std::vector<std::string> set_columns;   // Of an UPDATE, a MERGE or ON CONFLICT DO UPDATE.
  std::optional<InsertShape> insert;      // Of the statement itself, not of its CTEs.
  std::optional<CopyShape> copy_in;       // ... which is a COPY FROM STDIN.
  std::vector<SequenceCall> sequence_calls;
};

// One entry per statement of a query string, in order, as AnalyzeQuery has them. Never empty: text
// that is not parsed is one statement of which nothing is known.
std::vector<StatementSites> FindValueSites(std::string_view text);

// What a literal means: the number or the string without quotes and escapes. Nothing for NULL and
// for what is no literal.
std::optional<std::string> LiteralValue(std::string_view literal);

// FindValueSites with memory. A bulk INSERT of 64 kB has some megabytes of sites, so that is
// bounded too.
class SitesCache : public TextCache<StatementSites> {
 public:
  explicit SitesCache(size_t texts_max = 8192);
};

}  // namespace scry::event
