// Which columns a condition compares, and how: of conditions as EXPLAIN prints them and of a
// statement's WHERE. For causes and for proposals of indexes. Pure syntax: no catalog. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace scry::event {

enum class TermKind : uint8_t {
  kEqual,      // "= x", IN, = ANY (array).
  kRange,      // <, <=, >, >=.
  kIsNull,     // IS NULL.
  kIsNotNull,  // IS NOT NULL.
  kIsTrue,     // The column itself.
  kIsFalse,    // NOT column.
  kOther,      // Anything that a plain B-tree index on the column does not serve.
};

// One member of a top-level AND.
struct PredicateTerm {
  TermKind kind = TermKind::kOther;
  std::string qualifier;  // "o" of o.region; empty: none.
  std::string column;
  // What the column is cast to before it is compared ("int4"); empty, or text for character types:
  // an index on the column serves it.
  std::string cast;
  bool is_array = false;  // IN, = ANY.
  // Of a comparison with another column.
  std::string other_qualifier;
  std::string other_column;

  bool joins() const { return !other_column.empty(); }
  friend bool operator==(const PredicateTerm&, const PredicateTerm&) = default;
};

// At most 64; none of what does not parse. A comparison of two columns is there twice, once for
// each. Columns below OR, in functions and in subqueries have no term.
std::vector<PredicateTerm> ReadPredicate(std::string_view condition);

struct SortKey {
  std::string qualifier;
  std::string column;  // Empty: an expression.
  bool descending = false;
  bool nulls_other = false;  // NULLs at the end where the direction does not put them.
  friend bool operator==(const SortKey&, const SortKey&) = default;
};
// "o.created_at DESC".
SortKey ReadSortKey(std::string_view key);

}  // namespace scry::event
