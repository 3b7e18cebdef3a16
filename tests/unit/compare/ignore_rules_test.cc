#include "compare/ignore_rules.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/random.h"
#include "compare/budget_verdict.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

using namespace std::chrono;

const std::vector<event::Column> kId = {Col("id", 23, 1)};
constexpr year_month_day kToday = year{2026} / month{11} / day{26};

IgnoreRule Rule(std::string finding, std::string pattern = "",
                std::optional<year_month_day> until = std::nullopt) {
  return {std::move(pattern), std::move(finding), "known", until, "scry.yaml:9"};
}

Policy PolicyOf(std::vector<IgnoreRule> rules) {
  Policy policy;
  policy.ignore = std::move(rules);
  policy.today = kToday;
  return policy;
}

// A pattern that fails after the change.
void PutBroken(PatternTable& table, uint64_t fingerprint = 1) {
  const auto pair = PairOf(Answer(kId, {{"1"}}), Failure("42703"));
  for (int i = 0; i < 20; ++i) table.Put(pair, Facts(fingerprint, "select legacy from users"));
}

void PutSlower(PatternTable& table, uint64_t fingerprint = 2, double factor = 3) {
  base::Random random(fingerprint);
  for (int i = 0; i < 100; ++i) {
    event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
    const double us = 5000 * (1 + 0.2 * random.Unit());
    pair.lanes[0].outcome.elapsed_us = static_cast<base::Micros>(us);
    pair.lanes[1].outcome.elapsed_us = static_cast<base::Micros>(us * factor);
    table.Put(pair, Facts(fingerprint, "select * from audit where day = $1"));
  }
}

WorkTable MoreWork(uint64_t fingerprint) {
  WorkSample sample;
  sample.baseline.blocks = 10;
  sample.candidate.blocks = 9000;
  return {{fingerprint, {sample, sample, sample}}};
}

TEST_CASE("a rule hides what it names and nothing else", "[compare]") {
  struct Case {
    IgnoreRule rule;
    bool broken;  // Still told as broken.
    bool slower;
  };
  const Case cases[] = {
      {Rule("broken-0000000000000001"), false, true},
      {Rule("slower-0000000000000002"), true, false},
      {Rule("slower-0000000000000001"), true, true},
      {Rule("broken-0000000000000002"), true, true},
      {Rule("error", "select legacy%"), false, true},
      {Rule("error", "%"), false, true},
      {Rule("latency", "%"), true, false},
      {Rule("result", "%"), true, true},
      {Rule("", "%"), false, false},
      {Rule("", "SELECT * FROM AUDIT%"), true, false},
      {Rule("", "0000000000000001"), false, true},
      {Rule("broken-0000000000000001", "select other%"), true, true},
      {Rule("", "%", kToday), false, false},
      {Rule("", "%", kToday - months{1}), true, true},
  };
  PatternTable table;
  PutBroken(table);
  PutSlower(table);
  for (const auto& [rule, broken, slower] : cases) {
    CAPTURE(rule.finding, rule.pattern);
    const Verdict verdict = Judge(table, PolicyOf({rule}), {});
    const auto count = [&](FindingClass type) {
      return std::count_if(verdict.findings.begin(), verdict.findings.end(),
                           [&](const Finding& finding) { return finding.type == type; });
    };
    REQUIRE(verdict.findings.size() == 2);
    CHECK(count(FindingClass::kBroken) == (broken ? 1 : 0));
    CHECK(count(FindingClass::kSlower) == (slower ? 1 : 0));
    const auto hidden = static_cast<uint64_t>(count(FindingClass::kIgnored));
    CHECK(hidden == 2U - (broken ? 1U : 0U) - (slower ? 1U : 0U));
    CHECK((verdict.result == VerdictResult::kSafe) == (!broken && !slower));
    REQUIRE(verdict.rules.size() == 1);
    CHECK(verdict.rules[0].hidden == hidden);
    for (const Finding& finding : verdict.findings) {
      if (finding.type != FindingClass::kIgnored) continue;
      CHECK_FALSE(finding.gates);
      CHECK(Name(finding.ignored_type) == finding.id.substr(0, finding.id.find('-')));
    }
  }
}

TEST_CASE("an expired rule counts again, and says so", "[compare]") {
  PatternTable table;
  PutBroken(table);
  Policy policy = PolicyOf({Rule("broken-0000000000000001", "", kToday)});
  CHECK(Judge(table, policy, {}).result == VerdictResult::kSafe);
  policy.today = kToday + years{1};
  const Verdict verdict = Judge(table, policy, {});
  CHECK(verdict.result == VerdictResult::kRegressions);
  CHECK(verdict.rules[0].expired);
  CHECK(verdict.rules[0].again == 1);
  CHECK(verdict.rules[0].hidden == 0);
  CHECK(verdict.findings[0].reasons.back() == "was ignored until 2026-11-26 (scry.yaml:9: known)");
  policy.today.reset();  // Nobody knows the day: what may have ended does not count.
  CHECK(Judge(table, policy, {}).result == VerdictResult::kRegressions);
}

TEST_CASE("a slower query with more work is hidden once both are accepted", "[compare]") {
  PatternTable table;
  PutSlower(table);
  const WorkTable work = MoreWork(2);
  const auto result = [&](std::vector<IgnoreRule> rules) {
    const Verdict verdict = Judge(table, PolicyOf(std::move(rules)), {}, nullptr, &work);
    REQUIRE(verdict.findings.size() == 1);
    CHECK(verdict.findings[0].id == "slower-0000000000000002");
    return verdict.result;
  };
  const IgnoreRule slower = Rule("slower-0000000000000002");
  const IgnoreRule more = Rule("more-work-0000000000000002");
  CHECK(result({slower}) == VerdictResult::kRegressions);
  CHECK(result({more}) == VerdictResult::kRegressions);
  CHECK(result({more, slower}) == VerdictResult::kSafe);
  CHECK(result({Rule("work", "%"), Rule("latency", "%")}) == VerdictResult::kSafe);
  // The same regression where the clock could not tell.
  PatternTable untimed;
  PutSlower(untimed, 2, 1.0);
  const Verdict verdict = Judge(untimed, PolicyOf({slower, more}), {}, nullptr, &work);
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].type == FindingClass::kIgnored);
  CHECK(verdict.result == VerdictResult::kSafe);
}

TEST_CASE("a safe verdict with ignored findings does not claim that there were none", "[compare]") {
  PatternTable table;
  PutBroken(table);
  const Verdict verdict = Judge(table, PolicyOf({Rule("", "%"), Rule("", "truncate%")}), {});
  CHECK(verdict.sentence ==
        "20 statements of 1 pattern compared: nothing that gates; 1 finding is ignored by rules");
  CHECK(verdict.rules[1].hidden == 0);
}

TEST_CASE("all findings of a table have different ids, which read as such", "[compare]") {
  PatternTable table;
  PutBroken(table, 1);
  PutSlower(table, 2);
  auto excused = PairOf(Answer(kId, {{"1"}}), Failure("23505"));
  excused.order_broken = true;
  for (int i = 0; i < 20; ++i) table.Put(excused, Facts(3));
  auto retyped = PairOf(Answer(kId, {{"1"}}), Answer({Col("id", 20, 1)}, {{"1"}}));
  for (int i = 0; i < 20; ++i) table.Put(retyped, Facts(3));
  const Verdict verdict = Judge(table, {}, {});
  std::vector<std::string> ids;
  for (const Finding& finding : verdict.findings) {
    CAPTURE(finding.id);
    CHECK(IsFindingId(finding.id));
    ids.push_back(finding.id);
  }
  std::sort(ids.begin(), ids.end());
  CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
  CHECK(std::count(ids.begin(), ids.end(), "fails-0000000000000003") == 1);
}

TEST_CASE("what is no id of a finding is not taken for one", "[compare]") {
  CHECK(IsFindingId("more-work-00f3a9c0d1e2f3a4"));
  CHECK(IsFindingId("broken-00f3a9c0d1e2f3a4-57014"));
  CHECK(IsFindingId("warning-00f3a9c0d1e2f3a4-40P01"));
  for (const char* text :
       {"", "latency", "-00f3a9c0d1e2f3a4", "slower-00f3a9c0d1e2f3a", "slower-00F3a9c0d1e2f3a4",
        "slower00f3a9c0d1e2f3a4", "00f3a9c0d1e2f3a4", "slower-00f3a9c0d1e2f3a4\n",
        "a: b-00f3a9c0d1e2f3a4", "slower-00f3a9c0d1e2f3a4-5701", "--00f3a9c0d1e2f3a4"}) {
    CAPTURE(text);
    CHECK_FALSE(IsFindingId(text));
  }
}

TEST_CASE("dates read back as written", "[compare]") {
  for (const char* text : {"2027-01-31", "2028-02-29", "1970-01-01"}) {
    REQUIRE(ParseDate(text));
    CHECK(FormatDate(*ParseDate(text)) == text);
  }
  for (const char* text :
       {"2027-02-29", "2027-1-31", "31.1.2027", "2027-13-01", "-027-01-01", ""}) {
    CHECK_FALSE(ParseDate(text));
  }
  CHECK(FormatDate(DateOf(1'795'180'625'123'456)) == "2026-11-20");
}

// Calls whose candidate takes `us`, and of every hundred `slow` ones ten times that.
void PutCalls(PatternTable& table, int calls, int us, int slow, uint64_t fingerprint = 5) {
  for (int i = 0; i < calls; ++i) {
    event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
    pair.lanes[0].outcome.elapsed_us = us;
    pair.lanes[1].outcome.elapsed_us = i % 100 < slow ? 10 * us : us;
    table.Put(pair, Facts(fingerprint, "select * from public.orders where id = $1"));
  }
}

Policy BudgetPolicy(std::string pattern, std::string table) {
  Policy policy;
  policy.budgets = {{std::move(pattern), std::move(table), 50'000, "scry.yaml:12"}};
  return policy;
}

TEST_CASE("a budget gates by itself what is surely over it", "[compare]") {
  const Policy policies[] = {BudgetPolicy("select * from public.orders%", ""),
                             BudgetPolicy("", "orders"), BudgetPolicy("", "public.orders")};
  for (const Policy& policy : policies) {
    PatternTable table;
    PutCalls(table, 1000, 10'000, 5);
    const Verdict verdict = Judge(table, policy, {});
    REQUIRE(verdict.findings.size() >= 1);
    const Finding& finding = verdict.findings[0];
    CHECK(finding.id == "over-budget-0000000000000005");
    CHECK(finding.gates);
    CHECK(finding.affected == 50);
    CHECK(finding.reasons[0] ==
          "p99 is 100 ms and the budget 50.0 ms (scry.yaml:12); 50 of 1,000 calls took longer");
    CHECK(finding.reasons[1] == "p99 was 10.0 ms before the change");
    CHECK(verdict.sentence == "1 query is over its budget");
  }
}

TEST_CASE("a budget that is kept, or covers another table, gates nothing", "[compare]") {
  PatternTable table;
  PutCalls(table, 1000, 10'000, 0);
  CHECK(Judge(table, BudgetPolicy("", "orders"), {}).result == VerdictResult::kSafe);
  PatternTable slow;
  PutCalls(slow, 1000, 60'000, 0);
  const Verdict verdict = Judge(slow, BudgetPolicy("", "order"), {});
  CHECK(verdict.result == VerdictResult::kSafe);
  CHECK(std::count(verdict.notes.begin(), verdict.notes.end(),
                   "The budget in scry.yaml:12 covers no statement of this traffic") == 1);
}

TEST_CASE("few calls over a budget are told and do not gate", "[compare]") {
  PatternTable table;
  PutCalls(table, 300, 10'000, 1);
  PutCalls(table, 1, 60'000, 100);
  const Verdict verdict = Judge(table, BudgetPolicy("", "orders"), {});
  REQUIRE(verdict.findings.size() == 1);
  CHECK_FALSE(verdict.findings[0].gates);
  CHECK(verdict.findings[0].reasons.back() == "does not gate: so few calls over it may be chance");
  PatternTable thin;
  PutCalls(thin, 199, 60'000, 0);
  const Verdict cannot = Judge(thin, BudgetPolicy("", "orders"), {});
  CHECK(cannot.findings.empty());
  REQUIRE(cannot.unjudged.size() == 1);
  CHECK(cannot.unjudged[0].why == "too few calls for its p99 budget of 50.0 ms: 199 of 200");
}

TEST_CASE("a pattern just within its budget gates in fewer runs than the confidence allows",
          "[compare]") {
  int gated = 0;
  constexpr int kRuns = 400;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    base::Random random(seed);
    PatternTable table;
    for (int i = 0; i < 250; ++i) {
      event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
      for (auto& lane : pair.lanes)
        lane.outcome.elapsed_us = random.Below(100) == 0 ? 60'000 : 40'000;
      table.Put(pair, Facts(5, "select * from orders"));
    }
    if (Judge(table, BudgetPolicy("", "orders"), {}).result == VerdictResult::kRegressions) ++gated;
  }
  CHECK(gated <= kRuns / 50);
}

TEST_CASE("the binomial tail is exact", "[compare]") {
  CHECK(BinomialAtLeast(0, 10, 0.5) == 1);
  CHECK(BinomialAtLeast(10, 10, 0.5) == Approx(1.0 / 1024));
  CHECK(BinomialAtLeast(8, 10, 0.5) == Approx((45 + 10 + 1) / 1024.0));
  CHECK(BinomialAtLeast(11, 10, 0.5) == 0);
  CHECK(BinomialAtLeast(1, 200, 0.01) == Approx(1 - std::pow(0.99, 200)));
}

TEST_CASE("fidelity is judged only where the lanes can have the data", "[compare]") {
  PatternTable table;
  auto unfaithful = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
  unfaithful.captured.rows = 5;
  table.JudgeFidelityWhere([](const event::StatementPair& pair, const event::StatementFacts&) {
    return pair.completed_us < 100;
  });
  unfaithful.completed_us = 50;
  table.Put(unfaithful, Facts());
  unfaithful.completed_us = 100;
  table.Put(unfaithful, Facts());
  CHECK(table.totals().fidelity.judged == 1);
  CHECK(table.totals().fidelity_skipped == 1);
  CHECK(table.totals().compared == 2);
}

}  // namespace
}  // namespace scry::compare
