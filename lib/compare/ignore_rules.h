// Ignore rules of the policy against findings: what they hide, and what of them expired. Pure.
//
// A rule hides a finding by its id or by its class, of all statements or of some. Of one that is
// slower and has more work as well, "slower-..." hides the speed and "more-work-..." the work: it
// is hidden once all of it that gates is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

// "slower-00f3a9c0d1e2f3a4": is it written like the id of a finding?
bool IsFindingId(std::string_view text);
// Of the kind's own: "more-work-00f3...".
std::string FindingId(FindingClass type, uint64_t fingerprint);

// A rule that counts on the day of the run hides it.
bool IsIgnored(const Finding& finding, const Policy& policy);

// Makes findings that rules hide kIgnored, and fills verdict.rules. That a machine is noisy is no
// finding: rules do not hide it.
// What an expired rule would hide has a reason that says so. Before the verdict is concluded.
void ApplyIgnoreRules(const Policy& policy, Verdict& verdict);

// "2027-01-31", and back; nullopt: no date.
std::string FormatDate(std::chrono::year_month_day date);
std::optional<std::chrono::year_month_day> ParseDate(std::string_view text);
// The day in UTC.
std::chrono::year_month_day DateOf(base::Micros wall_us);

}  // namespace scry::compare
