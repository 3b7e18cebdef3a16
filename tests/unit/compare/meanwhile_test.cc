#include "compare/meanwhile.h"

#include "compare/blocking.h"
#include "compare/ignore_rules.h"
#include "support/catch.h"

namespace scry::compare {
namespace {

const std::vector<FailedPattern> kGone = {
    {7, "SELECT * FROM v", "42P01", "relation \"v\" does not exist", 12, "DROP VIEW v"}};

TEST_CASE("what fails only while the migration runs gates as errors do", "[compare]") {
  const auto findings = JudgeMeanwhile(kGone, 100, {});
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].gates);
  CHECK(findings[0].type == FindingClass::kBroken);
  CHECK(findings[0].affected == 12);
  CHECK(IsFindingId(findings[0].id));
  CHECK(findings[0].reasons.front().find("failed 12 times with 42P01 while the migration ran") ==
        0);
  CHECK(findings[0].reasons.back() == "since DROP VIEW v");
  Policy deaf;
  deaf.gate.error = false;
  CHECK_FALSE(JudgeMeanwhile(kGone, 100, deaf)[0].gates);
}

TEST_CASE("an error for want of something is told from others", "[compare]") {
  for (const char* sqlstate : {"42P01", "42P10", "42703", "42501", "3F000", "55000", "0A000"}) {
    CHECK(IsMissing(sqlstate, {}));
  }
  for (const char* sqlstate :
       {"23505", "40001", "40P01", "55P03", "57014", "22012", "42P07", "42P05", "XX000", ""}) {
    CHECK_FALSE(IsMissing(sqlstate, {}));
  }
  CHECK_FALSE(IsMissing("42704", "type with OID 16403 does not exist"));
  CHECK_FALSE(IsMissing("55000", "lastval is not yet defined in this session"));
}

TEST_CASE("the sentence tells what of the migration harmed traffic", "[compare]") {
  CHECK(DuringSentence(1, 0, 0) == "1 statement of the migration blocks traffic");
  CHECK(DuringSentence(2, 1, 0) ==
        "2 statements of the migration block traffic; 1 pattern fails in sessions that are open "
        "across it");
  CHECK(DuringSentence(0, 0, 2) == "2 patterns fail while the migration runs");
}

}  // namespace
}  // namespace scry::compare
