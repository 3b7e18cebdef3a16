#include "compare/blocking.h"

#include "support/catch.h"

namespace scry::compare {
namespace {

BlockingFacts Facts(uint64_t blocked, Micros wait_us, Micros own_wait_us = 0) {
  BlockingFacts facts;
  BlockingQuery& statement = facts.statements.emplace_back();
  statement.fingerprint = 7;
  statement.pattern = "ALTER TABLE orders ADD COLUMN vip bool";
  statement.mode = "AccessExclusive";
  statement.relation = "orders";
  statement.waited_us = own_wait_us;
  statement.queries.push_back(
      {9, "SELECT 1", blocked, 0, wait_us, wait_us * static_cast<Micros>(blocked)});
  return facts;
}

bool Gates(const BlockingFacts& facts, const Policy& policy = {}) {
  const auto findings = JudgeBlocking(facts, policy);
  return findings.size() == 1 && findings[0].gates && findings[0].type == FindingClass::kBlocked;
}

TEST_CASE("a wait or a number of waits over the policy's limit gates, and none within",
          "[compare]") {
  CHECK_FALSE(Gates(Facts(10, 500'000)));
  CHECK(Gates(Facts(1, 500'001)));
  CHECK(Gates(Facts(11, 60'000)));
  Policy patient;
  patient.lock = {5'000'000, 100};
  CHECK_FALSE(Gates(Facts(100, 5'000'000), patient));
  Policy deaf;
  deaf.gate.lock = false;
  CHECK_FALSE(Gates(Facts(1000, 9'000'000), deaf));
}

TEST_CASE("a statement that runs many times is one finding, of all that it did", "[compare]") {
  BlockingFacts facts;
  for (int i = 0; i < 50; ++i) facts.statements.push_back(Facts(1, 60'000).statements[0]);
  facts.statements[7].queries[0].wait_us_max = 90'000;
  const auto findings = JudgeBlocking(facts, {});
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].affected == 50);
  CHECK(findings[0].gates);  // More than the policy's 10 in all.
  CHECK(findings[0].reasons[0].find("90.0 ms at most and 3.00 s in all") != std::string::npos);
  facts.statements[3].fingerprint = 8;
  CHECK(JudgeBlocking(facts, {}).size() == 2);
}

TEST_CASE("a query or the migration that fails gates however short the waits were", "[compare]") {
  BlockingFacts facts = Facts(0, 1000);
  CHECK(JudgeBlocking(facts, {}).empty());
  facts.statements[0].queries[0].failed = 1;
  CHECK(Gates(facts));
  facts.statements[0].queries[0].failed = 0;
  facts.statements[0].failed_with = "40P01";
  CHECK(Gates(facts));
  facts.statements[0].failed_with = "42701";
  facts.statements[0].repeated = true;
  REQUIRE(Gates(facts));
  CHECK(JudgeBlocking(facts, {})[0].reasons[0].find("cannot be repeated") != std::string::npos);
  facts.statements[0] = {};
  facts.statements[0].exit_status = 3;
  REQUIRE(Gates(facts));
  CHECK(JudgeBlocking(facts, {})[0].reasons[0].find("exit status 3") != std::string::npos);
}

TEST_CASE("what is left of waits behind a transaction that nobody asked for is judged as any other",
          "[compare]") {
  BlockingFacts facts = Facts(16, 400'000);
  facts.supposed_us = 1'000'000;
  REQUIRE(Gates(facts));  // Too many, though none of them is too long.
  CHECK(JudgeBlocking(facts, {})[0].reasons[0].find("transaction of 1.00 s that scry added") !=
        std::string::npos);
  facts = Facts(1, 600'000);
  facts.supposed_us = 1'000'000;
  CHECK(Gates(facts));
  facts = Facts(10, 400'000);
  facts.supposed_us = 1'000'000;
  CHECK_FALSE(Gates(facts));
  facts.statements[0].failed_with = "55P03";
  CHECK(Gates(facts));
}

TEST_CASE("a long wait of the migration that nobody stands behind is told and does not gate",
          "[compare]") {
  BlockingFacts facts = Facts(0, 0, 600'000);
  facts.statements[0].queries.clear();
  REQUIRE(JudgeBlocking(facts, {}).size() == 1);
  CHECK_FALSE(JudgeBlocking(facts, {})[0].gates);
  facts.statements[0].waited_us = 400'000;
  CHECK(JudgeBlocking(facts, {}).empty());
}

TEST_CASE("a lock that would be held for long on production is told and does not gate",
          "[compare]") {
  BlockingFacts facts = Facts(0, 0);
  facts.statements[0].queries.clear();
  facts.statements[0].estimated_us = 500'000;
  CHECK(JudgeBlocking(facts, {}).empty());
  facts.statements[0].estimated_us = 12'000'000;
  REQUIRE(JudgeBlocking(facts, {}).size() == 1);
  CHECK_FALSE(JudgeBlocking(facts, {})[0].gates);
  CHECK(JudgeBlocking(facts, {})[0].reasons[0].find("about 12.0 s") != std::string::npos);
  facts.statements.push_back(Facts(1, 600'000).statements[0]);
  REQUIRE(Gates(facts));  // One finding for both.
  CHECK(JudgeBlocking(facts, {})[0].reasons.back().find("about 12.0 s") != std::string::npos);
}

TEST_CASE("a finding keeps its id whatever was measured", "[compare]") {
  CHECK(JudgeBlocking(Facts(1, 60'000), {})[0].id == JudgeBlocking(Facts(99, 900'000), {})[0].id);
}

}  // namespace
}  // namespace scry::compare
