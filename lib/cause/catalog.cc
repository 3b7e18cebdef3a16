#include "cause/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cause/catalog_sql.h"

namespace scry::cause {
namespace {

using nlohmann::json;

std::string FactText(const json& value) {
  std::string text;
  if (value.is_string()) {
    text = value.get<std::string>();
  } else if (value.is_boolean()) {
    text = value.get<bool>() ? "yes" : "no";
  } else if (!value.is_null()) {
    text = value.dump();
  }
  if (text.size() > kFactBytesMax) text.resize(kFactBytesMax);
  return text;
}

void ReadFacts(const std::string& text, std::map<std::string, std::string>& facts) {
  const json parsed = json::parse(text, nullptr, false);
  if (!parsed.is_object()) return;
  for (const auto& [key, value] : parsed.items()) facts[key] = FactText(value);
}

std::string Lookup(const std::map<std::string, std::string>& in, const std::string& key) {
  const auto found = in.find(key);
  return found == in.end() ? std::string() : found->second;
}

std::set<std::string> Differing(const std::map<std::string, std::string>& a,
                                const std::map<std::string, std::string>& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a) {
    if (Lookup(b, key) != value) keys.insert(key);
  }
  for (const auto& [key, value] : b) {
    if (!a.contains(key)) keys.insert(key);
  }
  return keys;
}

Change Compared(const CatalogObject& before, const CatalogObject& after, bool copies) {
  Change change;
  change.before = &before;
  change.after = &after;
  change.facts = Differing(before.facts, after.facts);
  change.state = Differing(before.state, after.state);
  change.recreated = copies && before.identity != after.identity;
  return change;
}

}  // namespace

std::string CatalogObject::Fact(const std::string& key) const { return Lookup(facts, key); }
std::string CatalogObject::State(const std::string& key) const { return Lookup(state, key); }
double CatalogObject::Number(const std::string& key) const {
  return std::strtod(State(key).c_str(), nullptr);
}

void Catalog::Add(CatalogObject object) {
  by_bare_name_.emplace(std::pair(object.kind, object.Fact("name")), object.name);
  if (!object.table.empty()) by_table_.emplace(std::pair(object.kind, object.table), object.name);
  std::pair<std::string, std::string> key(object.kind, object.name);
  objects_.insert_or_assign(std::move(key), std::move(object));
}

void Catalog::AddUse(const std::string& over, const std::string& below) {
  uses_.emplace(over, below);
}

const CatalogObject* Catalog::Find(const std::string& kind, const std::string& name) const {
  const auto found = objects_.find({kind, name});
  return found == objects_.end() ? nullptr : &found->second;
}

std::vector<const CatalogObject*> Catalog::Named(const std::string& kind,
                                                 std::string_view bare) const {
  std::vector<const CatalogObject*> found;
  const auto [from, to] = by_bare_name_.equal_range({kind, std::string(bare)});
  for (auto it = from; it != to; ++it) found.push_back(Find(kind, it->second));
  if (!found.empty()) return found;
  if (const CatalogObject* exact = Find(kind, std::string(bare))) return {exact};
  const size_t dot = bare.find('.');
  if (dot == std::string_view::npos) return {};
  for (const CatalogObject* one : Named(kind, bare.substr(dot + 1))) {
    if (one->Fact("schema") == bare.substr(0, dot)) found.push_back(one);
  }
  return found;
}

std::vector<const CatalogObject*> Catalog::Of(const std::string& kind,
                                              const std::string& table) const {
  std::vector<const CatalogObject*> found;
  const auto [from, to] = by_table_.equal_range({kind, table});
  for (auto it = from; it != to; ++it) found.push_back(Find(kind, it->second));
  return found;
}

std::set<std::string> Catalog::Closure(const std::set<std::string>& relations) const {
  std::set<std::string> closure = relations;
  std::deque<std::string> open(relations.begin(), relations.end());
  while (!open.empty()) {
    const auto [from, to] = uses_.equal_range(open.front());
    for (auto it = from; it != to; ++it) {
      if (closure.insert(it->second).second) open.push_back(it->second);
    }
    open.pop_front();
  }
  return closure;
}

namespace {

base::Result<Catalog> Read(pg::AdminSession& session) {
  Catalog catalog;
  size_t count = 0;
  for (const char* sql : kCatalogSql) {
    const size_t left = kObjectsMax - count;
    SCRY_TRY_ASSIGN(const pg::Rows rows, session.Exec(fmt::format("{} LIMIT {}", sql, left + 1)));
    for (const auto& row : rows.rows) {
      if (row.size() < 7 || ++count > kObjectsMax) break;
      CatalogObject object{row[0].value_or(""),
                           row[1].value_or(""),
                           row[2].value_or(""),
                           row[3].value_or(""),
                           row[4].value_or(""),
                           {},
                           {}};
      ReadFacts(row[5].value_or(""), object.facts);
      ReadFacts(row[6].value_or(""), object.state);
      catalog.Add(std::move(object));
    }
    if (count >= kObjectsMax) {
      catalog.cut = true;
      break;
    }
  }
  SCRY_TRY_ASSIGN(const pg::Rows uses,
                  session.Exec(fmt::format("{} LIMIT {}", kUsesSql, kObjectsMax)));
  for (const auto& row : uses.rows) catalog.AddUse(row[0].value_or(""), row[1].value_or(""));
  return catalog;
}

}  // namespace

base::Result<Catalog> ReadCatalog(pg::AdminSession& session) {
  // Names are written by it, and databases may have one of their own that a migration changes.
  SCRY_TRY_ASSIGN(const pg::Rows own,
                  session.Exec("SELECT pg_catalog.current_setting('search_path')"));
  SCRY_TRY(session.Exec("SET search_path = pg_catalog, public"));
  auto catalog = Read(session);
  const auto back =
      session.Exec(fmt::format("SELECT pg_catalog.set_config('search_path', {}, false)",
                               session.Quote(own.rows.at(0).at(0).value_or(""))));
  if (catalog.ok()) SCRY_TRY(back);
  return catalog;
}

std::vector<Change> DiffCatalogs(const Catalog& before, const Catalog& after, bool copies) {
  std::vector<Change> changes;
  std::map<std::pair<std::string, std::string>, const CatalogObject*> gone;  // By identity.
  for (const auto& [key, object] : before.objects()) {
    const CatalogObject* now = after.Find(key.first, key.second);
    if (now == nullptr) {
      gone[{key.first, object.identity}] = &object;
      continue;
    }
    Change change = Compared(object, *now, copies);
    if (change.recreated || !change.facts.empty() || !change.state.empty()) {
      changes.push_back(std::move(change));
    }
  }
  std::set<const CatalogObject*> renamed;
  for (const auto& [key, object] : after.objects()) {
    if (before.Find(key.first, key.second) != nullptr) continue;
    Change change;
    change.type = ChangeType::kAdded;
    change.after = &object;
    const auto found = gone.find({key.first, object.identity});
    if (copies && found != gone.end()) {
      change = Compared(*found->second, object, copies);
      renamed.insert(found->second);
      const bool schema = object.kind == "relation" && change.Has("schema");
      if (change.Has("name") || schema) {
        change.type = ChangeType::kRenamed;
      } else if (change.facts.empty() && change.state.empty()) {
        continue;  // Moved along with its table.
      }
    }
    changes.push_back(std::move(change));
  }
  for (const auto& [identity, object] : gone) {
    if (renamed.contains(object)) continue;
    Change& change = changes.emplace_back();
    change.type = ChangeType::kDropped;
    change.before = object;
  }
  return changes;
}

std::string Describe(const Change& change) {
  const CatalogObject& object = change.object();
  std::string what = object.kind + " " + object.label;
  const bool of_table = object.kind == "index" || object.kind == "constraint" ||
                        object.kind == "policy" || object.kind == "trigger" ||
                        object.kind == "rule";
  if (of_table && !object.table.empty()) what += " on " + object.table;
  switch (change.type) {
    case ChangeType::kAdded:
      return what + " was added";
    case ChangeType::kDropped:
      return what + " was dropped";
    case ChangeType::kRenamed:
      return fmt::format("{} {} was renamed to {}", object.kind, change.before->label,
                         change.after->label);
    case ChangeType::kChanged:
      break;
  }
  if (change.recreated) return what + " was dropped and created again";
  std::string facts;
  for (const std::string& fact : change.facts) facts += (facts.empty() ? "" : ", ") + fact;
  if (facts.empty()) return what + " has other contents or statistics";
  std::replace(facts.begin(), facts.end(), '_', ' ');
  return fmt::format("{} changed ({})", what, facts);
}

}  // namespace scry::cause
