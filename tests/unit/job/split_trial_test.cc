#include "job/split_trial.h"

#include <string>

#include "support/catch.h"

namespace scry::job {
namespace {

constexpr const char* kIndex = "CREATE INDEX a ON orders (total) WHERE total > 5";
constexpr const char* kAlter = "ALTER TABLE orders ALTER total TYPE bigint";

event::StatementFacts FactsOf(const std::string& sql) { return event::AnalyzeQuery(sql).front(); }

// A migration of two statements on one table, both of which block.
struct Scene {
  Scene() {
    for (cause::Catalog* catalog : {&catalogs.before, &catalogs.after}) {
      cause::CatalogObject table{"relation", "orders", "orders", "", "", {}, {}};
      table.facts = {{"name", "orders"}, {"schema", "public"}, {"kind", "r"}};
      catalog->Add(table);
    }
    for (const char* sql : {kIndex, kAlter}) {
      const auto facts = FactsOf(sql);
      script.push_back({sql, facts.fingerprint, facts.kind});
      Blocks(report.findings, report.during, sql, 40, 800'000);
    }
    report.during.migration_statements.emplace_back().duration_us = 300'000;
    outcome.during.ran = true;
    outcome.during.migration_statements.emplace_back().duration_us = 500'000;
    Blocks(outcome.findings, outcome.during, kAlter, 38, 790'000);
  }
  static void Blocks(std::vector<report::Finding>& findings, report::DuringFacts& during,
                     const std::string& sql, uint64_t queries, base::Micros wait_us) {
    const auto facts = FactsOf(sql);
    report::Finding& finding = findings.emplace_back();
    finding.type = "blocked";
    finding.gates = true;
    finding.fingerprint = event::FingerprintText(facts.fingerprint);
    finding.id = "blocked-" + finding.fingerprint;
    finding.pattern = facts.pattern;
    finding.reasons = {"40 queries waited for it"};
    report::BlockingStatement& blocking = during.statements_blocking.emplace_back();
    blocking.text = facts.pattern;
    blocking.blocked = queries;
    blocking.wait_us_max = wait_us;
    blocking.stall_us = 100'000 * static_cast<base::Micros>(queries);
  }
  SplitPlan Plan() const { return PlanSplit(profile, catalogs, report, policy).value(); }
  std::string Why() const { return WhyNoFix(Plan(), outcome, report, policy); }

  LaneCatalogs catalogs;
  migration::MigrationProfile profile;
  std::vector<migration::RecordedStatement>& script = profile.script;
  report::Report report;
  SplitOutcome outcome;
  compare::Policy policy;
};

TEST_CASE("only what blocks and has another form is rewritten", "[job]") {
  Scene scene;
  const SplitPlan plan = scene.Plan();
  CHECK(plan.findings == std::vector<std::string>{scene.report.findings[0].id});
  CHECK(plan.migration.script.size() == 2);
  CHECK(plan.migration.script[1] == kAlter);
  CHECK(plan.migration.changed.size() == 1);
  scene.report.findings[0].gates = false;
  CHECK_FALSE(PlanSplit(scene.profile, scene.catalogs, scene.report, scene.policy));
  // On production it would.
  report::MigrationStatement& told = scene.report.migration.statements.emplace_back();
  told.fingerprint = scene.report.findings[0].fingerprint;
  told.held_us_estimated = 60'000'000;
  CHECK(PlanSplit(scene.profile, scene.catalogs, scene.report, scene.policy));
  CHECK_FALSE(PlanSplit({}, scene.catalogs, scene.report, scene.policy));
}

TEST_CASE("what has another form that cannot be tried says why", "[job]") {
  Scene scene;
  CHECK(scene.Plan().why_not.empty());
  scene.catalogs.before.cut = true;
  CHECK_FALSE(scene.Plan().why_not.empty());
  scene.script.clear();
  scene.profile.why_no_script = "it brings data with COPY";
  CHECK_FALSE(PlanSplit(scene.profile, scene.catalogs, scene.report, scene.policy));
  migration::StatementProfile& statement = scene.profile.statements.emplace_back();
  statement.text = kIndex;
  statement.fingerprint = FactsOf(kIndex).fingerprint;
  CHECK(scene.Plan().why_not == "it brings data with COPY");
}

TEST_CASE("what hides behind a lock of its transaction is rewritten too", "[job]") {
  Scene scene;
  const std::string check = "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)";
  for (const std::string& sql : {std::string("COMMIT"), check}) {
    scene.script.push_back({sql, FactsOf(sql).fingerprint, FactsOf(sql).kind});
  }
  CHECK(scene.Plan().migration.changed.size() == 1);
  scene.script.insert(scene.script.begin(), {"BEGIN", 0, event::StatementKind::kBegin});
  std::swap(scene.script[3], scene.script[4]);
  CHECK(scene.Plan().migration.changed.size() == 6);
}

TEST_CASE("a fix says what the statements in place of others changed", "[job]") {
  const Scene scene;
  CHECK(scene.Why().empty());
  const report::Fix fix = FixOf(scene.Plan(), scene.outcome, scene.report, true);
  CHECK(fix.sql ==
        std::vector<std::string>{"CREATE INDEX CONCURRENTLY a ON orders (total) WHERE total > 5;"});
  REQUIRE(fix.waits);
  CHECK(*fix.waits == report::FixWaits{800'000, 0, 40, 0, 300'000, 500'000});
  CHECK(fix.advice.size() == 1);
  SplitOutcome waits = scene.outcome;
  waits.during.statements_blocking.back().text = "DROP INDEX CONCURRENTLY b";
  SplitPlan plan = scene.Plan();
  plan.migration.changed = {"CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON orders (total)"};
  const report::Fix careful = FixOf(plan, waits, scene.report, true);
  REQUIRE(careful.advice.size() == 3);
  CHECK(careful.advice[1].find("invalid index") != std::string::npos);
  CHECK(careful.advice[2].find("SET lock_timeout = 0") != std::string::npos);
}

TEST_CASE("literals are told only where they were asked for", "[job]") {
  const Scene scene;
  SplitPlan plan = scene.Plan();
  plan.migration.changed = {"ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 5) NOT VALID"};
  const report::Fix fix = FixOf(plan, scene.outcome, scene.report, false);
  CHECK(fix.sql.front() == "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > ?) NOT VALID;");
  CHECK(fix.advice.back().find("--show-values") != std::string::npos);
}

TEST_CASE("what fails, blocks all the same or ends elsewhere is no fix", "[job]") {
  Scene scene;
  Scene::Blocks(scene.outcome.findings, scene.outcome.during,
                "CREATE INDEX CONCURRENTLY a ON orders (total)", 3, 600'000);
  CHECK(scene.Why().find("CREATE INDEX CONCURRENTLY") != std::string::npos);
  scene.outcome.findings.back().gates = false;
  CHECK(scene.Why().empty());
  scene.outcome.during.statements_blocking[0].stall_us = 7'000'000;
  CHECK(scene.Why().find("other statements") != std::string::npos);
  report::Finding& broken = scene.outcome.findings.emplace_back();
  broken.type = "broken";
  broken.id = "meanwhile-1";
  broken.gates = true;
  broken.pattern = "SELECT * FROM v";
  CHECK(scene.Why().find("FROM v, queries fail beside it") != std::string::npos);
  scene.report.findings.push_back(broken);
  CHECK(scene.Why().find("other statements") != std::string::npos);
  scene.outcome.schema_change = "index a was dropped";
  CHECK(scene.Why().find("index a") != std::string::npos);
  scene.outcome.during.unloaded_us = 1'000'000;
  CHECK(scene.Why().find("without any traffic") != std::string::npos);
  scene.outcome.during.exit_status = 3;
  CHECK(scene.Why() == "it ended with status 3");
  scene.outcome.failed_on = "ALTER TABLE orders failed with 42P01";
  CHECK(scene.Why() == scene.outcome.failed_on);
}

}  // namespace
}  // namespace scry::job
