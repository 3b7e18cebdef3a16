// What a statement does to the rows of the tables it names, by its parse tree: which clauses of
// ALTER TABLE read every row, what gives a table another file, and whether an INSERT takes its rows
// from a table. Used for estimates, for advice, and for what no event trigger tells of. Pure.
// Without libpg_query, and of text that does not parse, nothing is known.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace scry::event {

struct TableWork {
  // Clauses of ALTER TABLE.
  bool adds_column = false;
  bool adds_generated = false;      // Stored values, or an identity: all rows get one.
  bool builds_primary_key = false;  // These without USING INDEX.
  bool builds_unique = false;
  bool builds_exclusion = false;
  bool checks_rows = false;  // Adds a CHECK or a foreign key that is not NOT VALID.
  bool validates = false;
  bool sets_not_null = false;
  bool attaches = false;
  bool detaches = false;

  bool reads_table = false;  // Of INSERT: its rows are a query's over a table.
  // Of DROP: CASCADE, or several names. CONCURRENTLY takes neither.
  bool drops_more = false;
  bool without_data = false;  // REFRESH MATERIALIZED VIEW ... WITH NO DATA.
  // Gives what it names another file, and its indexes with it: TRUNCATE, CLUSTER, VACUUM FULL,
  // REFRESH MATERIALIZED VIEW, ALTER TABLE ... SET TABLESPACE.
  bool swaps_files = false;
  bool truncates_more = false;       // TRUNCATE ... CASCADE.
  bool reindexes = false;            // REINDEX without CONCURRENTLY.
  bool builds_concurrently = false;  // CREATE INDEX CONCURRENTLY.
};

// Of the statements of a text with its literals: patterns of DDL do not parse.
std::vector<TableWork> TableWorksOf(const std::string& text);
// Of one of them.
TableWork TableWorkOf(const std::string& text, uint32_t ordinal = 0);

}  // namespace scry::event
