#include "job/demo_table.h"

#include <string>

#include "job/demo_files.h"
#include "report/table.h"
#include "support/catch.h"

namespace scry::job {
namespace {

report::PatternLine Line(const char* fingerprint, double before_us, double after_us) {
  report::PatternLine line;
  line.fingerprint = fingerprint;
  line.pairs = 40;
  line.median_us = before_us;
  line.median_after_us = after_us;
  return line;
}

TEST_CASE("slower queries stand with what they took before, after and with the fix", "[job]") {
  report::Report bad;
  report::Finding& slow = bad.findings.emplace_back();
  slow.gates = slow.has_latency = true;
  slow.fingerprint = "a1";
  slow.pattern = "SELECT count(*) FROM orders WHERE status = $1 AND updated_at >= $2";
  slow.before.p50_us = 180;
  slow.after.p50_us = 1350;
  slow.factor = 7.6;
  bad.findings.emplace_back().pattern = "told, not gating";
  report::Report fixed;
  fixed.patterns = {Line("b2", 1, 1), Line("a1", 179, 141)};
  const auto lines = DemoTable(*FindDemoScenario("index-drop"), {&bad, &fixed}, 80);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "    before  migration.sql  factor  with fix  query");
  CHECK(lines[1] ==
        "  0.180 ms        1.35 ms      8x  0.141 ms  SELECT count(*) FROM orders WHERE…");
}

TEST_CASE("queries that waited stand with their longest wait in each run", "[job]") {
  report::Report bad;
  bad.patterns = {Line("a1", 220, 220)};
  report::BlockingStatement& alter = bad.during.statements_blocking.emplace_back();
  alter.patterns = {{"a1", "SELECT 1 FROM orders", 3, 0, 900'000, 2'000'000},
                    {"b2", "SELECT 2 FROM orders", 1, 0, 700'000, 700'000}};
  bad.during.statements_blocking.push_back(alter);
  bad.during.statements_blocking[1].patterns = {{"b2", "SELECT 2 FROM orders", 1, 0, 1'900'000, 0}};
  const report::Report mended;
  const auto lines = DemoTable(*FindDemoScenario("table-locking"), {&bad, &mended}, 80);
  REQUIRE(lines.size() == 3);
  CHECK(lines[1] == "         -         1.90 s         none  SELECT 2 FROM orders");
  CHECK(lines[2] == "  0.220 ms         900 ms         none  SELECT 1 FROM orders");
}

TEST_CASE("every scenario has its files, and its name finds it", "[job]") {
  for (const std::string& name : DemoScenarioNames()) {
    const DemoScenario* scenario = FindDemoScenario(name);
    REQUIRE(scenario != nullptr);
    CHECK(std::string(DemoFile(scenario->FileOf("migration.sql"))).find(';') != std::string::npos);
    if (scenario->setup != nullptr) CHECK(*DemoFile(scenario->setup) != '\0');
    for (const DemoCapture& capture : scenario->captures) {
      if (capture.staging != nullptr) CHECK(*DemoFile(capture.staging) != '\0');
    }
    for (const DemoAttempt& attempt : scenario->attempts) {
      if (attempt.file != nullptr) CHECK(*DemoFile(attempt.file) != '\0');
    }
  }
  CHECK(FindDemoScenario("index-drip") == nullptr);
}

}  // namespace
}  // namespace scry::job
