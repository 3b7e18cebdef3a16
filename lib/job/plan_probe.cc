#include "job/plan_probe.h"

#include <string>
#include <utility>
#include <vector>

#include "pg/connection.h"
#include "pg/startup.h"
#include "wire/frontend.h"

namespace scry::job {
namespace {

// A plan that takes longer is not worth the wait: the finding stands without it.
constexpr const char* kTimeoutSql = "SET LOCAL statement_timeout = '30s'";

std::vector<pg::Connection::BoundValue> ValuesOf(const replay::Sample& sample) {
  std::vector<pg::Connection::BoundValue> values;
  std::string parse_payload;
  std::string bind_payload;
  for (const event::FrontendMessage& message : sample.messages) {
    if (message.type == wire::frontend::kParse) parse_payload = message.Payload();
    if (message.type == wire::frontend::kBind) bind_payload = message.Payload();
  }
  const auto parse = wire::ParseParse(base::AsBytes(parse_payload));
  const auto bind = wire::ParseBind(base::AsBytes(bind_payload));
  if (!parse || !bind) return values;
  for (size_t i = 0; i < bind->parameters.size(); ++i) {
    pg::Connection::BoundValue& value = values.emplace_back();
    if (i < parse->parameter_types.size()) value.type_oid = parse->parameter_types[i];
    const size_t format = bind->formats.size() == 1 ? 0 : i;
    if (format < bind->formats.size()) value.format = bind->formats[format];
    if (bind->parameters[i]) value.value = std::string(*bind->parameters[i]);
  }
  return values;
}

}  // namespace

base::Result<explain::Plan> ExplainSample(const pg::ConnInfo& lane, const replay::Sample& sample) {
  const pg::StartupPlan startup = pg::PlanStartup(lane, sample.session.parameters);
  SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(startup.info));
  SCRY_TRY_ASSIGN(const std::optional<std::string> begun, connection.QueryValue("BEGIN"));
  SCRY_TRY_ASSIGN(const std::optional<std::string> limited, connection.QueryValue(kTimeoutSql));
  SCRY_TRY_ASSIGN(const std::optional<std::string> text,
                  connection.QueryBound("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sample.text,
                                        ValuesOf(sample)));
  SCRY_TRY_ASSIGN(const std::optional<std::string> undone, connection.QueryValue("ROLLBACK"));
  return explain::ParsePlan(text.value_or(""));
}

}  // namespace scry::job
