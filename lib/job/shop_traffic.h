// The traffic of the demonstration shop (examples/missing-index): what its application sends all
// day, what the tests of its new feature send, and what its back office does at night. Called by
// the demo, one call per session. Thread rule: each call uses its own connection and nothing
// shared, so sessions may run in parallel.
//
// Replay must give the same results on every lane, so nothing here depends on how sessions
// interleave: a session touches only its own share of customers, only session 0 places orders
// (their ids come from a sequence) and takes stock, only of products nobody else looks at, and what
// all sessions read (days of the past, the oldest pending orders) no session changes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace scry::job {

// One client connection to the shop's database, as the role shop_app.
class ShopConnection {
 public:
  virtual ~ShopConnection() = default;
  // Simple protocol.
  virtual base::Status Exec(std::string_view sql) = 0;
  virtual base::Status Prepare(std::string_view name, std::string_view sql) = 0;
  // Text parameters. Answers the first column of the first row as text; empty where there is none.
  virtual base::Result<std::string> ExecPrepared(std::string_view name,
                                                 const std::vector<std::string>& params) = 0;
};

struct ShopTrafficOptions {
  uint32_t session = 0;  // Of `sessions`, from 0. Session 0 is the one that places orders.
  uint32_t sessions = 6;
  // Visits per session; each meets every pattern of its session once or more. With 40, session 0
  // alone gives each pattern 40 samples.
  uint32_t visits = 40;
  uint64_t seed = 1;
  // Called before each visit but the first; false ends the session early. Null: on and on.
  std::function<bool()> between;
};

// The application as it is today, against data.sql. REQUIRES: session < sessions <= 100.
base::Status RunShopTraffic(ShopConnection& connection, const ShopTrafficOptions& options);

// A customer who comes, looks at the own orders and leaves: a few queries without prepared
// statements.
base::Status RunShortVisit(ShopConnection& connection, const ShopTrafficOptions& options);

// The back office at night: for `days` days of October what was refunded and disputed on that day.
// REQUIRES: days <= 28.
base::Status RunSettlement(ShopConnection& connection, uint32_t days);

// The tests of the feature that migration.sql is for: `rounds` times each of its four queries, over
// all regions. Against staging.sql; with the column there, also against the full data.
base::Status RunFeatureTraffic(ShopConnection& connection, uint32_t rounds, uint64_t seed);

}  // namespace scry::job
