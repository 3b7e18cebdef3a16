#include "migration/script.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/letter_case.h"
#include "event/parse_tree.h"
#include "event/plain_sql.h"
#include "migration/profile.h"

namespace scry::migration {
namespace {

using event::StatementKind;

constexpr size_t kScriptStatementsMax = 2000;
constexpr size_t kScriptBytesMax = 1024 * 1024;
// A read that takes longer keeps the locks of its transaction for longer, too.
constexpr Micros kShortReadUs = 50 * 1000;

// COMMIT AND CHAIN begins another transaction, PREPARE TRANSACTION leaves one behind.
bool IsPlainEnd(const std::string& sql) {
  const std::string upper = base::UpperAscii(sql);
  std::string_view rest = upper;
  constexpr std::array<std::string_view, 4> kVerbs = {"COMMIT", "ROLLBACK", "ABORT", "END"};
  const auto verb =
      std::find_if(kVerbs.begin(), kVerbs.end(), [&](auto one) { return rest.starts_with(one); });
  if (verb == kVerbs.end()) return false;
  rest.remove_prefix(verb->size());
  return rest.empty() || rest == " WORK" || rest == " TRANSACTION";
}

// What SAVEPOINT and its like do, and to which. Empty: it is no such statement.
struct SavepointAct {
  std::string kind;
  std::string name;
};

SavepointAct SavepointActOf(const std::string& sql) {
  const auto parsed = event::tree::Parse(sql);
  if (!parsed) return {};
  const auto& statements = event::tree::List(*parsed, "stmts");
  const auto* statement = statements.empty() ? nullptr : event::tree::Find(statements[0], "stmt");
  const auto* act =
      statement == nullptr ? nullptr : event::tree::Find(*statement, "TransactionStmt");
  if (act == nullptr) return {};
  return {event::tree::Text(*act, "kind"), event::tree::Text(*act, "savepoint_name")};
}

bool IsOfCatalogue(const std::string& relation) {
  if (relation.starts_with("pg_catalog.") || relation.starts_with("information_schema.")) {
    return true;
  }
  return relation.starts_with("pg_") && relation.find('.') == std::string::npos;
}

// Functions that leave nothing behind in the database, as far as tools call them of themselves.
bool LeavesNothing(const std::string& function) {
  static const std::set<std::string, std::less<>> kFunctions = {"array_agg",
                                                                "array_length",
                                                                "array_position",
                                                                "array_to_json",
                                                                "array_to_string",
                                                                "array_upper",
                                                                "bool_or",
                                                                "btrim",
                                                                "coalesce",
                                                                "col_description",
                                                                "concat",
                                                                "count",
                                                                "current_database",
                                                                "current_schema",
                                                                "current_schemas",
                                                                "current_setting",
                                                                "exists",
                                                                "format",
                                                                "format_type",
                                                                "generate_series",
                                                                "generate_subscripts",
                                                                "json_agg",
                                                                "json_build_object",
                                                                "length",
                                                                "lower",
                                                                "max",
                                                                "min",
                                                                "now",
                                                                "obj_description",
                                                                "pg_backend_pid",
                                                                "pg_encoding_to_char",
                                                                "pg_is_in_recovery",
                                                                "pg_my_temp_schema",
                                                                "quote_ident",
                                                                "quote_literal",
                                                                "regexp_replace",
                                                                "replace",
                                                                "row_number",
                                                                "row_to_json",
                                                                "shobj_description",
                                                                "string_agg",
                                                                "substring",
                                                                "to_regclass",
                                                                "to_regtype",
                                                                "translate",
                                                                "unnest",
                                                                "upper",
                                                                "version"};
  constexpr std::array<std::string_view, 5> kBeginnings = {"pg_get_", "pg_advisory_",
                                                           "pg_try_advisory_", "_pg_", "pg_index_"};
  if (kFunctions.contains(function)) return true;
  if (function.starts_with("pg_") && function.ends_with("_is_visible")) return true;
  if (function.starts_with("has_") && function.ends_with("_privilege")) return true;
  return std::any_of(kBeginnings.begin(), kBeginnings.end(),
                     [&](auto beginning) { return function.starts_with(beginning); });
}

// One that is called by its schema may have the name of a harmless one. Parse() limits the depth.
bool CallsBySchema(const nlohmann::json& node) {
  if (const auto* call = event::tree::Find(node, "FuncCall")) {
    const auto& names = event::tree::List(*call, "funcname");
    const std::string schema = names.size() > 1 ? event::tree::StringOf(names[0]) : std::string();
    if (!schema.empty() && schema != "pg_catalog" && schema != "information_schema") return true;
  }
  return node.is_structured() &&
         std::any_of(node.begin(), node.end(), [](const auto& one) { return CallsBySchema(one); });
}

bool OnlyReads(const event::StatementFacts& facts, const std::string& sql, Micros took_us) {
  if (facts.kind != StatementKind::kSelect || facts.writes || !facts.makes.empty() ||
      facts.cursor.act != event::CursorAct::kNone) {
    return false;
  }
  if (!std::all_of(facts.functions.begin(), facts.functions.end(), LeavesNothing)) return false;
  if (!facts.functions.empty()) {
    const auto tree = event::tree::Parse(sql);
    if (!tree || CallsBySchema(*tree)) return false;
  }
  return took_us < kShortReadUs ||
         std::all_of(facts.relations.begin(), facts.relations.end(), IsOfCatalogue);
}

bool IsLocalSetting(const std::string& sql) { return base::StartsWithInAnyCase(sql, "set local "); }

// It holds for what comes after it in the session.
bool SetsSession(const RecordedStatement& one) {
  if (one.kind == StatementKind::kSession) return !IsLocalSetting(one.sql);
  return one.kind == StatementKind::kSelect && base::ContainsInAnyCase(one.sql, "set_config(");
}

// A transaction, or a statement outside of them.
struct Unit {
  uint32_t pid = 0;
  std::vector<RecordedStatement> statements;
  Micros begin_us = 0;  // Of the first of them that is kept; BEGIN does nothing yet.
  Micros end_us = 0;
  std::string why_none;  // What of it cannot be sent again. Empty: nothing.
};

// Follows the transactions of one session.
class Session {
 public:
  explicit Session(uint32_t pid) : pid_(pid) {}

  // The statements of one exchange.
  void Take(const SeenStatement* from, const SeenStatement* to) {
    const bool implicit = !open_ && !Begins(*from);
    if (implicit) Begin();
    for (const SeenStatement* one = from; one != to; ++one) {
      TakeStatement(*one, one == from, one + 1 == to, implicit);
    }
    if (implicit && open_) End((to - 1)->end_us, /*marked=*/false);
    if (open_ != (to - 1)->open_after) Leave("where its transactions end is not known");
    open_ = (to - 1)->open_after;
  }

  // A transaction that is still open ends with its session, and leaves nothing.
  std::vector<Unit> TakeUnits() { return std::move(units_); }

 private:
  struct Savepoint {
    std::string name;
    size_t statements = 0;  // Of the unit, before it.
    std::string why_none;
  };

  bool Begins(const SeenStatement& seen) {
    return facts_.Get(seen.statement.text, seen.statement.ordinal).kind == StatementKind::kBegin;
  }

  void Begin() {
    unit_ = {};
    unit_.pid = pid_;
    begin_ = {};
    savepoints_.clear();
    open_ = true;
    failed_ = false;
  }

  void End(Micros end_us, bool marked) {
    open_ = false;
    if (failed_ || (unit_.statements.empty() && unit_.why_none.empty())) return;
    unit_.end_us = end_us;
    auto& statements = unit_.statements;
    if (marked || statements.size() > 1) {
      if (begin_.sql.empty()) begin_ = {"BEGIN", 0, StatementKind::kBegin};
      statements.insert(statements.begin(), begin_);
      if (!marked) statements.push_back({"COMMIT", 0, StatementKind::kCommit});
    }
    units_.push_back(std::move(unit_));
  }

  void TakeStatement(const SeenStatement& seen, bool first, bool last, bool implicit) {
    const event::Outcome& outcome = seen.statement.outcome;
    if (outcome.status == event::OutcomeStatus::kEmpty) return;
    const event::StatementFacts& facts = facts_.Get(seen.statement.text, seen.statement.ordinal);
    const std::string sql = SqlOf(seen);
    const bool lost = outcome.status == event::OutcomeStatus::kLost;
    if (lost && (implicit || facts.kind == StatementKind::kCommit)) {
      return Leave("its connection was lost");
    }
    const bool done = outcome.status == event::OutcomeStatus::kDone ||
                      outcome.status == event::OutcomeStatus::kSuspended;
    switch (facts.kind) {
      case StatementKind::kBegin:
        if (!first || open_) return Doubt("a transaction of it begins inside of another statement");
        Begin();
        begin_ = {sql, facts.fingerprint, facts.kind};
        return;
      case StatementKind::kCommit:
      case StatementKind::kRollback:
        if (!IsPlainEnd(sql) || !last) {
          return Doubt("it ends a transaction in a way that is not followed");
        }
        EndBy(seen, {sql, facts.fingerprint, facts.kind}, done, implicit);
        return;
      case StatementKind::kSavepoint:
        if (done) TakeSavepoint(SavepointActOf(sql));
        return;
      default:
        break;
    }
    if (!done || !outcome.sqlstate.empty()) {
      failed_ = true;
      // What runs in parts of its own leaves behind what it did.
      if (implicit && MayLeave(facts, sql)) Leave("a statement of it failed halfway");
      return;
    }
    if (!OnlyReads(facts, sql, seen.end_us - seen.begin_us)) Keep(seen, sql, facts);
  }

  static bool MayLeave(const event::StatementFacts& facts, const std::string& sql) {
    return facts.kind == StatementKind::kOther || base::ContainsInAnyCase(sql, "concurrently");
  }

  void EndBy(const SeenStatement& seen, RecordedStatement end, bool done, bool implicit) {
    if (!open_) return;  // It had no effect.
    failed_ = failed_ || !done || !seen.statement.outcome.sqlstate.empty() ||
              end.kind == StatementKind::kRollback || seen.statement.outcome.tag == "ROLLBACK";
    if (!implicit && !unit_.statements.empty()) unit_.statements.push_back(std::move(end));
    End(seen.end_us, /*marked=*/!implicit);
  }

  void TakeSavepoint(const SavepointAct& act) {
    if (act.kind == "TRANS_STMT_SAVEPOINT") {
      savepoints_.push_back({act.name, unit_.statements.size(), unit_.why_none});
      return;
    }
    const auto found = std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                                    [&](const Savepoint& one) { return one.name == act.name; });
    if (found == savepoints_.rend()) return Doubt("a savepoint of it is not known");
    const auto place = found.base() - 1;
    if (act.kind == "TRANS_STMT_RELEASE") {
      savepoints_.erase(place, savepoints_.end());
      return;
    }
    unit_.statements.resize(place->statements);
    unit_.why_none = place->why_none;
    failed_ = false;
    savepoints_.erase(place + 1, savepoints_.end());
  }

  // Unless it is rolled back.
  void Doubt(const char* why) {
    if (unit_.why_none.empty()) unit_.why_none = why;
  }

  // Whatever becomes of the transaction.
  void Leave(const char* why) {
    Unit& left = units_.emplace_back();
    left.pid = pid_;
    left.why_none = why;
  }

  void Keep(const SeenStatement& seen, const std::string& sql, const event::StatementFacts& facts) {
    if (sql.empty()) return Doubt("a statement of it cannot be read");
    if (facts.kind == StatementKind::kCopyIn) return Doubt("it brings data with COPY");
    RecordedStatement kept{sql, facts.fingerprint, facts.kind};
    if (plain_[seen.statement.ordinal].parameters) {
      const auto text = seen.values ? event::WithLiterals(sql, *seen.values) : std::nullopt;
      if (!text) return Doubt("it has parameters whose values are not known as SQL");
      kept.sql = *text;
    }
    if (unit_.statements.empty()) unit_.begin_us = seen.begin_us;
    unit_.statements.push_back(std::move(kept));
  }

  // Empty: it is not known.
  std::string SqlOf(const SeenStatement& seen) {
    const std::string& text = seen.statement.text;
    if (text != text_) {
      text_ = text;
      plain_ = event::PlainStatementsOf(text);
    }
    const uint32_t ordinal = seen.statement.ordinal;
    return ordinal < plain_.size() ? plain_[ordinal].sql : std::string();
  }

  const uint32_t pid_;
  event::FactsCache facts_;
  std::string text_;  // Whose statements are in `plain_`.
  std::vector<event::PlainStatement> plain_;
  std::vector<Unit> units_;
  bool open_ = false;    // A transaction: the rest is of it.
  bool failed_ = false;  // Nothing of it is left.
  Unit unit_;
  RecordedStatement begin_;  // Empty: none was sent.
  std::vector<Savepoint> savepoints_;
};

std::vector<Unit> UnitsOf(const std::vector<SeenStatement>& seen) {
  std::map<uint32_t, Session> sessions;
  for (size_t i = 0; i < seen.size();) {
    size_t end = i + 1;
    while (end < seen.size() && seen[end].exchange == seen[i].exchange) ++end;
    sessions.try_emplace(seen[i].pid, seen[i].pid).first->second.Take(&seen[i], &seen[0] + end);
    i = end;
  }
  std::vector<Unit> units;
  for (auto& [pid, session] : sessions) {
    for (Unit& unit : session.TakeUnits()) units.push_back(std::move(unit));
  }
  return units;
}

// By session: its settings, in order.
std::map<uint32_t, std::vector<std::string>> SettingsOf(const std::vector<Unit>& units) {
  std::map<uint32_t, std::vector<std::string>> settings;
  for (const Unit& unit : units) {
    auto& own = settings[unit.pid];
    for (const RecordedStatement& one : unit.statements) {
      if (SetsSession(one)) own.push_back(one.sql);
    }
  }
  return settings;
}

bool DoesMoreThanSet(const Unit& unit) {
  return !unit.why_none.empty() ||
         std::any_of(unit.statements.begin(), unit.statements.end(), [](const auto& one) {
           return one.kind != StatementKind::kBegin && one.kind != StatementKind::kCommit &&
                  one.kind != StatementKind::kSession && !SetsSession(one);
         });
}

// Several sessions that wrote one after the other are like one, if they had the same settings.
// Empty: they were.
std::string WhyNotOne(const std::vector<Unit>& units) {
  const auto settings = SettingsOf(units);
  for (const auto& [pid, own] : settings) {
    if (own != settings.begin()->second) return "its sessions have settings of their own";
  }
  for (size_t i = 1; i < units.size(); ++i) {
    if (units[i].pid != units[i - 1].pid && units[i].begin_us < units[i - 1].end_us) {
      return "several of its sessions write at a time";
    }
  }
  return {};
}

// Sessions that did nothing but begin do not count.
void DropIdleSessions(std::vector<Unit>& units) {
  std::set<uint32_t> working;
  for (const Unit& unit : units) {
    if (DoesMoreThanSet(unit)) working.insert(unit.pid);
  }
  std::erase_if(units, [&](const Unit& unit) { return !working.contains(unit.pid); });
}

}  // namespace

RecordedScript ScriptOf(const Seen& seen) {
  if (seen.statements_more > 0) return {{}, "it has more statements than are kept"};
  std::vector<Unit> units = UnitsOf(seen.statements);
  DropIdleSessions(units);
  if (units.empty()) return {{}, "it left nothing behind"};
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.begin_us < b.begin_us; });
  RecordedScript script;
  size_t bytes = 0;
  for (Unit& unit : units) {
    if (!unit.why_none.empty()) return {{}, unit.why_none};
    for (const RecordedStatement& one : unit.statements) bytes += one.sql.size();
  }
  if (std::string why = WhyNotOne(units); !why.empty()) return {{}, std::move(why)};
  for (Unit& unit : units) {
    for (RecordedStatement& one : unit.statements) script.statements.push_back(std::move(one));
  }
  if (script.statements.size() > kScriptStatementsMax || bytes > kScriptBytesMax) {
    return {{}, "it is too long"};
  }
  return script;
}

}  // namespace scry::migration
