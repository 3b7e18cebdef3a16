// What a database says of itself, as plain values: relations, columns, indexes, constraints,
// policies, functions, sequences, triggers, rules, types, settings, roles, rights; and what differs
// between two of them. Read by the jobs on baseline and candidate before the replay; causes are
// derived from the difference. Reading blocks; the rest is pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "pg/admin.h"

namespace scry::cause {

inline constexpr size_t kObjectsMax = 200'000;  // Of one database; past it Catalog::cut.
inline constexpr size_t kFactBytesMax = 8192;   // Longer definitions are cut.

struct CatalogObject {
  std::string kind;  // "relation", "column", "index" ...: the names are those of catalog.cc.
  std::string
      name;  // Unique within its kind, as SQL writes it, "public." left out: "orders.total".
  std::string label;     // What people call it; of an index or a constraint without its table.
  std::string table;     // The relation it belongs to; empty: none.
  std::string identity;  // The same on every copy of one database.
  // What defines it. Values of users are in none of them but "default", "definition", "expression",
  // "predicate".
  std::map<std::string, std::string> facts;
  // What changes by itself as well: sizes, statistics, numbers of rows.
  std::map<std::string, std::string> state;

  std::string Fact(const std::string& key) const;
  std::string State(const std::string& key) const;
  double Number(const std::string& key) const;  // Of `state`; 0: none.
};

class Catalog {
 public:
  void Add(CatalogObject object);
  // The first relation reads the second one: views, partitions and their parents.
  void AddUse(const std::string& over, const std::string& below);

  // nullptr: no such.
  const CatalogObject* Find(const std::string& kind, const std::string& name) const;
  // By the bare name, whatever the schema ("orders"), or "schema.orders" as SQL writes it.
  std::vector<const CatalogObject*> Named(const std::string& kind, std::string_view bare) const;
  std::vector<const CatalogObject*> Of(const std::string& kind, const std::string& table) const;
  // These relations with all that reading them reads, and the parents of partitions.
  std::set<std::string> Closure(const std::set<std::string>& relations) const;
  const std::map<std::pair<std::string, std::string>, CatalogObject>& objects() const {
    return objects_;
  }

  bool cut = false;  // There were more than kObjectsMax objects.

 private:
  std::map<std::pair<std::string, std::string>, CatalogObject> objects_;
  std::multimap<std::pair<std::string, std::string>, std::string> by_bare_name_;
  std::multimap<std::pair<std::string, std::string>, std::string> by_table_;
  std::multimap<std::string, std::string> uses_;
};

// Needs the rights of a superuser for statistics. PostgreSQL 13 and later.
base::Result<Catalog> ReadCatalog(pg::AdminSession& session);

enum class ChangeType : uint8_t { kAdded, kDropped, kChanged, kRenamed };

struct Change {
  ChangeType type = ChangeType::kChanged;
  const CatalogObject* before = nullptr;  // nullptr: added. They point into the catalogs.
  const CatalogObject* after = nullptr;   // nullptr: dropped.
  bool recreated = false;                 // The same name, another object: dropped and made again.
  std::set<std::string> facts;            // Those that differ, where it is on both sides.
  std::set<std::string> state;

  const CatalogObject& object() const { return after != nullptr ? *after : *before; }
  const std::string& kind() const { return object().kind; }
  bool Has(const std::string& fact) const { return facts.contains(fact); }
  std::string Before(const std::string& fact) const {
    return before == nullptr ? std::string() : before->Fact(fact);
  }
  std::string After(const std::string& fact) const {
    return after == nullptr ? std::string() : after->Fact(fact);
  }
};

// `copies`: both are copies of one database, so that an identity tells what was renamed. What only
// moved along with its table is no change of its own.
std::vector<Change> DiffCatalogs(const Catalog& before, const Catalog& after, bool copies);

// "column orders.total was dropped", "index orders_region on orders was added".
std::string Describe(const Change& change);

}  // namespace scry::cause
