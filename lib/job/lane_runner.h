// Runs a captured execution again by itself on a lane: as its own role, with the settings it had,
// in a transaction that is rolled back whatever happens. Used for EXPLAIN. Keeps a few connections
// open. Blocks. One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "replay/sample.h"

namespace scry::job {

class LaneRunner {
 public:
  using Body = std::function<base::Status(pg::Connection&)>;

  explicit LaneRunner(pg::ConnInfo lane) : lane_(std::move(lane)) {}

  // Each statement of `body` may take up to `timeout_us`. `body` may leave prepared statements
  // behind and a transaction that failed.
  base::Status InTransaction(const replay::Sample& sample, base::Micros timeout_us,
                             const Body& body);

 private:
  base::Result<pg::Connection*> ConnectionOf(const replay::Sample& sample);

  const pg::ConnInfo lane_;
  std::map<event::Settings, pg::Connection> connections_;  // By startup parameters.
};

// What the Parse of an execution declares of its parameters, and what its Bind gives them.
struct BoundParameters {
  std::vector<uint32_t> declared;
  std::vector<pg::Connection::BoundValue> values;
};
BoundParameters ParametersOf(const std::vector<event::FrontendMessage>& messages);

}  // namespace scry::job
