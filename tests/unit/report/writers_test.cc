#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "report/ci_writers.h"
#include "report/finding_origin.h"
#include "report/markdown_writer.h"
#include "report/sarif_writer.h"
#include "support/catch.h"
#include "unit/report/samples.h"

namespace scry::report {
namespace {

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// A report with more than any surface shows.
Report Crowded(size_t count) {
  Report report = Regressions();
  const std::vector<Finding> kinds = report.findings;
  report.findings.clear();
  for (size_t i = 0; i < count; ++i) {
    Finding finding = kinds[i * kinds.size() / count];
    finding.fingerprint = std::to_string(1'000'000'000'000'000 + i);
    finding.id = finding.type + "-" + finding.fingerprint;
    report.findings.push_back(finding);
  }
  return report;
}

// What a name in a database, or a message of a server, may hold.
Report Hostile() {
  Report report = Regressions();
  const std::string evil =
      "@everyone #1 <script>alert(1)</script> | a | [x](http://evil) `x` ``` </details> "
      "![i](u) --> \x1b[31m \xff ::error::x %0A \"q\" \\ \n::error title=fake::injected\n";
  report.sentence += evil;
  report.migration.command += evil;
  report.migration.exit_status = 1;
  report.migration.output = {evil, evil};
  report.shadow += evil;
  report.notes.push_back(evil);
  report.ignore_rules = {{evil, evil, evil, evil, evil, false, 1, 0}};
  report.findings.back().type = "ignored";
  report.findings.back().ignored_type = report.findings.back().ignored_by = evil;
  report.budget.budget_us = 1;
  report.budget.thin = {{evil, evil, 1, 2, 3}};
  for (Finding& finding : report.findings) {
    finding.pattern += evil;
    finding.reasons.push_back(evil);
    finding.plan.sentence += evil;
    finding.plan.candidate.push_back(evil);
  }
  report.lanes[0].name += evil;
  return report;
}

TEST_CASE("each form of a report is a contract", "[report]") {
  for (const auto& [name, report] :
       {std::pair{"regressions", Regressions()}, std::pair{"safe", Safe()},
        std::pair{"migration_failed", MigrationFailed()}}) {
    const std::string base = name;
    const std::string markdown = WriteMarkdown(report, {});
    CHECK(markdown == Golden(base + ".md", markdown));
    const std::string github = WriteGithubAnnotations(report);
    CHECK(github == Golden(base + ".github.txt", github));
    const std::string gitlab = WriteGitlabCodeQuality(report, "migrations/7.sql");
    CHECK(gitlab == Golden(base + ".gitlab.json", gitlab));
    const std::string junit = WriteJunit(report);
    CHECK(junit == Golden(base + ".junit.xml", junit));
    const std::string metrics = WriteOpenMetrics(report);
    CHECK(metrics == Golden(base + ".openmetrics.txt", metrics));
  }
}

TEST_CASE("findings are put on the line of the migration that caused them", "[report]") {
  const Report report = Explained();
  const std::string github = WriteGithubAnnotations(report);
  CHECK(github == Golden("explained.github.txt", github));
  CHECK(github.find("::error file=db/migrate/007_drop index.sql,line=12,title=scry%3A slower::Seq "
                    "Scan on orders") != std::string::npos);
  const std::string gitlab = WriteGitlabCodeQuality(report, "scry.yaml");
  CHECK(gitlab == Golden("explained.gitlab.json", gitlab));
  const std::string markdown = WriteMarkdown(report, {});
  CHECK(markdown == Golden("explained.md", markdown));
  const Sarif sarif = WriteSarif(report, "scry.yaml");
  CHECK(sarif.text == Golden("explained.sarif", sarif.text));
  CHECK(sarif.results == 8);
  CHECK(sarif.without_place == 3);
}

TEST_CASE("what blocks is on its own line", "[report]") {
  Report report = Regressions();
  MigrationStatement& alter = report.migration.statements[0];
  alter.fingerprint = "00000000000000aa";
  alter.file = "db/1.sql";
  alter.line = 3;
  Finding blocked = FindingOf("blocked", alter.text);
  blocked.fingerprint = alter.fingerprint;
  const Origins origins(report);
  REQUIRE(PlaceOf(origins.Of(blocked).statement));
  CHECK(PlaceText(*origins.Of(blocked).statement) == "db/1.sql:3");
  // A query is no statement of the migration, though it may look like one.
  blocked.type = "slower";
  CHECK_FALSE(PlaceOf(origins.Of(blocked).statement));
}

// What the schema of SARIF 2.1.0 requires of the parts that are written.
void CheckSarif(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  CHECK(json.at("version") == "2.1.0");
  REQUIRE(json.at("runs").size() == 1);
  const auto& run = json["runs"][0];
  const auto& driver = run.at("tool").at("driver");
  CHECK(driver.at("name").is_string());
  std::set<std::string> ids;
  for (const auto& rule : driver.at("rules")) {
    CHECK(ids.insert(rule.at("id").get<std::string>()).second);
    CHECK(rule.at("shortDescription").at("text").is_string());
  }
  for (const auto& invocation : run.at("invocations")) {
    CHECK(invocation.at("executionSuccessful").is_boolean());
    CHECK(invocation.at("exitCode").is_number_integer());
    for (const auto& told : invocation.at("toolExecutionNotifications")) {
      CHECK_FALSE(told.at("message").at("text").get<std::string>().empty());
    }
  }
  const std::set<std::string> bases = {"SRCROOT"};
  for (const auto& [base, place] : run.at("originalUriBaseIds").items()) {
    CHECK(bases.contains(base));
  }
  const std::regex uri("([A-Za-z0-9._~/-]|%[0-9A-F]{2})+");
  const std::set<std::string> levels = {"error", "warning", "note"};
  for (const auto& result : run.at("results")) {
    CHECK_FALSE(result.at("message").at("text").get<std::string>().empty());
    CHECK(levels.contains(result.at("level").get<std::string>()));
    if (result.contains("ruleIndex")) {
      CHECK(driver["rules"].at(result["ruleIndex"].get<size_t>())["id"] == result.at("ruleId"));
    }
    for (const auto& [key, value] : result.at("partialFingerprints").items()) {
      CHECK(value.is_string());
    }
    REQUIRE(result.at("locations").size() == 1);
    const auto& place = result["locations"][0].at("physicalLocation");
    CHECK(std::regex_match(place.at("artifactLocation").at("uri").get<std::string>(), uri));
    CHECK(bases.contains(place["artifactLocation"].at("uriBaseId").get<std::string>()));
    CHECK(place.at("region").at("startLine").get<int64_t>() >= 1);
  }
}

TEST_CASE("SARIF has the structure that its schema asks for", "[report]") {
  Report evil = Hostile();
  evil.causes = {{"", "", "x", "y", {evil.findings[0].id}, 99'999}};
  evil.migration.statements[0].file = "a b/\x1b[31m/ü?#.sql";
  evil.migration.statements[0].sqlstate = "42P01";
  for (const Report& report : {Regressions(), Explained(), Safe(), Unfaithfully(),
                               MigrationFailed(), evil, Crowded(6000), Report{}}) {
    CheckSarif(WriteSarif(report, "scry.yaml").text);
  }
  CHECK(WriteSarif(Safe(), "scry.yaml").results == 0);
  CHECK(WriteSarif(MigrationFailed(), "scry.yaml").results == 1);
  const Sarif crowded = WriteSarif(Crowded(8000), "scry.yaml");
  CHECK(crowded.results == 5000);
  CHECK(crowded.left_out > 0);
}

// A migration that failed on its second statement, after it had recovered from an error.
Report FailedOnSecond() {
  Report report = MigrationFailed();
  report.migration.statements.resize(2);
  report.migration.statements[0].sqlstate = "42P01";
  MigrationStatement& failed = report.migration.statements[1];
  failed.text = "ALTER TABLE ordes ADD x int";
  failed.fingerprint = "00000000000000aa";
  failed.sqlstate = "42P07";
  failed.file = "db/7.sql";
  failed.line = 3;
  report.causes = {{"", "migration failed", "relation ordes does not exist", failed.text, {}, 1}};
  return report;
}

TEST_CASE("a migration that failed is a problem in every form for code hosts", "[report]") {
  const Report report = FailedOnSecond();
  const auto sarif = nlohmann::json::parse(WriteSarif(report, "scry.yaml").text);
  const auto& result = sarif["runs"][0]["results"].at(0);
  CHECK(result["message"]["text"].get<std::string>().starts_with("ALTER TABLE ordes"));
  CHECK(result["locations"][0]["physicalLocation"]["region"]["startLine"] == 3);
  const auto gitlab = nlohmann::json::parse(WriteGitlabCodeQuality(report, "scry.yaml"));
  REQUIRE(gitlab.size() == 1);
  CHECK(gitlab[0]["severity"] == "blocker");
  CHECK(gitlab[0]["location"]["path"] == "db/7.sql");
  CHECK(gitlab[0]["fingerprint"] == "migration-failed-00000000000000aa");
  CHECK(WriteGithubAnnotations(report).starts_with("::error file=db/7.sql,line=3,title=scry%3A "));
}

TEST_CASE("a failure without a cause blames no statement", "[report]") {
  Report report = FailedOnSecond();
  report.causes.clear();
  CHECK(FailedStatement(report) == nullptr);
  report.causes = {{"", "", "", "", {}, 99'999}};
  CHECK(FailedStatement(report) == nullptr);
}

TEST_CASE("a file outside of the repository is no place for code hosts", "[report]") {
  for (const char* path : {"/tmp/7.sql", "../7.sql", "db/../../7.sql", ""}) {
    Report report = FailedOnSecond();
    report.migration.statements[1].file = path;
    const Sarif sarif = WriteSarif(report, "scry.yaml");
    CHECK(sarif.without_place == 1);
    CHECK(sarif.text.find("\"uri\": \"scry.yaml\"") != std::string::npos);
    CHECK(WriteGitlabCodeQuality(report, "scry.yaml").find("7.sql") == std::string::npos);
    CHECK(WriteGithubAnnotations(report).find("7.sql") == std::string::npos);
  }
}

TEST_CASE("a finding has the same fingerprints in SARIF wherever its line is", "[report]") {
  Report moved = Explained();
  moved.migration.statements.back().line += 5;
  for (Finding& finding : moved.findings) finding.after.p50_us *= 1.5;
  const auto before = nlohmann::json::parse(WriteSarif(Explained(), "scry.yaml").text);
  const auto after = nlohmann::json::parse(WriteSarif(moved, "scry.yaml").text);
  const auto& old = before["runs"][0]["results"];
  REQUIRE(old.size() == after["runs"][0]["results"].size());
  for (size_t i = 0; i < old.size(); ++i) {
    CHECK(old[i]["partialFingerprints"] == after["runs"][0]["results"][i]["partialFingerprints"]);
  }
}

TEST_CASE("Markdown stays under its limit, worst first, and counts the rest", "[report]") {
  for (const size_t limit : {4'000U, 20'000U, 60'000U}) {
    MarkdownOptions options;
    options.bytes_max = limit;
    const std::string markdown = WriteMarkdown(Crowded(3'000), options);
    CAPTURE(limit);
    CHECK(markdown.size() <= limit);
    CHECK(markdown.find("#### Broken (") != std::string::npos);
    CHECK(markdown.find("Cut to fit") != std::string::npos);
  }
  MarkdownOptions wide;
  CHECK(WriteMarkdown(Crowded(3'000), wide).find(" more\n") != std::string::npos);
  CHECK(WriteMarkdown(Regressions(), wide).find("Cut to fit") == std::string::npos);
}

// Outside of code, nothing that Markdown or GitHub acts upon.
std::string WithoutCode(const std::string& markdown) {
  std::string text;
  bool fenced = false;
  std::string fence;
  for (const std::string& line : LinesOf(markdown)) {
    const size_t quotes = line.find_first_not_of('`');
    const size_t run = quotes == std::string::npos ? line.size() : quotes;
    if (!fenced && run >= 3) {
      fenced = true;
      fence = line.substr(0, run);
      continue;
    }
    if (fenced) {
      if (line == fence) fenced = false;
      continue;
    }
    for (size_t i = 0; i < line.size();) {
      if (line[i] != '`') {
        text += line[i++];
        continue;
      }
      const size_t end = line.find_first_not_of('`', i);
      const std::string open = line.substr(i, end - i);
      size_t close = end;
      while ((close = line.find(open, close)) != std::string::npos) {
        const size_t after = close + open.size();
        if (line[close - 1] != '`' && (after >= line.size() || line[after] != '`')) break;
        close = line.find_first_not_of('`', close);
      }
      if (close == std::string::npos) return "a code span that does not end: " + line;
      i = close + open.size();
    }
    text += '\n';
  }
  return fenced ? "a fence that does not end" : text;
}

TEST_CASE("what comes from outside is inert in Markdown", "[report]") {
  MarkdownOptions options;
  options.name = "x --> <script>";
  const std::string text = WithoutCode(WriteMarkdown(Hostile(), options));
  CAPTURE(text);
  for (const char* bad : {"@everyone", "<script", "[x]", "![", "does not end", "\x1b"}) {
    CHECK(text.find(bad) == std::string::npos);
  }
  CHECK(std::count(text.begin(), text.end(), '@') == 0);
  CHECK(std::count(text.begin(), text.end(), '$') == 0);
  // Only the tags that the writer means.
  const std::regex tag("<[^>]*>");
  for (std::sregex_iterator it(text.begin(), text.end(), tag), end; it != end; ++it) {
    const std::string found = it->str();
    const std::set<std::string> meant = {"<br>",       "<details>", "</details>", "<summary>",
                                         "</summary>", "<code>",    "</code>"};
    if (!found.starts_with("<!--")) CHECK(meant.contains(found));
  }
  // Every row of a table has as many cells as its head.
  size_t bars = 0;
  for (const std::string& line : LinesOf(WriteMarkdown(Hostile(), options))) {
    if (!line.starts_with("|")) {
      bars = 0;
      continue;
    }
    size_t count = 0;
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '|' && (i == 0 || line[i - 1] != '\\')) ++count;
    }
    if (bars == 0) bars = count;
    CAPTURE(line);
    CHECK(count == bars);
  }
}

TEST_CASE("text names nobody, no issue, no page and no picture", "[report]") {
  // As GitHub has it after it resolved the character references.
  const auto shown = [](std::string_view text) {
    std::string out;
    const std::string written = MarkdownText(text);
    for (size_t i = 0; i < written.size(); ++i) {
      if (written.compare(i, 2, "&#") == 0) {
        const size_t end = written.find(';', i);
        out += static_cast<char>(std::stoi(written.substr(i + 2, end - i - 2)));
        i = end;
      } else {
        out += written[i];
      }
    }
    return out;
  };
  const std::regex live(R"(@\w|#\d|gh-\d|www\.|:\w|://)", std::regex::icase);
  for (const char* text : {"@everyone", "a@b.example", "see #12", "shop/shop#12", "GH-12", "gh-12",
                           "WWW.example.com", "www.example.com", "http://x", ":tada:"}) {
    CAPTURE(text);
    CHECK_FALSE(std::regex_search(shown(text), live));
  }
  CHECK(MarkdownCode("psql | cat") == "`psql | cat`");
  CHECK(MarkdownCodeCell("SELECT a || b") == "`SELECT a \\|\\| b`");
  CHECK(MarkdownText("12.5 of 30 - more: yes") == "12.5 of 30 - more: yes");
}

TEST_CASE("annotations leave the tenth error to the step, a line each", "[report]") {
  for (const Report& report : {Crowded(500), Hostile()}) {
    const auto lines = LinesOf(WriteGithubAnnotations(report));
    size_t errors = 0;
    size_t warnings = 0;
    for (const std::string& line : lines) {
      errors += line.starts_with("::error title=") ? 1U : 0U;
      warnings += line.starts_with("::warning title=") ? 1U : 0U;
      CHECK(line.starts_with("::"));
    }
    CHECK(lines.size() == errors + warnings + 1);  // Nothing from outside began a line.
    CHECK(errors <= 9);
    CHECK(warnings <= 10);
    CHECK(lines.back().starts_with("::notice title=scry%3A "));
  }
  CHECK(WriteGithubAnnotations(Crowded(500)).find(" more findings: see the report") !=
        std::string::npos);
}

TEST_CASE("code quality has stable fingerprints without numbers", "[report]") {
  Report slower = Regressions();
  const auto before = nlohmann::json::parse(WriteGitlabCodeQuality(slower, "x"));
  for (Finding& finding : slower.findings) finding.after.p50_us *= 1.37;
  const auto after = nlohmann::json::parse(WriteGitlabCodeQuality(slower, "x"));
  REQUIRE(before.size() == after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    CHECK(before[i]["fingerprint"] == after[i]["fingerprint"]);
  }
  CHECK_FALSE(nlohmann::json::parse(WriteGitlabCodeQuality(Hostile(), "x")).empty());
}

TEST_CASE("JUnit has a case for each pattern, and its counts are true", "[report]") {
  const auto occurrences = [](const std::string& text, const std::string& what) {
    size_t count = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
      ++count;
    }
    return count;
  };
  for (const Report& report :
       {Regressions(), Safe(), Unfaithfully(), MigrationFailed(), Hostile()}) {
    const std::string xml = WriteJunit(report);
    const size_t cases = occurrences(xml, "<testcase ");
    CHECK(xml.find(fmt::format(" tests=\"{}\"", cases)) != std::string::npos);
    CHECK(cases >= report.patterns.size());
    CHECK((report.exit_status == 0) == (xml.find(" failures=\"0\"") != std::string::npos));
    CHECK(occurrences(xml, "<script") == 0);
    for (const char c : xml) CHECK((static_cast<unsigned char>(c) >= 0x20 || c == '\n'));
  }
}

TEST_CASE("JUnit holds nothing that is no character of XML", "[report]") {
  Report report = Regressions();
  // A surrogate, U+FFFF and a control character; of findings of patterns and of none.
  const std::string evil = "\xed\xa0\x80 \xef\xbf\xbf \x1b";
  for (Finding& finding : report.findings) {
    finding.type += evil;
    finding.reasons.clear();
  }
  const std::string xml = WriteJunit(report);
  CHECK(xml.find("\\xed") != std::string::npos);
  for (const char* bad : {"\xed\xa0\x80", "\xef\xbf\xbf", "\x1b"}) {
    CHECK(xml.find(bad) == std::string::npos);
  }
}

TEST_CASE("OpenMetrics text can be read back line by line", "[report]") {
  const std::regex sample(R"re([a-z][a-z0-9_]*(\{([a-z]+="([^"\\\n]|\\["\\n])*",?)+\})? \S+)re");
  for (const Report& report : {Regressions(), Hostile(), MigrationFailed()}) {
    const auto lines = LinesOf(WriteOpenMetrics(report));
    CHECK(lines.back() == "# EOF");
    for (const std::string& line : lines) {
      CAPTURE(line);
      if (!line.starts_with("# ")) CHECK(std::regex_match(line, sample));
    }
  }
}

TEST_CASE("what a change introduces is held against production in OpenMetrics", "[report]") {
  Report report = Regressions();
  Finding& finding = report.findings[0];
  finding.type = "new-slow";
  finding.id = "new-slow-1";
  finding.has_latency = true;
  const std::string text = WriteOpenMetrics(report);
  CHECK(text.find("{finding=\"new-slow-1\",lane=\"captured\"}") != std::string::npos);
  CHECK(text.find("{finding=\"new-slow-1\",lane=\"baseline\"}") == std::string::npos);
}

TEST_CASE("a finding that is there twice is told apart where nothing may be twice", "[report]") {
  Report report = Regressions();
  report.findings.push_back(report.findings.front());
  report.findings.push_back(report.findings.front());
  std::set<std::string> seen;
  for (const std::string& line : LinesOf(WriteOpenMetrics(report))) {
    if (!line.starts_with("# ")) CHECK(seen.insert(line.substr(0, line.rfind(' '))).second);
  }
  for (const auto& issue : nlohmann::json::parse(WriteGitlabCodeQuality(report, "x"))) {
    CHECK(seen.insert("gitlab " + issue["fingerprint"].get<std::string>()).second);
  }
  const auto sarif = nlohmann::json::parse(WriteSarif(report, "x").text);
  for (const auto& result : sarif["runs"][0]["results"]) {
    const auto& hash = result["partialFingerprints"]["primaryLocationLineHash"];
    CHECK(seen.insert("sarif " + hash.get<std::string>()).second);
  }
}

}  // namespace
}  // namespace scry::report
