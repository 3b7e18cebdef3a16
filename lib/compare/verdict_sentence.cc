#include "compare/verdict_sentence.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "base/units.h"
#include "compare/connect_verdict.h"
#include "compare/finding_parts.h"

namespace scry::compare {
namespace {

using base::FormatCount;

constexpr size_t kUnfaithfulToldMax = 3;
// More statements without a lane to run on, or exchanges left out: too thin to judge.
constexpr double kLostShareMax = 0.05;
// More statements that differ where nobody can tell chance from the change.
constexpr double kDoubtedShareMax = 0.05;

std::string Summary(const Verdict& verdict) {
  std::map<FindingClass, uint64_t> counts;
  std::set<std::string> refused;  // A role may be refused in several ways.
  for (const Finding& finding : verdict.findings) {
    if (!finding.gates) continue;
    if (IsAboutConnecting(finding)) {
      refused.insert(finding.pattern);
    } else {
      ++counts[finding.type];
    }
  }
  struct Words {
    const char* one;
    const char* many;
  };
  static const std::map<FindingClass, Words> kWords = {
      {FindingClass::kBroken, {"breaks", "break"}},
      {FindingClass::kDifferent, {"returns something else", "return something else"}},
      {FindingClass::kSlower, {"is slower", "are slower"}},
      {FindingClass::kNewSlow, {"is new and slow", "are new and slow"}},
      {FindingClass::kOverBudget, {"is over its budget", "are over their budget"}},
      {FindingClass::kMoreWork, {"has more work to do", "have more work to do"}},
      {FindingClass::kTransient,
       {"is slower until VACUUM (ANALYZE)", "are slower until VACUUM (ANALYZE)"}}};
  std::string summary;
  for (const auto& [type, count] : counts) {
    const auto words = kWords.find(type);
    if (words == kWords.end()) continue;
    const std::string noun = !summary.empty() ? "" : count == 1 ? " query" : " queries";
    summary += fmt::format("{}{}{} {}", summary.empty() ? "" : ", ", FormatCount(count), noun,
                           count == 1 ? words->second.one : words->second.many);
  }
  if (refused.empty()) return summary;
  return fmt::format("{} cannot connect{}{}",
                     refused.size() == 1 ? "1 role" : FormatCount(refused.size()) + " roles",
                     summary.empty() ? "" : ", ", summary);
}

// Too unfaithful a replay shows neither safety nor a regression. What would have gated is told
// all the same.
std::string UnfaithfulSentence(const Verdict& verdict, const Policy& policy, bool gates) {
  std::string sentence = fmt::format(
      "the baseline did what production did for {} of the statements and {:.4g} % are "
      "required: {}",
      Percent(verdict.fidelity.share()), policy.fidelity_floor * 100,
      DescribeLosses(verdict.fidelity));
  for (size_t i = 0; i < verdict.unfaithful.size() && i < kUnfaithfulToldMax; ++i) {
    const UnfaithfulPattern& worst = verdict.unfaithful[i];
    sentence += fmt::format("{} {} ({} of {})", i == 0 ? "; most in" : ",",
                            base::Printable(worst.pattern, 60),
                            FormatCount(worst.counts.lost_in_all()), Calls(worst.counts.judged));
  }
  if (gates) sentence += fmt::format("; in what was replayed, {}", Summary(verdict));
  return sentence;
}

double LostShare(const PatternTable& table) {
  uint64_t lost = 0;
  for (const auto& [excuse, count] : table.totals().excuses) {
    if (excuse == Excuse::kInfrastructure || excuse == Excuse::kNoLanes) lost += count;
  }
  return AsDouble(lost) / AsDouble(std::max<uint64_t>(table.totals().statements, 1));
}

// Of what production did, as far as it is known.
double LeftOutShare(const RunFacts& run) {
  const uint64_t missing = run.exchanges_excluded + run.gap_exchanges;
  return AsDouble(missing) / AsDouble(std::max<uint64_t>(run.exchanges + missing, 1));
}

std::string LeftOutSentence(const RunFacts& run) {
  std::string parts;
  if (run.exchanges_excluded > 0) {
    parts = fmt::format("{} of sessions that could not be replayed",
                        FormatCount(run.exchanges_excluded));
  }
  if (run.gap_exchanges > 0) {
    parts += fmt::format("{}{} missing from the capture", parts.empty() ? "" : ", ",
                         FormatCount(run.gap_exchanges));
  }
  return fmt::format(
      "{:.0f} % of the exchanges were left out ({}), and at most {:.0f} % may be; what ran shows "
      "no regression",
      LeftOutShare(run) * 100, parts, kLostShareMax * 100);
}

// Only what gates was asked for; a finding that is told, or ignored, does not turn into a clean
// bill.
std::string SafeClaim(const Verdict& verdict) {
  const auto count = [&](auto is) {
    return static_cast<uint64_t>(
        std::count_if(verdict.findings.begin(), verdict.findings.end(), is));
  };
  const uint64_t told = count([](const Finding& f) { return f.type < FindingClass::kNew; });
  const uint64_t ignored = count([](const Finding& f) { return f.type == FindingClass::kIgnored; });
  if (ignored > 0) {
    return fmt::format("nothing that gates; {} {} ignored by rules", FormatCount(ignored),
                       ignored == 1 ? "finding is" : "findings are");
  }
  return told > 0 ? "nothing that gates" : "none breaks, returns something else or is slower";
}

}  // namespace

void Conclude(const PatternTable& table, const Policy& policy, const RunFacts& run,
              Verdict& verdict) {
  const bool gates = std::any_of(verdict.findings.begin(), verdict.findings.end(),
                                 [](const Finding& finding) { return finding.gates; });
  verdict.result = VerdictResult::kInconclusive;
  // A candidate that lets nobody in leaves nothing to compare.
  const bool refused = std::any_of(
      verdict.findings.begin(), verdict.findings.end(),
      [](const Finding& finding) { return finding.gates && IsAboutConnecting(finding); });
  if (verdict.compared == 0 && !refused) {
    verdict.sentence = verdict.statements == 0
                           ? "no statement was replayed"
                           : "none of the replayed statements could be compared";
    return;
  }
  if (verdict.fidelity.share() < policy.fidelity_floor) {
    verdict.sentence = UnfaithfulSentence(verdict, policy, gates);
    return;
  }
  if (gates) {
    verdict.result = VerdictResult::kRegressions;
    verdict.sentence = Summary(verdict);
    return;
  }
  if (verdict.too_noisy) {
    const bool slower =
        std::any_of(verdict.findings.begin(), verdict.findings.end(),
                    [](const Finding& finding) { return finding.type == FindingClass::kSlower; });
    verdict.sentence = slower ? "queries look slower, but this machine is too noisy to be sure"
                              : "this machine is too noisy to judge speed: baseline and control "
                                "differ as well";
    return;
  }
  if (LostShare(table) > kLostShareMax) {
    verdict.sentence = fmt::format(
        "{:.0f} % of the statements lacked a lane to run on; what ran shows no regression",
        LostShare(table) * 100);
    return;
  }
  if (verdict.cut_off > 0) {
    verdict.sentence = fmt::format(
        "{} cancelled on the candidate alone, in too few calls to judge; what else ran shows no "
        "regression",
        verdict.cut_off == 1 ? "1 query was" : FormatCount(verdict.cut_off) + " queries were");
    return;
  }
  const uint64_t doubted = table.totals().doubted;
  const double doubted_share =
      AsDouble(doubted) / AsDouble(std::max<uint64_t>(verdict.statements, 1));
  if (doubted_share > kDoubtedShareMax) {
    verdict.sentence = fmt::format(
        "{} ({:.0f} %) differ where the order of the capture could not be kept or lanes had gone "
        "apart by chance, and at most {:.0f} % may; what else ran shows no regression",
        Statements(doubted), doubted_share * 100, kDoubtedShareMax * 100);
    return;
  }
  if (LeftOutShare(run) > kLostShareMax) {
    verdict.sentence = LeftOutSentence(run);
    return;
  }
  if (run.interrupted) {
    verdict.sentence = "the replay ended early; what ran shows no regression";
    return;
  }
  verdict.result = VerdictResult::kSafe;
  verdict.sentence = fmt::format("{} of {} compared: {}", Statements(verdict.compared),
                                 PatternCount(verdict.patterns), SafeClaim(verdict));
}

}  // namespace scry::compare
