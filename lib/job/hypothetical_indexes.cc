#include "job/hypothetical_indexes.h"

#include <algorithm>
#include <utility>

#include "base/result.h"
#include "explain/plan.h"
#include "job/lane_runner.h"
#include "job/sample_statement.h"
#include "pg/connection.h"

namespace scry::job {
namespace {

using base::Result;
using base::Status;

constexpr const char* kAvailableSql =
    "SELECT 1 FROM pg_catalog.pg_available_extensions WHERE name = 'hypopg'";
// Where users have it themselves, theirs is used.
constexpr const char* kSchemaSql =
    "SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_extension e JOIN "
    "pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hypopg'";

class Hypothesis {
 public:
  static Result<Hypothesis> Open(const pg::ConnInfo& candidate,
                                 const std::vector<replay::Sample>& pattern) {
    SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(candidate));
    Hypothesis hypothesis(std::move(connection), pattern);
    SCRY_TRY(hypothesis.Begin());
    return hypothesis;
  }

  // Which of the indexes the plan uses where all of them are there.
  Result<std::set<std::string>> Used(const std::vector<const cause::Remedy*>& remedies) {
    SCRY_TRY(Exec("SAVEPOINT scry"));
    Result<std::set<std::string>> used = Ask(remedies);
    // Takes back the settings; hypothetical indexes and prepared statements know no transaction.
    SCRY_TRY(Exec("ROLLBACK TO SAVEPOINT scry"));
    SCRY_TRY(Exec("DEALLOCATE ALL; SELECT " + schema_ + ".hypopg_reset()"));
    return used;
  }

 private:
  Hypothesis(pg::Connection connection, const std::vector<replay::Sample>& pattern)
      : connection_(std::move(connection)), pattern_(&pattern) {}

  const replay::Sample& sample() const { return pattern_->front(); }
  Status Exec(const std::string& sql) {
    const auto done = connection_.QueryValue(sql);
    return done.ok() ? Status() : Status(done.error());
  }

  Status Begin() {
    SCRY_TRY_ASSIGN(const auto available, connection_.QueryValue(kAvailableSql));
    if (!available) return base::Fail(base::ErrorCode::kUnsupported, "the server has no HypoPG");
    SCRY_TRY(Exec(
        "BEGIN READ WRITE; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '2s'; "
        "SET LOCAL search_path = public"));
    SCRY_TRY_ASSIGN(const auto schema, connection_.QueryValue(kSchemaSql));
    schema_ = schema.value_or("scry_hypopg");
    if (schema) return {};
    return Exec("CREATE SCHEMA scry_hypopg; CREATE EXTENSION hypopg SCHEMA scry_hypopg");
  }

  Result<std::set<std::string>> Ask(const std::vector<const cause::Remedy*>& remedies) {
    std::vector<std::pair<std::string, std::string>> made;  // As plans name it, and as we do.
    for (const cause::Remedy* remedy : remedies) {
      SCRY_TRY_ASSIGN(const std::string literal,
                      connection_.QuoteLiteral(remedy->steps.front().apply));
      SCRY_TRY_ASSIGN(const auto name,
                      connection_.QueryValue("SELECT indexname FROM " + schema_ +
                                             ".hypopg_create_index(" + literal + ")"));
      made.emplace_back(name.value_or(""), remedy->made);
    }
    SCRY_TRY(BecomeSession());
    SampleStatement statement(connection_, sample());
    SCRY_TRY(statement.Prepare(*pattern_));
    SCRY_TRY_ASSIGN(const auto text,
                    connection_.QueryBound("EXPLAIN (FORMAT JSON) " + statement.sql(), {}));
    SCRY_TRY_ASSIGN(const explain::Plan plan, explain::ParsePlan(text.value_or("")));
    std::set<std::string> used;
    for (const explain::PlanNode* node : explain::AllNodes(plan)) {
      for (const auto& [name, ours] : made) {
        if (!node->index.empty() && node->index == name) used.insert(ours);
      }
    }
    return used;
  }

  // Until the savepoint: row security and settings choose the plan as well.
  Status BecomeSession() {
    for (const auto& [name, value] : sample().session.parameters) {
      if (name != "user") continue;
      SCRY_TRY_ASSIGN(const std::string role, connection_.QuoteLiteral(value));
      SCRY_TRY(Exec("SELECT pg_catalog.set_config('role', " + role + ", true)"));
    }
    for (const replay::SettingStatement& setting : sample().settings) {
      const auto set = connection_.QueryBound(setting.text, ParametersOf(setting.messages).values);
      if (!set.ok()) return set.error();
    }
    return {};
  }

  pg::Connection connection_;  // Its end rolls back.
  const std::vector<replay::Sample>* pattern_;
  std::string schema_;  // Of the extension, quoted.
};

bool MayBeAsked(const cause::Remedy& remedy) {
  return remedy.kind == "index" && remedy.look_up.empty();
}

}  // namespace

std::optional<UnusedIndexes> FindUnusedIndexes(const pg::ConnInfo& candidate,
                                               const std::vector<replay::Sample>& pattern,
                                               const std::vector<cause::Remedy>& remedies) {
  UnusedIndexes unused;
  if (std::none_of(remedies.begin(), remedies.end(), MayBeAsked)) return unused;
  auto hypothesis = Hypothesis::Open(candidate, pattern);
  if (!hypothesis.ok()) return std::nullopt;
  std::vector<const cause::Remedy*> asked;
  for (const cause::Remedy& remedy : remedies) {
    if (!MayBeAsked(remedy)) continue;
    const auto used = hypothesis->Used({&remedy});
    if (!used.ok()) continue;  // Then trying tells.
    ++unused.asked;
    asked.push_back(&remedy);
    if (used->empty()) unused.made.insert(remedy.made);
  }
  if (unused.made.empty()) return unused;
  const auto together = hypothesis->Used(asked);
  if (!together.ok()) return std::nullopt;
  for (const std::string& made : *together) unused.made.erase(made);
  return unused;
}

}  // namespace scry::job
