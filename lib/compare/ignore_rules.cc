#include "compare/ignore_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/units.h"
#include "base/wildcard.h"
#include "event/statement_facts.h"

namespace scry::compare {
namespace {

constexpr size_t kFingerprintDigits = 16;

// What of a finding can be hidden by itself.
using Parts = unsigned;
constexpr Parts kNone = 0;
constexpr Parts kMain = 1;
constexpr Parts kWork = 2;

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool IsSlowerWithWork(const Finding& finding) {
  return finding.type == FindingClass::kSlower && finding.has_work;
}

Parts PartsOf(const Finding& finding) { return IsSlowerWithWork(finding) ? kMain | kWork : kMain; }

bool IsAboutErrors(DifferenceKind kind) {
  return kind == DifferenceKind::kError || kind == DifferenceKind::kErrorChanged ||
         kind == DifferenceKind::kNotComparable;
}

// Which class a finding belongs to; "" for what only its id or a rule for all classes names.
std::string_view WordOf(const Finding& finding) {
  switch (finding.type) {
    case FindingClass::kBroken:
      return "error";
    case FindingClass::kDifferent:
      return "result";
    case FindingClass::kSlower:
      return "latency";
    case FindingClass::kNewSlow:
    case FindingClass::kNew:
      return "new";
    case FindingClass::kOverBudget:
      return "budget";
    case FindingClass::kMoreWork:
      return "work";
    case FindingClass::kTransient:
      return "transient";
    case FindingClass::kWarning:
      if (finding.has_latency) return "latency";
      if (finding.difference == DifferenceKind::kNone && finding.sqlstate.empty()) return "";
      return IsAboutErrors(finding.difference) ? "error" : "result";
    case FindingClass::kBlocked:
      return "lock";
    case FindingClass::kFaster:
    case FindingClass::kIgnored:
      return "";
  }
  return "";
}

bool MatchesPattern(const IgnoreRule& rule, const Finding& finding) {
  return rule.pattern.empty() || base::WildcardMatch(rule.pattern, finding.pattern) ||
         base::WildcardMatch(rule.pattern, event::FingerprintText(finding.fingerprint));
}

// Good news is hidden only by its name.
bool IsNews(const Finding& finding) {
  return finding.type == FindingClass::kNew || finding.type == FindingClass::kFaster;
}

Parts Covers(const IgnoreRule& rule, const Finding& finding) {
  if (!MatchesPattern(rule, finding)) return kNone;
  if (rule.finding.empty()) return IsNews(finding) ? kNone : PartsOf(finding);
  if (rule.finding == finding.id || rule.finding == WordOf(finding)) return kMain;
  if (rule.finding == "latency" && finding.type == FindingClass::kNewSlow) return kMain;
  if (!IsSlowerWithWork(finding)) return kNone;
  const bool work = rule.finding == "work" ||
                    rule.finding == FindingId(FindingClass::kMoreWork, finding.fingerprint);
  return work ? kWork : kNone;
}

// What has to be covered for the finding to be hidden; kNone: any part.
Parts Gating(const Finding& finding) {
  if (!IsSlowerWithWork(finding)) return kNone;
  // Held back only by noise, its speed would still decide the verdict.
  const bool speed = finding.speed_gates || finding.in_noise;
  return (speed ? kMain : kNone) | (finding.work_gates ? kWork : kNone);
}

bool Hides(Parts covered, const Finding& finding) {
  const Parts gating = Gating(finding);
  return covered != kNone && (covered & gating) == gating;
}

bool Expired(const IgnoreRule& rule, const Policy& policy) {
  return rule.until && (!policy.today || *policy.today > *rule.until);
}

void Apply(const Policy& policy, Finding& finding, std::vector<RuleUse>& rules) {
  Parts covered = kNone;
  std::optional<size_t> first;
  for (size_t i = 0; i < rules.size(); ++i) {
    const Parts parts = rules[i].expired ? kNone : Covers(rules[i].rule, finding);
    covered |= parts;
    if (parts != kNone && !first) first = i;
  }
  if (Hides(covered, finding)) {
    for (RuleUse& use : rules) {
      if (!use.expired && Covers(use.rule, finding) != kNone) ++use.hidden;
    }
    finding.ignored_type = finding.type;
    finding.type = FindingClass::kIgnored;
    finding.rule = *first;
    finding.gates = false;
    return;
  }
  if (covered != kNone) {
    ++rules[*first].hidden;
    finding.reasons.push_back(fmt::format("the rule in {} covers only {}", rules[*first].rule.place,
                                          covered == kWork
                                              ? "its work, and not that it is slower"
                                              : "that it is slower, and not its work"));
  }
  for (RuleUse& use : rules) {
    if (!use.expired || Covers(use.rule, finding) == kNone) continue;
    ++use.again;
    finding.reasons.push_back(
        policy.today ? fmt::format("was ignored until {} ({}: {})", FormatDate(*use.rule.until),
                                   use.rule.place, base::Printable(use.rule.reason, 100))
                     : fmt::format("the rule in {} does not count, as the day is not known",
                                   use.rule.place));
  }
}

}  // namespace

bool IsFindingId(std::string_view text) {
  // "kind-", 16 digits, and of some "-SQLSTATE".
  const auto of_kind = [](std::string_view kind) {
    return !kind.empty() && std::all_of(kind.begin(), kind.end(),
                                        [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
  };
  constexpr size_t kStateBytes = 5;
  if (text.size() > kStateBytes + 1 && text[text.size() - kStateBytes - 1] == '-') {
    const std::string_view state = text.substr(text.size() - kStateBytes);
    const bool is_state = std::all_of(state.begin(), state.end(), [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    });
    if (is_state) text.remove_suffix(kStateBytes + 1);
  }
  if (text.size() < kFingerprintDigits + 2) return false;
  const std::string_view digits = text.substr(text.size() - kFingerprintDigits);
  const std::string_view kind = text.substr(0, text.size() - kFingerprintDigits - 1);
  return std::all_of(digits.begin(), digits.end(), IsHex) && text[kind.size()] == '-' &&
         of_kind(kind) && kind.back() != '-' && kind.front() != '-';
}

std::string FindingId(FindingClass type, uint64_t fingerprint) {
  return fmt::format("{}-{:016x}", Name(type), fingerprint);
}

bool IsIgnored(const Finding& finding, const Policy& policy) {
  Parts covered = kNone;
  for (const IgnoreRule& rule : policy.ignore) {
    if (!Expired(rule, policy)) covered |= Covers(rule, finding);
  }
  return Hides(covered, finding);
}

void ApplyIgnoreRules(const Policy& policy, Verdict& verdict) {
  for (const IgnoreRule& rule : policy.ignore) {
    verdict.rules.push_back({rule, Expired(rule, policy), 0, 0});
  }
  if (policy.ignore.empty()) return;
  for (Finding& finding : verdict.findings) Apply(policy, finding, verdict.rules);
}

std::string FormatDate(std::chrono::year_month_day date) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<std::chrono::year_month_day> ParseDate(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  const auto part = [&](size_t from, size_t count, auto& number) {
    const char* begin = text.data() + from;
    const auto [rest, error] = std::from_chars(begin, begin + count, number);
    return error == std::errc() && rest == begin + count && begin[0] != '-';
  };
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !part(0, 4, year) ||
      !part(5, 2, month) || !part(8, 2, day)) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month},
                                         std::chrono::day{day}};
  if (!date.ok()) return std::nullopt;
  return date;
}

std::chrono::year_month_day DateOf(base::Micros wall_us) {
  using namespace std::chrono;
  return year_month_day(floor<days>(sys_time<microseconds>(microseconds(wall_us))));
}

}  // namespace scry::compare
