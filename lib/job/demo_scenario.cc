#include "job/demo_scenario.h"

namespace scry::job {
namespace {

constexpr DemoLook kIndexUse{
    "the indexes of orders, as the statistics count their use since that morning:",
    "SELECT indexrelname, idx_scan FROM pg_catalog.pg_stat_user_indexes "
    "WHERE schemaname = 'public' AND relname = 'orders' ORDER BY idx_scan, indexrelname"};

const DemoScenario& MissingIndex() {
  static const DemoScenario scenario{
      .name = "missing-index",
      .intro = "A shop adds a region to its orders. The change passed every test on staging.",
      .setup = nullptr,
      .setup_title = "The shop, its shadow and its traffic",
      .setup_why =
          "Two captures: the application at work, as production sends it, and the tests of the new "
          "feature on staging, whose queries production does not know yet. The shadow is a "
          "physical "
          "copy of production, with its statistics and its bloat.",
      .captures = {{"production.cap", "capture the application at work", DemoClients::kShopDay},
                   {"feature.cap", "capture the feature's tests on staging", DemoClients::kFeature,
                    "missing-index/staging.sql"}},
      .migration_title =
          "The migration: ALTER TABLE orders ADD COLUMN region, and an UPDATE that fills it",
      .migration_why =
          "The gate forks the shadow, runs the migration on one fork and replays both captures on "
          "all forks side by side. Queries that cannot run without the column are held against "
          "what "
          "they took on staging.",
      .during = false,
      .attempts =
          {{"scry's own proposal, as it stands under FIX, and all of the traffic again",
            "The proposal was measured query by query. Now it is a part of the migration, and "
            "all of the traffic judges both together.",
            nullptr, "scry's"},
           {"For comparison: the same change with two indexes that an engineer wrote",
            "fix.sql adds orders (region, status, created_at) and orders (region, "
            "total_cents DESC, id): what somebody would write who knows the queries.",
            "missing-index/fix.sql", "fix.sql"}},
      .before_label = "staging",
      .table_note = "medians, measured just now; staging held 100 orders, the shadow 25,000"};
  return scenario;
}

const DemoScenario& IndexDrop() {
  static const DemoScenario scenario{
      .name = "index-drop",
      .intro =
          "A shop drops an index that nobody uses: its statistics counted no scan all day, and "
          "every "
          "change of an order has to keep it up.",
      .setup = "index-drop/setup.sql",
      .setup_title = "The shop, its shadow, a day and a night of traffic",
      .setup_why =
          "The statistics say what was used since somebody looked last. The captures say what is "
          "used: the day's, and that of the night, when the back office settles its accounts.",
      .captures = {{"day.cap", "capture the application by day", DemoClients::kShopDay, nullptr,
                    &kIndexUse},
                   {"night.cap", "capture the back office by night", DemoClients::kSettlement}},
      .migration_title = "The migration: DROP INDEX orders_status_updated_idx",
      .migration_why =
          "It takes a millisecond, breaks nothing and changes no result. What it costs shows only "
          "in the plans and the times of those who needed the index.",
      .during = false,
      .attempts =
          {{"What scry proposes, and all of the traffic again",
            "The index that the slower queries had used, built again on the migrated fork. If "
            "all of the traffic is as it was, it is better not dropped at all.",
            nullptr, "with fix"}},
      .before_label = "before",
      .table_note = "medians, measured just now, on forks of the same 25,000 orders"};
  return scenario;
}

const DemoScenario& TableLocking() {
  static const DemoScenario scenario{
      .name = "table-locking",
      .intro =
          "A shop makes its orders searchable: a new column, filled for 25,000 orders, all in one "
          "transaction. On staging that took no time at all.",
      .setup = nullptr,
      .setup_title = "The shop, its shadow and some seconds of its rush hour",
      .setup_why =
          "Here the pace matters: who waits for a lock depends on who comes while it is held. "
          "The capture holds eight sessions that stay and 72 customers who come and go.",
      .captures = {{"rush.cap", "capture the rush hour", DemoClients::kRushHour}},
      .migration_title = "The migration: BEGIN, ADD COLUMN search, UPDATE that fills it, COMMIT",
      .migration_why =
          "ADD COLUMN takes a millisecond and a lock that stops all readers. In one transaction "
          "with "
          "the UPDATE, the lock stays until the last row is filled. The gate runs the migration "
          "once "
          "more, on a fork of its own, while the capture plays at its pace, and reads in the "
          "server's log who waits for whom.",
      .during = true,
      .attempts = {{"The same change in short transactions",
                    "batched.sql adds the column by itself, then fills five hundred orders at a "
                    "time, each a transaction of its own.",
                    "table-locking/batched.sql", "batched.sql"}},
      .before_label = "usual",
      .table_note =
          "usual: the median without a migration; then the longest wait for each, measured just "
          "now"};
  return scenario;
}

std::vector<const DemoScenario*> All() { return {&MissingIndex(), &IndexDrop(), &TableLocking()}; }

}  // namespace

std::string DemoScenario::FileOf(std::string_view file) const {
  return std::string(name) + "/" + std::string(file);
}

const DemoScenario* FindDemoScenario(std::string_view name) {
  for (const DemoScenario* scenario : All()) {
    if (scenario->name == name) return scenario;
  }
  return nullptr;
}

std::vector<std::string> DemoScenarioNames() {
  std::vector<std::string> names;
  for (const DemoScenario* scenario : All()) names.emplace_back(scenario->name);
  return names;
}

}  // namespace scry::job
