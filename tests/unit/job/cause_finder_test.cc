#include "job/cause_finder.h"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.h"
#include "unit/cause/scene.h"

namespace scry::job {
namespace {

explain::Plan Parsed(const std::string& node) {
  auto plan = explain::ParsePlan("[{\"Plan\": " + node + "}]");
  REQUIRE(plan.ok());
  return std::move(plan).value();
}

// Findings on queries of `orders`, whose index is gone; of those in `planned` the plans are known.
struct Lost {
  Lost() {
    using cause::Thing;
    catalogs.before =
        cause::CatalogOf({Thing("relation", "orders"),
                          Thing("index", "orders_region", "orders", {{"columns", "region"}})});
    catalogs.after = cause::CatalogOf({Thing("relation", "orders")});
    catalogs.changes = cause::DiffCatalogs(catalogs.before, catalogs.after, true);
    catalogs.copies = true;
  }

  void Add(const std::string& type, const std::string& fingerprint, bool planned) {
    report::Finding& finding = report.findings.emplace_back();
    finding.id = type + "-" + fingerprint;
    finding.type = type;
    finding.fingerprint = fingerprint;
    if (type == "warning") finding.has_latency = true;
    ExplainedFinding& one = known.emplace_back();
    one.id = finding.id;
    one.facts.kind = event::StatementKind::kSelect;
    one.facts.relations = {"orders"};
    if (!planned) return;
    one.plans.emplace();
    one.plans->before = Parsed(R"({"Node Type": "Index Scan", "Relation Name": "orders",
        "Alias": "orders", "Index Name": "orders_region", "Actual Rows": 1, "Actual Loops": 1})");
    one.plans->after = Parsed(R"({"Node Type": "Seq Scan", "Relation Name": "orders",
        "Alias": "orders", "Actual Rows": 1, "Actual Loops": 1})");
  }

  using Told = std::vector<std::pair<std::string, std::vector<std::string>>>;
  Told Causes() {
    FillCauses(known, &catalogs, report);
    Told told;
    for (const report::Cause& cause : report.causes) {
      told.emplace_back(cause.mechanism, cause.findings);
    }
    return told;
  }

  LaneCatalogs catalogs;
  std::vector<ExplainedFinding> known;
  report::Report report;
};

TEST_CASE("a finding without a plan has the cause of another of its query", "[job]") {
  Lost lost;
  lost.Add("transient", "a", false);
  lost.Add("more-work", "a", true);
  CHECK(lost.Causes() == Lost::Told{{"index dropped", {"transient-a", "more-work-a"}}});
}

TEST_CASE("what makes some calls slower is found as what makes all slower", "[job]") {
  Lost lost;
  lost.Add("more-work", "a", true);
  lost.Add("warning", "a", true);
  CHECK(lost.Causes() == Lost::Told{{"index dropped", {"more-work-a", "warning-a"}}});
}

TEST_CASE("a cause is not passed on to another query, nor to another result", "[job]") {
  Lost lost;
  lost.Add("more-work", "a", true);
  lost.Add("slower", "b", false);
  lost.Add("different", "a", false);
  CHECK(lost.Causes() ==
        Lost::Told{{"index dropped", {"more-work-a"}}, {"differs", {"slower-b", "different-a"}}});
}

}  // namespace
}  // namespace scry::job
