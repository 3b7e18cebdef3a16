#include "cause/safe_rewrite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/letter_case.h"
#include "cause/alter_steps.h"
#include "cause/evidence.h"
#include "event/parse_tree.h"

namespace scry::cause {
namespace {

using nlohmann::json;
namespace tree = event::tree;

constexpr size_t kNameMax = 63;  // Longer names are cut by the server.

using Statements = std::vector<std::string>;

class AlterParts;

// Kinds of catalogue objects that share one space of names.
constexpr std::array<const char*, 3> kNamed = {"index", "relation", "constraint"};

class Rewriter {
 public:
  Rewriter(const Catalog& before, const Catalog& after) : before_(before), after_(after) {}

  Statements Run(const std::string& sql) const {
    const auto statement = OnlyStatement(sql);
    if (!statement) return {};
    const auto& [type, node] = *statement;
    if (type == "IndexStmt") return BuildIndex(sql, node);
    if (type == "DropStmt") return DropIndexes(node);
    if (type == "ReindexStmt") return Reindex(sql, node);
    if (type == "RefreshMatViewStmt") return Refresh(sql, node);
    if (type == "AlterTableStmt") return Alter(sql);
    return {};
  }

 private:
  // Of all relations that the name may mean: none is partitioned, or of another kind.
  bool IsPlain(const TableRef& table, std::string_view kinds) const {
    const std::string name = table.schema.empty() ? table.name : table.schema + "." + table.name;
    size_t known = 0;
    for (const Catalog* catalog : {&before_, &after_}) {
      for (const CatalogObject* relation : catalog->Named("relation", name)) {
        ++known;
        if (kinds.find(relation->Fact("kind")) == std::string_view::npos) return false;
      }
    }
    return known > 0;
  }

  Statements BuildIndex(const std::string& sql, const json& node) const {
    const json* range = tree::Find(node, "relation");
    const auto table = range == nullptr ? std::nullopt : TableOf(*range);
    if (!table || !IsPlain(*table, "rm")) return {};
    return Concurrently(sql, {"CREATE INDEX", "CREATE UNIQUE INDEX"});
  }

  Statements Reindex(const std::string& sql, const json& node) const {
    const json* range = tree::Find(node, "relation");
    const auto target = range == nullptr ? std::nullopt : TableOf(*range);
    if (!target || !tree::List(node, "params").empty()) return {};
    const bool index = tree::Text(node, "kind") == "REINDEX_OBJECT_INDEX";
    if (!(index ? IsIndexOfPlain(*target) : IsPlain(*target, "rm"))) return {};
    return Concurrently(sql, {"REINDEX TABLE", "REINDEX INDEX"});
  }

  // The server wants an index that tells its rows apart.
  Statements Refresh(const std::string& sql, const json& node) const {
    const json* range = tree::Find(node, "relation");
    const auto view = range == nullptr ? std::nullopt : TableOf(*range);
    if (!view || tree::Find(node, "skipData") != nullptr || !IsPlain(*view, "m")) return {};
    const std::string name = view->schema.empty() ? view->name : view->schema + "." + view->name;
    for (const CatalogObject* relation : after_.Named("relation", name)) {
      const auto indexes = after_.Of("index", relation->name);
      const bool unique = std::any_of(indexes.begin(), indexes.end(), [](const auto* index) {
        return index->Fact("unique") == "yes" && index->Fact("predicate").empty();
      });
      if (!unique) return {};
    }
    return Concurrently(sql, {"REFRESH MATERIALIZED VIEW"});
  }

  bool IsIndexOfPlain(const TableRef& index) const {
    const auto found = before_.Named("index", index.name);
    return !found.empty() && std::all_of(found.begin(), found.end(), [&](const auto* one) {
      const CatalogObject* table = before_.Find("relation", one->table);
      return table != nullptr && (table->Fact("kind") == "r" || table->Fact("kind") == "m");
    });
  }

  // CONCURRENTLY takes one name, and no CASCADE.
  Statements DropIndexes(const json& node) const {
    const bool plain = tree::Text(node, "removeType") == "OBJECT_INDEX" &&
                       tree::Find(node, "concurrent") == nullptr &&
                       tree::Text(node, "behavior") != "DROP_CASCADE";
    if (!plain) return {};
    Statements statements;
    for (const json& object : tree::List(node, "objects")) {
      const json* list = tree::Find(object, "List");
      const json& names = list == nullptr ? json::array() : tree::List(*list, "items");
      if (names.empty() || names.size() > 2) return {};
      TableRef index;
      index.name = tree::StringOf(names.back());
      if (names.size() == 2) index.schema = tree::StringOf(names.front());
      if (!IsIndexOfPlain(index)) return {};
      statements.push_back(
          fmt::format("DROP INDEX CONCURRENTLY {}{}",
                      tree::Find(node, "missing_ok") != nullptr ? "IF EXISTS " : "", index.Sql()));
    }
    return statements;
  }

  // The word behind the first words of the statement, where that changes nothing else.
  static Statements Concurrently(const std::string& sql,
                                 std::initializer_list<std::string_view> beginnings) {
    for (const std::string_view words : beginnings) {
      if (!base::UpperAscii(sql.substr(0, words.size() + 1))
               .starts_with(std::string(words) + " ")) {
        continue;
      }
      std::string changed = sql;
      changed.insert(words.size(), " CONCURRENTLY");
      if (Without(sql) && Without(sql) == Without(changed)) return {changed};
    }
    return {};
  }

  // What a statement says beside that word. nullopt: it does not parse, or has the word already.
  static std::optional<json> Without(const std::string& sql) {
    auto statement = OnlyStatement(sql);
    if (!statement) return std::nullopt;
    json& node = statement->second;
    node.erase("concurrent");
    if (statement->first == "ReindexStmt") node.erase("params");
    return tree::WithoutPlaces(node);
  }

  // False where that is not known.
  bool IsNotNull(const TableRef& table, const std::string& column) const {
    const std::string name = table.schema.empty() ? table.name : table.schema + "." + table.name;
    const auto relations = before_.Named("relation", name);
    return !relations.empty() &&
           std::all_of(relations.begin(), relations.end(), [&](const CatalogObject* relation) {
             const auto columns = before_.Of("column", relation->name);
             return std::any_of(columns.begin(), columns.end(), [&](const CatalogObject* one) {
               return one->Fact("name") == column && one->Fact("not_null") == "yes";
             });
           });
  }

  // "name_new", or with a number behind it. Empty: each of them is too long, or taken.
  std::string FreshName(const std::string& name) const {
    for (int i = 1; i < 10; ++i) {
      std::string fresh = name + "_new" + (i == 1 ? std::string() : std::to_string(i));
      if (fresh.size() > kNameMax) break;
      const bool taken = std::any_of(kNamed.begin(), kNamed.end(), [&](const char* kind) {
        return !before_.Named(kind, fresh).empty() || !after_.Named(kind, fresh).empty();
      });
      if (!taken) return fresh;
    }
    return {};
  }

  Statements Alter(const std::string& sql) const;
  bool AddIndexed(const AlterStep& step, AlterParts& parts) const;

  const Catalog& before_;
  const Catalog& after_;
};

std::string Names(const std::vector<std::string>& names) {
  std::vector<std::string> written;
  for (const std::string& name : names) written.push_back(Identifier(name));
  return Joined(written);
}

// The parts of an ALTER TABLE, by what has to be done before the next one.
class AlterParts {
 public:
  explicit AlterParts(const AlteredTable& altered) : altered_(altered) {}

  void Keep(const AlterStep& step) { first_.push_back(step.sql); }

  void Check(const AlterStep& step) { CheckLater(step.sql, step.name); }

  // What is proven already the server does not look for. False: there is no name for the proof.
  bool SetNotNull(const std::string& column, const std::string& sql) {
    const std::string name = column + "_not_null_check";
    if (name.size() > kNameMax) return false;
    CheckLater(fmt::format("ADD CONSTRAINT {} CHECK ({} IS NOT NULL)", Identifier(name),
                           Identifier(column)),
               name);
    proven_.push_back(sql);
    proofs_.push_back("DROP CONSTRAINT " + Identifier(name));
    return true;
  }

  void Drop(const AlterStep& step) { drops_.push_back(step); }

  bool Drops(const std::string& constraint) const {
    return std::any_of(drops_.begin(), drops_.end(),
                       [&](const AlterStep& step) { return step.name == constraint; });
  }

  // `index_name`: until the constraint takes it over, and gives it its own.
  void AddIndexed(const AlterStep& step, const std::string& index_name) {
    std::string index = fmt::format("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} ({})",
                                    Identifier(index_name), altered_.table.Sql(), Names(step.keys));
    if (!step.included.empty()) index += fmt::format(" INCLUDE ({})", Names(step.included));
    if (step.nulls_not_distinct) index += " NULLS NOT DISTINCT";
    indexes_.push_back(index);
    const bool primary = step.kind == AlterStepKind::kAddPrimaryKey;
    const std::string name = Identifier(step.name);
    std::string add = fmt::format("ADD CONSTRAINT {} {} USING INDEX {}", name,
                                  primary ? "PRIMARY KEY" : "UNIQUE", Identifier(index_name));
    if (!step.timing.empty()) add += " " + step.timing;
    indexed_.push_back(add);
  }

  Statements Sql() const {
    if (checks_.empty() && indexes_.empty()) return {};
    if (clashes_ && !indexes_.empty()) return {};
    // A key that is replaced is there until the new one can take its place.
    std::vector<std::string> first;
    std::vector<std::string> last;
    for (const AlterStep& step : drops_) (indexes_.empty() ? first : last).push_back(step.sql);
    for (const std::string& step : first_)
      (last.empty() || !NeedsDrops(step) ? first : last).push_back(step);
    last.insert(last.end(), indexed_.begin(), indexed_.end());
    Statements sql;
    Add(first, sql);
    for (const std::string& check : checks_) Add({check}, sql);
    Add(proven_, sql);
    Add(proofs_, sql);
    sql.insert(sql.end(), indexes_.begin(), indexes_.end());
    Add(last, sql);
    return sql;
  }

 private:
  // A column of a key can be dropped, or be null, once that is gone.
  static bool NeedsDrops(const std::string& step) {
    const std::string upper = base::UpperAscii(step);
    return upper.starts_with("DROP ") || upper.ends_with(" DROP NOT NULL");
  }
  void CheckLater(const std::string& sql, const std::string& name) {
    clashes_ = clashes_ || Drops(name);
    first_.push_back(sql + " NOT VALID");
    checks_.push_back("VALIDATE CONSTRAINT " + Identifier(name));
  }
  void Add(const std::vector<std::string>& steps, Statements& sql) const {
    if (!steps.empty()) sql.push_back(altered_.prefix + " " + Joined(steps));
  }

  const AlteredTable& altered_;
  std::vector<AlterStep> drops_;
  bool clashes_ = false;  // A check has the name of a constraint that is dropped.
  std::vector<std::string> first_;
  std::vector<std::string> checks_;
  std::vector<std::string> proven_;
  std::vector<std::string> proofs_;  // Taken away again: a statement that drops one does it first.
  std::vector<std::string> indexes_;
  std::vector<std::string> indexed_;
};

// False: there is no name for the index.
bool Rewriter::AddIndexed(const AlterStep& step, AlterParts& parts) const {
  const std::string index = parts.Drops(step.name) ? FreshName(step.name) : step.name;
  if (index.empty()) return false;
  parts.AddIndexed(step, index);
  return true;
}

Statements Rewriter::Alter(const std::string& sql) const {
  const auto altered = TakeApart(sql);
  if (!altered || !IsPlain(altered->table, "r")) return {};
  AlterParts parts(*altered);
  for (const AlterStep& step : altered->steps) {
    if (step.kind == AlterStepKind::kDropConstraint) parts.Drop(step);
  }
  for (const AlterStep& step : altered->steps) {
    if (step.references && !IsPlain(*step.references, "r")) return {};
    switch (step.kind) {
      case AlterStepKind::kInstant:
        parts.Keep(step);
        break;
      case AlterStepKind::kDropConstraint:
        break;
      case AlterStepKind::kChecks:
        parts.Check(step);
        break;
      case AlterStepKind::kSetNotNull:
        if (IsNotNull(altered->table, step.name)) {
          parts.Keep(step);
        } else if (!parts.SetNotNull(step.name, step.sql)) {
          return {};
        }
        break;
      case AlterStepKind::kAddPrimaryKey:
        for (const std::string& key : step.keys) {
          if (IsNotNull(altered->table, key)) continue;
          const std::string set = fmt::format("ALTER COLUMN {} SET NOT NULL", Identifier(key));
          if (!parts.SetNotNull(key, set)) return {};
        }
        [[fallthrough]];
      case AlterStepKind::kAddUnique:
        if (altered->missing_ok || !AddIndexed(step, parts)) return {};
        break;
      case AlterStepKind::kOther:
        return {};
    }
  }
  return parts.Sql();
}

}  // namespace

std::vector<std::string> SafeRewrite(const std::string& sql, const Catalog& before,
                                     const Catalog& after) {
  return Rewriter(before, after).Run(sql);
}

}  // namespace scry::cause
