#include "job/lane_runner.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "pg/startup.h"
#include "wire/frontend.h"

namespace scry::job {
namespace {

using base::Result;
using base::Status;

constexpr size_t kConnectionsMax = 8;
// Nothing else works on a lane now: what waits for a lock would wait forever.
constexpr const char* kLockTimeout = "2s";

Status Execute(pg::Connection& connection, const std::string& sql) {
  const auto done = connection.QueryValue(sql);
  return done.ok() ? Status() : done.error();
}

Status Prepare(pg::Connection& connection, const replay::Sample& sample, base::Micros timeout_us) {
  SCRY_TRY(Execute(connection, "BEGIN"));
  for (const replay::SettingStatement& setting : sample.settings) {
    const auto set = connection.QueryBound(setting.text, ParametersOf(setting.messages).values);
    if (!set.ok()) return set.error();
  }
  return Execute(connection,
                 fmt::format("SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = '{}'",
                             std::max<base::Micros>(timeout_us / 1000, 1), kLockTimeout));
}

}  // namespace

BoundParameters ParametersOf(const std::vector<event::FrontendMessage>& messages) {
  BoundParameters parameters;
  std::string parse_payload;
  std::string bind_payload;
  for (const event::FrontendMessage& message : messages) {
    if (message.type == wire::frontend::kParse) parse_payload = message.Payload();
    if (message.type == wire::frontend::kBind) bind_payload = message.Payload();
  }
  const auto parse = wire::ParseParse(base::AsBytes(parse_payload));
  const auto bind = wire::ParseBind(base::AsBytes(bind_payload));
  if (!parse || !bind) return parameters;
  parameters.declared.assign(parse->parameter_types.begin(), parse->parameter_types.end());
  for (size_t i = 0; i < bind->parameters.size(); ++i) {
    pg::Connection::BoundValue& value = parameters.values.emplace_back();
    if (i < parse->parameter_types.size()) value.type_oid = parse->parameter_types[i];
    const size_t format = bind->formats.size() == 1 ? 0 : i;
    if (format < bind->formats.size()) value.format = bind->formats[format];
    if (bind->parameters[i]) value.value = std::string(*bind->parameters[i]);
  }
  return parameters;
}

Result<pg::Connection*> LaneRunner::ConnectionOf(const replay::Sample& sample) {
  const auto known = connections_.find(sample.session.parameters);
  if (known != connections_.end()) return &known->second;
  const pg::StartupPlan startup = pg::PlanStartup(lane_, sample.session.parameters);
  SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(startup.info));
  if (connections_.size() >= kConnectionsMax) connections_.erase(connections_.begin());
  return &connections_.emplace(sample.session.parameters, std::move(connection)).first->second;
}

Status LaneRunner::InTransaction(const replay::Sample& sample, base::Micros timeout_us,
                                 const Body& body) {
  SCRY_TRY_ASSIGN(pg::Connection * connection, ConnectionOf(sample));
  Status done = Prepare(*connection, sample, timeout_us);
  if (done.ok()) done = body(*connection);
  const bool clean =
      Execute(*connection, "ROLLBACK").ok() && Execute(*connection, "DEALLOCATE ALL").ok();
  if (!clean) connections_.erase(sample.session.parameters);
  return done;
}

}  // namespace scry::job
