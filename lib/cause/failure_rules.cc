#include "cause/failure_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace scry::cause {
namespace {

constexpr size_t kMessageColumns = 200;

bool Names(std::string_view sqlstates, std::string_view sqlstate) {
  while (!sqlstates.empty()) {
    const size_t blank = sqlstates.find(' ');
    const std::string_view one = sqlstates.substr(0, blank);
    if (one == sqlstate || (one.size() == 2 && sqlstate.starts_with(one))) return true;
    if (blank == std::string_view::npos) break;
    sqlstates.remove_prefix(blank + 1);
  }
  return false;
}

}  // namespace

const std::vector<FailureRule>& FailureRules() {
  static const std::vector<FailureRule> kRules = {
      {"23502", "contains null values", "rows have no value",
       "rows that are there have NULL in that column: give it a DEFAULT, or add it as nullable, "
       "fill it in batches, and SET NOT NULL at the end"},
      {"23502", "", "a value is missing",
       "a row that it writes has NULL in a column that may not have it: write a value, or give the "
       "column a DEFAULT"},
      {"23505", "could not create unique index", "rows are not unique",
       "rows that are there have the same key: find them with GROUP BY and HAVING count(*) > 1, "
       "and merge or renumber them in a migration before this one"},
      {"23505", "", "the key is taken",
       "a row that it writes has the key of another one: see whether this migration ran before, "
       "whether a sequence is behind its table, or use ON CONFLICT"},
      {"23503", "update or delete on table", "rows are referred to",
       "other rows refer to those that it deletes or changes: delete those first, or let them "
       "refer "
       "to others"},
      {"23503", "", "rows refer to nothing",
       "rows that are there refer to rows that are not: add the foreign key NOT VALID (on a "
       "partitioned table PostgreSQL 18 and later can), delete or mend them, then VALIDATE "
       "CONSTRAINT",
       true},
      {"23503", "", "rows refer to nothing",
       "rows would refer to rows that are not there: those have to be written first"},
      {"23514", "default partition", "rows in the default partition",
       "the default partition holds rows of the new one: move them out of it in the same "
       "transaction, before the partition is made"},
      {"23514", "no partition of relation", "no partition for a row",
       "no partition takes a row that it writes: make its partition first, or a default one"},
      {"23514", "partition constraint", "rows outside of the partition",
       "rows are outside of the partition's bounds: move or mend them first"},
      {"23514", "is violated by some row", "rows break the constraint",
       "rows that are there break it: add it NOT VALID, mend them, then VALIDATE CONSTRAINT"},
      {"23514", "contains values that violate the new constraint", "rows break the constraint",
       "rows that are there break it: add it NOT VALID, mend them, then VALIDATE CONSTRAINT"},
      {"23514", "", "a row breaks the constraint",
       "a row that it writes breaks the constraint: mend what it writes, or change the constraint "
       "first"},
      {"23P01", "could not create exclusion constraint", "rows exclude one another",
       "rows that are there conflict with one another: resolve them in a migration before this "
       "one"},
      {"23P01", "", "rows exclude one another",
       "a row that it writes conflicts with another one: resolve that first"},
      {"22012", "", "division by zero",
       "an expression divides by a value that is 0: NULLIF(value, 0) makes the result NULL"},
      {"22023", "", "a parameter is not valid",
       "the server does not take this value of the parameter: see what its documentation allows"},
      {"22001 22003", "", "values do not fit",
       "values that are there are too large for the new type: look for the longest one first, and "
       "shorten them or choose a wider type",
       true},
      {"22001 22003", "", "values do not fit",
       "a value is too large for its type: shorten it, or widen the type first"},
      {"22", "", "values cannot be converted",
       "a value that is there cannot be turned into the new type: mend such values first, or say "
       "how with USING",
       true},
      {"22", "", "a value is not valid", "a value is not what its type or function takes: mend it"},
      {"42804", "cannot be cast automatically", "no automatic cast",
       "say how old values become new ones: ALTER COLUMN ... TYPE ... USING column::type"},
      {"0A000", "used by a view", "a view uses the column",
       "drop the view, change the column, and create the view again with its grants, all in one "
       "transaction"},
      {"0A000 58P01", "extension", "extension not installed",
       "the extension's files are not installed on this machine: install its package here (and "
       "see that production has it); that says nothing of the migration itself"},
      {"2BP01", "", "other objects depend on it",
       "other objects depend on it: drop or change them first; CASCADE would take them along"},
      {"42501", "", "no right to do it",
       "the role that runs the migration may not do this, as in production: use the owner, or "
       "GRANT "
       "it what it needs"},
      {"42P07 42710 42701 42P06 42723", "", "it is there already",
       "the object is there already: the shadow may be ahead of the migration, or it ran before; "
       "check the tool's own table of migrations, or use IF NOT EXISTS"},
      {"42P01 42703 42704 42883 3F000", "", "it is not there",
       "what it names is not there: an earlier migration may be missing in the shadow, or it is "
       "found by another search_path"},
      {"25001", "", "not in a transaction",
       "it cannot run inside a transaction: tell the tool to run this migration without one "
       "(Rails: "
       "disable_ddl_transaction!, Django: atomic = False, Alembic: autocommit_block)"},
      {"55P04", "", "new enum label used at once",
       "a new enum label can be used only once it is committed: put ALTER TYPE ... ADD VALUE into "
       "a "
       "migration of its own"},
      {"55P03", "lock timeout", "lock not available",
       "lock_timeout ended its wait for a lock: run it again when the transactions that hold it "
       "have ended"},
      {"55P03", "", "lock not available",
       "it did not get its lock in time: run it again when the transactions that hold it have "
       "ended"},
      {"40P01", "", "deadlock", "take locks in the order in which the application takes them"},
      {"57014", "statement timeout", "timeout",
       "statement_timeout ended it: it takes longer than the role or the tool allows; raise it for "
       "this migration, or split the work into batches"},
      {"57014", "user request", "cancelled",
       "somebody cancelled it: the tool's own time limit, or a person"},
      {"53", "", "out of resources",
       "the machine that runs the shadow ran out of disk, memory or connections: give it more; "
       "that "
       "says nothing of the migration itself"},
      {"42601", "", "syntax error",
       "the server cannot read it at the place that it names: look for a typing error, and where "
       "production can read it compare the two versions"},
  };
  return kRules;
}

Cause WhyFailed(const Failure& failure) {
  Cause cause;
  cause.object = base::Printable(base::OneLine(failure.object), kMessageColumns);
  cause.mechanism = "migration failed";
  cause.sentence =
      fmt::format("{} ({})", base::Printable(base::OneLine(failure.message), kMessageColumns),
                  failure.sqlstate);
  const bool schema = failure.kind == event::StatementKind::kDdl;
  const auto& rules = FailureRules();
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const FailureRule& one) {
    return Names(one.sqlstates, failure.sqlstate) && (!one.of_schema || schema) &&
           failure.message.find(one.words) != std::string::npos;
  });
  if (rule == rules.end()) return cause;
  cause.mechanism = rule->mechanism;
  cause.sentence += fmt::format(": {}", rule->hint);
  return cause;
}

}  // namespace scry::cause
