// Why a finding is there, in one sentence for whoever wrote the migration: derived from evidence by
// a table of rules, the first that fits. Where none fits it says what differs, and never guesses.
// Used by the jobs. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cause/evidence.h"

namespace scry::cause {

// The mechanism where no rule fitted.
inline constexpr std::string_view kNoRule = "differs";

struct Cause {
  std::string object;     // "index orders_region", "column orders.total"; empty: none is known.
  std::string mechanism;  // Of the rule: "index dropped"; else kNoRule.
  std::string sentence;
  friend bool operator==(const Cause&, const Cause&) = default;
};

// What a sentence leaves open, by name: "{table}".
using Words = std::map<std::string, std::string>;

struct Rule {
  std::string_view mechanism;
  // SQLSTATEs, or classes of findings, separated by blanks; "error": every SQLSTATE. "work":
  // slower, new-slow, more-work and transient, and warnings of a tail.
  std::string_view when;
  std::string_view sentence;
  // nullopt: the rule does not fit. Else with the words of the sentence, and "object".
  std::optional<Words> (*fits)(const Case&);
};

// In the order in which they are tried.
const std::vector<Rule>& ErrorRules();
const std::vector<Rule>& ResultRules();
const std::vector<Rule>& WorkRules();

// Which of them are asked: what explains the one explains no other.
enum class Sort : uint8_t { kError, kResult, kWork };
Sort SortOf(const Evidence& evidence);

// Nothing where there is nothing to say: the catalogues agree and the plans tell nothing.
std::optional<Cause> FindCause(const Evidence& evidence);

// "{a} was dropped" with its words; what has no word is left out.
std::string FillIn(std::string_view sentence, const Words& words);

}  // namespace scry::cause
