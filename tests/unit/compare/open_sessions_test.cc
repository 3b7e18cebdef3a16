#include "compare/open_sessions.h"

#include "support/catch.h"

namespace scry::compare {
namespace {

const std::vector<StalePlans> kStale = {
    {{7, "SELECT * FROM t", "0A000", "cached plan must not change result type", 12,
      "ALTER TABLE t"},
     2}};

TEST_CASE("statements that open sessions cannot run any more gate as errors do", "[compare]") {
  const auto findings = JudgeStalePlans(kStale, 100, {});
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].gates);
  CHECK(findings[0].type == FindingClass::kBroken);
  CHECK(findings[0].affected == 12);
  CHECK(findings[0].reasons.back() == "since ALTER TABLE t");
  Policy deaf;
  deaf.gate.error = false;
  CHECK_FALSE(JudgeStalePlans(kStale, 100, deaf)[0].gates);
}

TEST_CASE("what the server does not support at all is not about an open session", "[compare]") {
  CHECK(IsStalePlan("0A000", "cached plan must not change result type"));
  CHECK_FALSE(IsStalePlan("0A000", "cross-database references are not implemented"));
  CHECK_FALSE(IsStalePlan("42703", "cached plan must not change result type"));
}

}  // namespace
}  // namespace scry::compare
