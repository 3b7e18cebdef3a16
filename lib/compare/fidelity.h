// How faithful a replay is: did the baseline do what production did, and what it did instead. Used
// by PatternTable, verdict.cc and reports. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

// In the order they are looked for: a statement loses fidelity once.
enum class FidelityLoss : uint8_t {
  kSqlstate,  // Another SQLSTATE, an error for an answer or an answer for an error.
  kRows,      // Another number of rows, returned or affected.
  kValues,    // Equally many rows, another digest.
};
inline constexpr size_t kFidelityLosses = 3;

struct FidelityCounts {
  uint64_t judged = 0;
  std::array<uint64_t, kFidelityLosses> lost{};

  uint64_t lost_in_all() const;
  uint64_t matched() const { return judged - lost_in_all(); }
  double share() const;  // Matched of judged; 1 where nothing was judged.
  void Add(const FidelityCounts& other);
  friend bool operator==(const FidelityCounts&, const FidelityCounts&) = default;
};

// Judges one statement into `counts`. `introduced`: the change under test introduces what it needs,
// so the baseline cannot do as production did. Values on which baseline and control disagree (a
// default of now(), a random key) tell nothing of it.
void JudgeFidelity(const event::StatementPair& pair, const event::StatementFacts& facts,
                   bool introduced, FidelityCounts& counts);

// A pattern that lost fidelity.
struct UnfaithfulPattern {
  uint64_t fingerprint = 0;
  std::string pattern;
  FidelityCounts counts;
};

// "4 another SQLSTATE, 1 other rows": what did not match, without what did not happen.
std::string DescribeLosses(const FidelityCounts& counts);

const char* Name(FidelityLoss loss);  // "another SQLSTATE" ...

}  // namespace scry::compare
