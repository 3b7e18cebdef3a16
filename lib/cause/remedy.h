// What might mend a finding of latency or work: indexes on the columns that its plan compares,
// joins and sorts by, an index of the baseline as it was, statistics of columns that belong
// together. Only proposals: whether one helps is measured (job/fix_prover). Pure.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "cause/evidence.h"

namespace scry::cause {

inline constexpr size_t kRemediesMax = 10;
inline constexpr size_t kIndexColumnsMax = 6;
// Of columns that an index only carries along.
inline constexpr size_t kIncludedMax = 5;
inline constexpr double kIncludedBytesMax = 64;

// On a fork that nobody else uses.
struct RemedyStep {
  std::string apply;
  std::string undo;  // Of what `apply` made, if it did; empty: nothing to undo.
};

struct Remedy {
  std::string kind;                   // As report::Fix::kind.
  std::string name;                   // To paste: of the index or the statistics object, bare.
  std::string made;                   // As `steps` name it: "public.scry_fix". Free when proposed.
  std::string table;                  // As the catalogue calls it.
  std::vector<std::string> columns;   // With their directions: "placed DESC".
  std::vector<std::string> included;  // Columns that are carried along: INCLUDE.
  std::string predicate;              // Of a partial index; empty: none.
  // Of an index for a foreign key: the query that each write of the parent makes, for a value that
  // is there. Empty: another remedy.
  std::string look_up;
  std::vector<std::string> sql;  // To paste: without locking writers out, where that exists.
  std::vector<RemedyStep> steps;
  std::vector<std::string> advice;
};

// What was there before comes first, then the most promising of each relation in turn; at most
// kRemediesMax, each once, none that is there already. The evidence has the plan of the candidate;
// `after` is the candidate as it is now. `names`: those that were told for it already.
std::vector<Remedy> ProposeRemedies(const Evidence& evidence,
                                    const std::set<std::string>& names = {});

}  // namespace scry::cause
