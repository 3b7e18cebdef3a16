#include "cause/cause.h"

#include <algorithm>

#include "base/units.h"

namespace scry::cause {
namespace {

constexpr size_t kSentenceColumns = 400;
constexpr size_t kDiffersMax = 3;

bool HasWord(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t blank = words.find(' ');
    if (words.substr(0, blank) == word) return true;
    if (blank == std::string_view::npos) break;
    words.remove_prefix(blank + 1);
  }
  return false;
}

bool IsOfWork(const Evidence& evidence) {
  return evidence.tail || evidence.type == "slower" || evidence.type == "new-slow" ||
         evidence.type == "more-work" || evidence.type == "transient";
}

bool Applies(const Rule& rule, const Evidence& evidence) {
  if (!evidence.sqlstate.empty()) {
    return HasWord(rule.when, evidence.sqlstate) || HasWord(rule.when, "error");
  }
  if (HasWord(rule.when, evidence.type)) return true;
  return IsOfWork(evidence) && HasWord(rule.when, "work");
}

std::string Sentence(std::string_view text) {
  return base::Printable(base::OneLine(text), kSentenceColumns);
}

std::optional<Cause> FromRules(const std::vector<Rule>& rules, const Case& one) {
  for (const Rule& rule : rules) {
    if (!Applies(rule, one.e())) continue;
    const std::optional<Words> words = rule.fits(one);
    if (!words) continue;
    const auto object = words->find("object");
    Cause cause;
    if (object != words->end()) cause.object = base::Printable(base::OneLine(object->second), 200);
    cause.mechanism = rule.mechanism;
    cause.sentence = Sentence(FillIn(rule.sentence, *words));
    return cause;
  }
  return std::nullopt;
}

// Changes of definitions first; those of statistics say little.
std::optional<Cause> WhatDiffers(const Case& one) {
  std::string list;
  std::string object;
  size_t count = 0;
  for (const bool defining : {true, false}) {
    for (const Change& change : one.changes()) {
      const bool defines =
          change.type != ChangeType::kChanged || change.recreated || !change.facts.empty();
      if (defines != defining || !one.Touches(change)) continue;
      if (!defining && count > 0) continue;
      if (++count > kDiffersMax) continue;
      if (object.empty()) object = change.kind() + " " + change.object().label;
      list += (list.empty() ? "" : "; ") + Describe(change);
    }
  }
  if (count == 0) return std::nullopt;
  if (count > kDiffersMax) list += "; and " + base::FormatCount(count - kDiffersMax) + " more";
  return Cause{object, std::string(kNoRule),
               Sentence("no rule names the cause; what differs: " + list)};
}

}  // namespace

std::string FillIn(std::string_view sentence, const Words& words) {
  std::string text;
  while (!sentence.empty()) {
    const size_t open = sentence.find('{');
    text += sentence.substr(0, open);
    if (open == std::string_view::npos) break;
    sentence.remove_prefix(open + 1);
    const size_t close = std::min(sentence.find('}'), sentence.size());
    const auto found = words.find(std::string(sentence.substr(0, close)));
    if (found != words.end()) text += found->second;
    sentence.remove_prefix(std::min(close + 1, sentence.size()));
  }
  return text;
}

Sort SortOf(const Evidence& evidence) {
  if (!evidence.sqlstate.empty()) return Sort::kError;
  const bool answers = evidence.type == "different" || evidence.type == "warning";
  return answers && !evidence.tail ? Sort::kResult : Sort::kWork;
}

std::optional<Cause> FindCause(const Evidence& evidence) {
  const Case one(evidence);
  const auto rules = [&]() -> const std::vector<Rule>& {
    switch (SortOf(evidence)) {
      case Sort::kError:
        return ErrorRules();
      case Sort::kResult:
        return ResultRules();
      case Sort::kWork:
        break;
    }
    return WorkRules();
  };
  const std::optional<Cause> cause = FromRules(rules(), one);
  return cause ? cause : WhatDiffers(one);
}

}  // namespace scry::cause
