#include "report/load_report.h"

#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "report/load_json.h"
#include "report/load_table.h"
#include "report/load_text.h"
#include "report/table.h"
#include "support/catch.h"
#include "unit/report/samples.h"

namespace scry::report {
namespace {

event::StatementPair PairOf(const std::string& text, Micros captured_us, Micros replayed_us) {
  event::StatementPair pair;
  pair.text = text;
  pair.captured.status = event::OutcomeStatus::kDone;
  pair.captured.elapsed_us = captured_us;
  pair.lanes.emplace_back();
  pair.lanes[0].outcome.status = event::OutcomeStatus::kDone;
  pair.lanes[0].outcome.elapsed_us = replayed_us;
  return pair;
}

void Fail(event::Outcome& outcome, const std::string& sqlstate) {
  outcome.status = event::OutcomeStatus::kError;
  outcome.sqlstate = sqlstate;
}

LoadReport Sample(const std::string& shard = {}) {
  event::FactsCache facts;
  LoadTable table(facts);
  base::Random random(7);
  for (int i = 0; i < 1200; ++i) {
    const auto us = static_cast<Micros>(100 + random.Below(900));
    table.Put(PairOf("select * from orders where id = 1", us, us * 2));
  }
  for (int i = 0; i < 40; ++i) table.Put(PairOf("update stock set n = n - 1", 2000 + i, 12000 + i));
  event::StatementPair failed = PairOf("insert into orders values (1)", 300, 200);
  Fail(failed.lanes[0].outcome, "23505");
  table.Put(failed);
  Fail(failed.captured, "23505");
  table.Put(failed);
  table.Put(failed);

  LoadReport report;
  report.tool_version = "1.2.3";
  report.created_us = 1795666754000000;
  report.target = "shop on db.example:5432 as app";
  report.server_version = "15.7";
  if (!shard.empty()) report.shards = {shard};
  report.settings.sync = "time";
  report.settings.filters = {"--user app"};
  CaptureFacts capture;
  capture.name = "cap";
  capture.sessions = 12;
  capture.statements = 1243;
  capture.duration_us = 2000000;
  report.captures = {capture};
  report.totals.sessions = 11;
  report.totals.sessions_excluded = 1;
  report.totals.exchanges = 1243;
  report.totals.statements = table.statements();
  report.totals.duration_us = 2100000;
  report.totals.tool_wait_us = 1500;
  report.totals.server_wait_us = 812000;
  for (int i = 0; i < 1243; ++i) report.totals.lag.Add(i * 10);
  report.excluded["role \"batch\" does not exist"] = 1;
  report.notes = {
      "A note about the run that is longer than a line of a terminal is, so that it has "
      "to be broken at a blank somewhere."};
  table.Fill(report);
  return report;
}

std::vector<std::string> Lines(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("the text of a load report is a contract", "[report]") {
  for (const size_t columns : {80U, 120U}) {
    LoadTextOptions options;
    options.columns = columns;
    const std::string text = WriteLoadText(Sample(), options);
    CHECK(text == Golden("load." + std::to_string(columns) + ".txt", text));
  }
}

TEST_CASE("a load report fits the width, and --top counts what it leaves out", "[report]") {
  LoadTextOptions options;
  options.columns = 80;
  options.top = 1;
  const std::string text = WriteLoadText(Sample(), options);
  CHECK(text.find("and 2 further patterns") != std::string::npos);
  CHECK(text.find("update stock") == std::string::npos);
  for (const std::string& line : Lines(text)) CHECK(DisplayWidth(line) <= 80);
}

TEST_CASE("a load report reads back as it was written", "[report]") {
  const LoadReport report = Sample("1/2");
  const std::string json = WriteLoadJson(report);
  CHECK(IsLoadJson(json));
  const auto read = ReadLoadJson(json);
  REQUIRE(read.ok());
  CHECK(*read == report);
  CHECK(WriteLoadJson(*read) == json);
  CHECK(json == Golden("load.json", json));
}

TEST_CASE("a load report that is damaged is refused", "[report]") {
  const std::string whole = WriteLoadJson(Sample());
  for (size_t length = 0; length + 2 < whole.size(); length += 11) {
    CHECK_FALSE(ReadLoadJson(whole.substr(0, length)).ok());
  }
  for (
      const char* text :
      {"1", "{}", R"({"schema": "scry.report/1"})",
       R"({"schema": "scry.load/1", "totals": {"statements": -1}})",
       R"({"schema": "scry.load/1", "patterns": [1]})",
       R"({"schema": "scry.load/1", "errors": {"42P01": 3}})",
       R"({"schema": "scry.load/1", "patterns": [{"captured": {"buckets": [[1]]}}]})",
       R"({"schema": "scry.load/1", "patterns": [{"captured": {"buckets": [[1, 1]], "max_us": 9}}]})",
       R"({"schema": "scry.load/1", "totals": {"lag": {"buckets": [[1, 0]], "min_us": 1, "max_us": 1}}})"}) {
    CAPTURE(text);
    const auto read = ReadLoadJson(text);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == base::ErrorCode::kCorrupt);
  }
  const auto newer = ReadLoadJson(R"({"schema": "scry.load/2"})");
  REQUIRE_FALSE(newer.ok());
  CHECK(newer.error().code == base::ErrorCode::kUnsupported);
}

TEST_CASE("reports of shards add up exactly, histograms too", "[report]") {
  base::Random random(3);
  event::FactsCache facts;
  LoadTable whole_table(facts);
  LoadTable part_tables[3] = {LoadTable(facts), LoadTable(facts), LoadTable(facts)};
  const std::vector<std::string> texts = {"select 1 from a", "select 1 from b", "delete from c"};
  for (int i = 0; i < 5000; ++i) {
    event::StatementPair pair =
        PairOf(texts[random.Below(3)], static_cast<Micros>(random.Below(1000000)),
               static_cast<Micros>(random.Below(9000000)));
    if (random.Below(20) == 0)
      Fail(pair.lanes[0].outcome, random.Below(2) == 0 ? "40001" : "42P01");
    if (random.Below(20) == 0) Fail(pair.captured, "40001");
    whole_table.Put(pair);
    part_tables[random.Below(3)].Put(pair);
  }
  LoadReport whole = Sample();
  whole_table.Fill(whole);
  std::vector<LoadReport> parts;
  for (int i = 0; i < 3; ++i) {
    LoadReport part = Sample(std::to_string(i + 1) + "/3");
    part_tables[i].Fill(part);
    const auto stored = ReadLoadJson(WriteLoadJson(part));
    REQUIRE(stored.ok());
    parts.push_back(*stored);
  }
  const auto merged = MergeLoadReports(parts);
  REQUIRE(merged.ok());
  CHECK(merged->patterns == whole.patterns);
  CHECK(merged->errors == whole.errors);
  CHECK(merged->shards == std::vector<std::string>{"1/3", "2/3", "3/3"});
  CHECK(merged->totals.sessions == 33);
  CHECK(merged->totals.duration_us == 2100000);
  CHECK(merged->totals.lag.count() == 3 * 1243);
  CHECK(merged->captures == whole.captures);
  CHECK(merged->notes == whole.notes);
}

TEST_CASE("reports that do not belong together are not merged", "[report]") {
  const auto refused = [](const LoadReport& a, const LoadReport& b) {
    const auto merged = MergeLoadReports({a, b});
    return !merged.ok() && merged.error().code == base::ErrorCode::kUsage;
  };
  const LoadReport first = Sample("1/2");
  LoadReport second = Sample("2/2");
  CHECK_FALSE(refused(first, second));
  CHECK(refused(first, first));
  CHECK(refused(first, Sample("2/3")));
  CHECK(refused(first, Sample()));
  // Unsharded ones add up, but for a copy.
  LoadReport later = Sample();
  later.created_us += 1;
  CHECK_FALSE(refused(Sample(), later));
  CHECK(refused(Sample(), Sample()));
  CHECK_FALSE(MergeLoadReports({Sample(), later, Sample()}).ok());
  second.captures[0].name = "elsewhere";
  CHECK_FALSE(refused(first, second));
  second.captures[0].statements = 7;
  CHECK(refused(first, second));
  second = Sample("2/2");
  second.settings.speed = 2;
  CHECK(refused(first, second));
}

TEST_CASE("patterns past the limit are counted together", "[report]") {
  event::FactsCache facts;
  LoadTable table(facts, 2);
  for (const char* text : {"select 1 from a", "select 1 from b", "select 1 from c", "delete from d",
                           "select 1 from a"}) {
    table.Put(PairOf(text, 5, 5));
  }
  LoadReport report;
  table.Fill(report);
  REQUIRE(report.patterns.size() == 3);
  uint64_t calls = 0;
  for (const LoadPattern& one : report.patterns) calls += one.calls;
  CHECK(calls == 5);
}

TEST_CASE("an error is expected if the capture had the same", "[report]") {
  const LoadReport report = Sample();
  CHECK(report.errors.at("23505") == LoadErrors{2, 1});
  event::FactsCache facts;
  LoadTable table(facts);
  event::StatementPair pair = PairOf("select 1", 5, 5);
  Fail(pair.captured, "42P01");
  table.Put(pair);
  Fail(pair.lanes[0].outcome, "42703");
  table.Put(pair);
  pair.lanes[0].outcome.status = event::OutcomeStatus::kSkipped;
  table.Put(pair);
  LoadReport other;
  table.Fill(other);
  CHECK(other.patterns[0].errors_gone == 1);
  CHECK(other.patterns[0].errors == LoadErrors{0, 1});
  CHECK(other.patterns[0].lost == 1);
}

}  // namespace
}  // namespace scry::report
