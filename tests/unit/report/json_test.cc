#include <string>

#include "report/json_reader.h"
#include "report/json_writer.h"
#include "support/catch.h"
#include "unit/report/samples.h"

namespace scry::report {
namespace {

TEST_CASE("a report reads back as it was written", "[report]") {
  Report replay = Safe();
  replay.migration = {};
  replay.findings.push_back(FindingOf("different", "select 1"));
  replay.findings.back().example = "select 'value'";
  replay.findings.back().difference = "values";
  for (const Report& report : {Regressions(), Explained(), RegressionsWithValues(), Safe(),
                               Unfaithfully(), MigrationFailed(), Ignored(), replay}) {
    const auto read = ReadJson(WriteJson(report));
    REQUIRE(read.ok());
    CHECK(*read == report);
    CHECK(WriteJson(*read) == WriteJson(report));
  }
}

TEST_CASE("the JSON form is the one that is documented", "[report]") {
  for (const auto& [name, report] :
       {std::pair{"regressions.json", Regressions()}, std::pair{"explained.json", Explained()},
        std::pair{"safe.json", Safe()}, std::pair{"unfaithful.json", Unfaithfully()},
        std::pair{"ignored.json", Ignored()},
        std::pair{"regressions.values.json", RegressionsWithValues()}}) {
    const std::string json = WriteJson(report);
    CHECK(json == Golden(name, json));
  }
}

TEST_CASE("a report cut anywhere is an error", "[report]") {
  const std::string whole = WriteJson(Regressions());
  for (size_t length = 0; length + 2 < whole.size(); length += 7) {
    const auto read = ReadJson(whole.substr(0, length));
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == base::ErrorCode::kCorrupt);
  }
}

TEST_CASE("what is no report is refused with the reason", "[report]") {
  for (const char* text :
       {"1", "[]", "{}", R"({"schema": 1})", R"({"schema": "other/1"})",
        R"({"schema": "scry.report/1"})", R"({"schema": "scry.report/1", "verdict": 5})",
        R"({"schema": "scry.report/1", "verdict": "safe", "findings": [1]})",
        R"({"schema": "scry.report/1", "verdict": "safe", "findings": {}})",
        R"({"schema": "scry.report/1", "verdict": "safe", "findings": [{"id": "<b>"}]})",
        R"({"schema": "scry.report/1", "verdict": "safe", "notes": [1]})",
        R"({"schema": "scry.report/1", "verdict": "safe", "tested": {"statements": -1}})",
        R"({"schema": "scry.report/1", "verdict": "safe", "created_us": 18446744073709551615})",
        R"({"schema": "scry.report/1", "verdict": "safe", "exit_status": 5000000000})"}) {
    CAPTURE(text);
    const auto read = ReadJson(text);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == base::ErrorCode::kCorrupt);
    CHECK(read.error().message.starts_with("this is no scry report: "));
  }
}

TEST_CASE("another version of the schema is refused, unknown members are not", "[report]") {
  const auto newer = ReadJson(R"({"schema": "scry.report/2", "verdict": "safe"})");
  REQUIRE_FALSE(newer.ok());
  CHECK(newer.error().code == base::ErrorCode::kUnsupported);
  const auto more = ReadJson(R"({"schema": "scry.report/1", "verdict": "safe", "color": [1]})");
  REQUIRE(more.ok());
  CHECK(more->verdict == "safe");
}

TEST_CASE("bytes that JSON cannot hold do no harm", "[report]") {
  Report report = Safe();
  report.notes = {"broken \xff utf-8"};
  report.tested.fidelity = 1.0 / 0.0;
  const auto read = ReadJson(WriteJson(report));
  REQUIRE(read.ok());
  CHECK(read->notes[0] == "broken \xef\xbf\xbd utf-8");
}

}  // namespace
}  // namespace scry::report
