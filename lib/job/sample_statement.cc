#include "job/sample_statement.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace scry::job {
namespace {

using base::Result;
using base::Status;

constexpr uint32_t kFirstUserOid = 16384;
constexpr int kBinary = 1;

// "{23,1043}".
std::vector<uint32_t> OidsOf(const std::string& array) {
  std::vector<uint32_t> oids;
  uint64_t number = 0;
  bool digits = false;
  for (const char c : array) {
    if (c >= '0' && c <= '9') {
      number = std::min<uint64_t>(number * 10 + static_cast<uint64_t>(c - '0'), UINT32_MAX);
      digits = true;
    } else if (digits) {
      oids.push_back(static_cast<uint32_t>(number));
      number = 0;
      digits = false;
    }
  }
  return oids;
}

}  // namespace

Status SampleStatement::Prepare(const std::vector<replay::Sample>& pattern) {
  if (sample_.messages.empty()) {
    sql_ = sample_.text;
    return {};
  }
  const BoundParameters parameters = ParametersOf(sample_.messages);
  std::vector<uint32_t> types = parameters.declared;
  for (size_t i = 0; i < types.size() && i < parameters.values.size(); ++i) {
    // Types of users have other OIDs in a restored copy; of a text the server finds out.
    if (types[i] >= kFirstUserOid && parameters.values[i].format != kBinary) types[i] = 0;
  }
  SCRY_TRY(connection_.Prepare(kName, sample_.text, types));
  SCRY_TRY_ASSIGN(sql_, ExecuteOf(parameters));
  return sample_.accustomed() ? Accustom(pattern) : Status();
}

Status SampleStatement::Accustom(const std::vector<replay::Sample>& pattern) {
  std::vector<std::string> executes;
  for (const replay::Sample& other : pattern) {
    if (executes.size() == replay::kCustomPlans) break;
    if (other.text != sample_.text || other.messages.empty()) continue;
    if (other.messages[0] != sample_.messages[0]) continue;
    SCRY_TRY_ASSIGN(std::string execute, ExecuteOf(ParametersOf(other.messages)));
    executes.push_back(std::move(execute));
  }
  if (executes.empty()) executes.push_back(sql_);
  for (size_t i = 0; i < replay::kCustomPlans; ++i) {
    const auto planned = connection_.QueryBound("EXPLAIN " + executes[i % executes.size()], {});
    if (!planned.ok()) return planned.error();
  }
  return {};
}

// Values go in as literals, which the prepared types take in as they take in a text parameter.
Result<std::string> SampleStatement::ExecuteOf(const BoundParameters& parameters) {
  std::vector<uint32_t> types;
  std::string sql = std::string("EXECUTE ") + kName;
  for (size_t i = 0; i < parameters.values.size(); ++i) {
    pg::Connection::BoundValue value = parameters.values[i];
    sql += i == 0 ? "(" : ", ";
    if (value.value && value.format == kBinary) {
      if (types.empty()) {
        SCRY_TRY_ASSIGN(types, PreparedTypes());
      }
      if (i >= types.size()) return base::Fail("a parameter of no known type");
      value.type_oid = types[i];
      SCRY_TRY_ASSIGN(value.value, connection_.QueryBound("SELECT $1", {value}));
    }
    if (!value.value) {
      sql += "NULL";
      continue;
    }
    SCRY_TRY_ASSIGN(const std::string literal, connection_.QuoteLiteral(*value.value));
    sql += literal;
  }
  return parameters.values.empty() ? sql : sql + ")";
}

Result<std::vector<uint32_t>> SampleStatement::PreparedTypes() {
  SCRY_TRY_ASSIGN(
      const std::optional<std::string> array,
      connection_.QueryValue(fmt::format("SELECT parameter_types::pg_catalog.oid[] FROM "
                                         "pg_catalog.pg_prepared_statements WHERE name = '{}'",
                                         kName)));
  return OidsOf(array.value_or(""));
}

}  // namespace scry::job
