#include "report/report.h"

#include "report/json_reader.h"
#include "report/json_writer.h"
#include "report/row_sample_text.h"
#include "report/text_writer.h"
#include "support/catch.h"

namespace scry::report {
namespace {

compare::Verdict VerdictWithValues() {
  compare::Verdict verdict;
  verdict.result = compare::VerdictResult::kRegressions;
  verdict.sentence = "1 query returns something else";
  verdict.statements = 10;
  compare::Finding finding;
  finding.type = compare::FindingClass::kDifferent;
  finding.fingerprint = 0xabc;
  finding.difference = compare::DifferenceKind::kRows;
  finding.example.text = "select 'secret'";
  finding.example.baseline_rows = 2;
  finding.example.candidate_rows = 1;
  finding.example.rows.key = {"id"};
  finding.example.rows.columns = {{"name", "text", 1}};
  compare::SampleRow row;
  row.before = row.after = 1;
  row.key = {"secret key"};
  row.cells = {{true, true, false, "NULL", "secret cell"}};
  finding.example.rows.rows.push_back(row);
  verdict.findings.push_back(finding);
  verdict.unjudged.push_back({1, "select $1", "too few", 3, 3, 0.1});
  return verdict;
}

TEST_CASE("values enter a report only when asked for", "[report]") {
  Report report;
  FillVerdict(VerdictWithValues(), false, report);
  CHECK(report.verdict == "regressions");
  REQUIRE(report.findings.size() == 1);
  CHECK(report.findings[0].example.empty());
  CHECK(report.findings[0].fingerprint == "0000000000000abc");
  CHECK(report.findings[0].difference == "rows");
  CHECK(report.findings[0].rows_before == 2);
  CHECK(report.not_judged.size() == 1);
  Report open;
  FillVerdict(VerdictWithValues(), true, open);
  CHECK(open.findings[0].example == "select 'secret'");
  const std::string closed_json = WriteJson(report) + WriteText(report, {});
  CHECK(closed_json.find("secret") == std::string::npos);
  CHECK(closed_json.find("NULL -> value") != std::string::npos);
  CHECK(WriteJson(open).find("secret key") != std::string::npos);
  CHECK(WriteText(open, {}).find("secret cell") != std::string::npos);
}

TEST_CASE("values of columns that share a name stay with their column", "[report]") {
  compare::Verdict verdict = VerdictWithValues();
  compare::RowSample& rows = verdict.findings[0].example.rows;
  rows.columns = {{"id", "int", 1}, {"id", "int", 1}};
  rows.rows[0].cells = {{}, {true, false, false, "17", "18"}};
  Report report;
  FillVerdict(verdict, true, report);
  REQUIRE(report.findings[0].rows.rows[0].cells.size() == 1);
  CHECK(report.findings[0].rows.rows[0].cells[0].at == 1);
  const auto lines = RowSampleLines(report.findings[0].rows, 100);
  REQUIRE(lines.size() == 2);
  CHECK(lines[1].find("17 -> 18") == lines[0].rfind("id"));
  const auto read = ReadJson(WriteJson(report));
  REQUIRE(read.ok());
  CHECK(read->findings[0].rows == report.findings[0].rows);
}

TEST_CASE("notes of the verdict join those that are there", "[report]") {
  Report report;
  report.notes = {"first"};
  compare::Verdict verdict;
  verdict.notes = {"second"};
  FillVerdict(verdict, false, report);
  CHECK(report.notes == std::vector<std::string>{"first", "second"});
}

}  // namespace
}  // namespace scry::report
