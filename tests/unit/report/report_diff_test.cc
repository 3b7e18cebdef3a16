#include "report/report_diff.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "report/table.h"
#include "support/catch.h"
#include "unit/report/samples.h"

namespace scry::report {
namespace {

// Ids as real runs give them: each its own.
Report WithOwnIds(Report report) {
  for (size_t i = 0; i < report.findings.size(); ++i) {
    Finding& finding = report.findings[i];
    finding.fingerprint = "00000000000000f" + std::to_string(i);
    finding.id = finding.type + "-" + finding.fingerprint;
  }
  return report;
}

// The next push: one finding mended, one worse, one that gates no more, one new.
Report NextPush() {
  Report report = WithOwnIds(Regressions());
  report.findings[2].factor = 12.5;
  report.findings[3].gates = false;
  Finding fresh =
      Timed(FindingOf("slower", "SELECT * FROM invoices WHERE day = $1"), 300, 900, 0.1);
  fresh.fingerprint = "00000000000000aa";
  fresh.id = "slower-00000000000000aa";
  Finding told = Timed(FindingOf("slower", "SELECT * FROM rare WHERE day = $1"), 300, 350, 0.001);
  told.fingerprint = "00000000000000ab";
  told.id = "slower-00000000000000ab";
  told.gates = false;
  report.findings.erase(report.findings.begin());
  report.findings.insert(report.findings.begin(), fresh);
  report.findings.push_back(told);
  report.tested.fidelity = 0.981;
  report.tested.compared = 4700;
  report.patterns[1].type = "slower";
  report.patterns[2].fingerprint = "00000000000000cc";
  report.patterns[2].pattern = "SELECT 1";
  return report;
}

TEST_CASE("what a push changed is a contract", "[report]") {
  const Report before = WithOwnIds(Regressions());
  const Report after = NextPush();
  const ReportDiff diff = DiffReports(before, after);
  CHECK(diff.fresh.size() == 2);
  CHECK(diff.fresh_gating() == 1);
  REQUIRE(diff.gone.size() == 1);
  CHECK(diff.gone[0]->type == "broken");
  CHECK(diff.still.size() == 8);
  CHECK(diff.moved.size() == 1);
  for (const size_t columns : {size_t{80}, size_t{100}}) {
    const std::string text = WriteDiffText(diff, {false, columns});
    CHECK(text == Golden("diff." + std::to_string(columns) + ".txt", text));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) CHECK(DisplayWidth(line) <= columns);
  }
  const std::string json = WriteDiffJson(diff);
  CHECK(json == Golden("diff.json", json));
  const Report safe = Safe();
  const std::string mended = WriteDiffText(DiffReports(before, safe), {false, 100});
  CHECK(mended == Golden("diff.mended.txt", mended));
}

TEST_CASE("a report differs in nothing from itself", "[report]") {
  for (const Report& report : {Regressions(), Safe(), MigrationFailed(), Ignored(), Report{}}) {
    const ReportDiff diff = DiffReports(report, report);
    CHECK(diff.fresh.empty());
    CHECK(diff.gone.empty());
    CHECK(diff.moved.empty());
    CHECK(diff.facts.empty());
    CHECK(diff.fresh_gating() == 0);
    CHECK(diff.still.size() == report.findings.size());
    CHECK(WriteDiffText(diff, {}).find("nothing changed") != std::string::npos);
  }
}

TEST_CASE("what a run that judged nothing does not find is not gone", "[report]") {
  const Report before = WithOwnIds(Regressions());
  Report inconclusive = Unfaithfully();
  inconclusive.findings.clear();
  for (const Report& after : {inconclusive, MigrationFailed()}) {
    const ReportDiff diff = DiffReports(before, after);
    CHECK(diff.gone.empty());
    CHECK(diff.not_judged.size() == before.findings.size());
    const std::string text = WriteDiffText(diff, {});
    CHECK(text.find("GONE") == std::string::npos);
    CHECK(text.find("9 not judged") != std::string::npos);
    CHECK(text.find("the newer run judged nothing") != std::string::npos);
    CHECK(nlohmann::json::parse(WriteDiffJson(diff))["gone"].empty());
  }
}

TEST_CASE("a finding that begins to gate counts as new for scripts", "[report]") {
  Report before = Regressions();
  Report after = before;
  before.findings[0].gates = false;
  CHECK(DiffReports(before, after).fresh_gating() == 1);
  CHECK(DiffReports(after, before).fresh_gating() == 0);
}

TEST_CASE("a difference of hostile reports is one line each and without control bytes",
          "[report]") {
  Report evil = Regressions();
  for (Finding& finding : evil.findings) {
    finding.pattern += "\x1b[31m\nNEW";
    finding.id += "x";
    finding.type += "\r";
  }
  evil.verdict = "safe\x1b]0;x\x07";
  evil.shadow = "\x1b[2J";
  const Report plain = Regressions();
  const std::string text = WriteDiffText(DiffReports(plain, evil), {});
  for (const char c : text) CHECK((static_cast<unsigned char>(c) >= 0x20 || c == '\n'));
  CHECK(nlohmann::json::parse(WriteDiffJson(DiffReports(plain, evil)))["new"].size() == 9);
}

}  // namespace
}  // namespace scry::report
