// Catalogues, plans and evidence for the tests of cause, made of a few words.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cause/cause.h"
#include "support/catch.h"

namespace scry::cause {

using Facts = std::map<std::string, std::string>;

// "index orders_region on orders" or "relation orders": identity is the name, where none is given.
inline CatalogObject Thing(const std::string& kind, const std::string& name,
                           const std::string& table = {}, Facts facts = {}, Facts state = {},
                           const std::string& identity = {}) {
  CatalogObject object;
  object.kind = kind;
  object.name = kind == "column" || kind == "constraint" || kind == "policy" || kind == "trigger" ||
                        kind == "rule"
                    ? table + "." + name
                    : name;
  object.label = kind == "column" ? object.name : name;
  object.table = table;
  object.identity = identity.empty() ? object.name : identity;
  object.facts = std::move(facts);
  object.facts.try_emplace("name", name.substr(0, name.find('(')));
  if (kind == "relation") object.facts.try_emplace("kind", "r");
  if (kind == "index") object.facts.try_emplace("valid", "yes");
  if (kind == "index") object.facts.try_emplace("method", "btree");
  object.state = std::move(state);
  return object;
}

inline Catalog CatalogOf(const std::vector<CatalogObject>& objects) {
  Catalog catalog;
  for (const CatalogObject& object : objects) catalog.Add(object);
  return catalog;
}

// What two lanes planned, as nodes of EXPLAIN's JSON; empty: not known. Put into the evidence,
// which must not outlive it.
class Plans {
 public:
  Plans(const std::string& before, const std::string& after, Evidence& evidence) {
    Parse(before, before_, evidence.plan_before);
    Parse(after, after_, evidence.plan_after);
  }
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;

 private:
  static void Parse(const std::string& text, std::optional<explain::Plan>& kept,
                    const explain::Plan*& told) {
    if (text.empty()) return;
    auto plan = explain::ParsePlan("[{\"Plan\": " + text + "}]");
    REQUIRE(plan.ok());
    kept = std::move(plan).value();
    told = &*kept;
  }

  std::optional<explain::Plan> before_;
  std::optional<explain::Plan> after_;
};

// A finding on `orders` and what two catalogues say of it.
struct Scene {
  std::vector<CatalogObject> before = {Thing("relation", "orders")};
  std::vector<CatalogObject> after = {Thing("relation", "orders")};
  std::string type = "broken";
  std::string sqlstate;
  std::string message;
  std::string pattern = "SELECT total FROM orders WHERE region = $1";
  event::StatementKind kind = event::StatementKind::kSelect;
  std::vector<std::string> relations = {"orders"};
  std::vector<std::string> functions;
  std::vector<std::string> columns;
  std::string plan_before;
  std::string plan_after;
  std::optional<double> triggers_before;
  std::optional<double> triggers_after;
  bool settled = false;

  std::optional<Cause> Find() const {
    const Catalog old_catalog = CatalogOf(before);
    const Catalog new_catalog = CatalogOf(after);
    const std::vector<Change> changes = DiffCatalogs(old_catalog, new_catalog, true);
    Evidence evidence;
    evidence.type = type;
    evidence.sqlstate = sqlstate;
    evidence.message = message;
    evidence.pattern = pattern;
    evidence.kind = kind;
    evidence.relations = relations;
    evidence.functions = functions;
    evidence.columns = columns;
    evidence.role = "app";
    evidence.triggers_before = triggers_before;
    evidence.triggers_after = triggers_after;
    evidence.settled = settled;
    evidence.before = &old_catalog;
    evidence.after = &new_catalog;
    evidence.changes = &changes;
    const Plans plans(plan_before, plan_after, evidence);
    return FindCause(evidence);
  }
};

}  // namespace scry::cause
