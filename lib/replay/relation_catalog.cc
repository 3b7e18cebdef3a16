#include "replay/relation_catalog.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "replay/hidden_writes.h"

namespace scry::replay {
namespace {

// Relations of users, with what they are known to do beyond their rows.
constexpr const char* kRelations = R"(
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity,
  EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast')";

constexpr const char* kSystemRelations = R"(
SELECT c.relname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND n.nspname IN ('pg_catalog', 'information_schema'))";

constexpr const char* kInherits = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits";

// One row per column of a unique index (or exclusion constraint): relation, index, whole (no
// predicate, no expression), primary, number of key columns, column, its type, equality is equality
// of bytes, its place, it may be checked at the end of a transaction.
constexpr const char* kUniqueColumns = R"(
SELECT i.indrelid, i.indexrelid,
  i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL,
  i.indisprimary, i.indnkeyatts, a.attname, a.atttypid,
  coalesce((SELECT collisdeterministic FROM pg_catalog.pg_collation WHERE oid = a.attcollation), true),
  (SELECT count(*) FROM pg_catalog.pg_attribute b WHERE b.attrelid = a.attrelid
    AND b.attnum BETWEEN 1 AND a.attnum AND NOT b.attisdropped),
  NOT i.indimmediate
FROM pg_catalog.pg_index i
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
  AND a.attnum > 0
WHERE (i.indisunique OR i.indisexclusion) AND i.indrelid >= 16384
ORDER BY i.indrelid, NOT i.indisprimary, i.indexrelid)";

constexpr const char* kPartitionColumns = R"(
SELECT p.partrelid, a.attname FROM pg_catalog.pg_partitioned_table p
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = ANY (p.partattrs))";

constexpr const char* kForeignKeys = R"(
SELECT c.conrelid, c.confrelid, a.attname, c.confdeltype IN ('c', 'n', 'd'),
  c.confupdtype IN ('c', 'n', 'd'), c.condeferrable
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey)
WHERE c.contype = 'f')";

// Sequences that a column draws from, by default or as its identity; NULL: a default that draws in
// a way not recorded.
constexpr const char* kDraws = R"(
SELECT d.adrelid, a.attname, p.refobjid
FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
LEFT JOIN (pg_catalog.pg_depend p JOIN pg_catalog.pg_class s ON s.oid = p.refobjid AND s.relkind = 'S')
  ON p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
  AND p.refclassid = 'pg_catalog.pg_class'::regclass
WHERE pg_catalog.pg_get_expr(d.adbin, d.adrelid) LIKE '%nextval(%'
UNION ALL
SELECT p.refobjid, a.attname, p.objid
FROM pg_catalog.pg_depend p
JOIN pg_catalog.pg_class s ON s.oid = p.objid AND s.relkind = 'S'
JOIN pg_catalog.pg_attribute a ON a.attrelid = p.refobjid AND a.attnum = p.refobjsubid
WHERE p.classid = 'pg_catalog.pg_class'::regclass AND p.deptype = 'i'
  AND p.refclassid = 'pg_catalog.pg_class'::regclass)";

// Of users, and their functions. Up to version 14, partitions have those of their parents as
// internal ones.
#define SCRY_USER_TRIGGER \
  "(NOT t.tgisinternal OR (t.tgparentid <> 0 AND t.tgconstraint = 0)) AND t.tgenabled <> 'D'"
constexpr const char* kTriggers =
    "SELECT DISTINCT t.tgrelid, t.tgfoid, t.tgdeferrable "
    "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid "
    "WHERE " SCRY_USER_TRIGGER
    " AND p.proname NOT IN ('suppress_redundant_updates_trigger', "
    "'tsvector_update_trigger', 'tsvector_update_trigger_column')";

// BEFORE INSERT.
constexpr const char* kInsertTriggers =
    "SELECT DISTINCT t.tgrelid FROM pg_catalog.pg_trigger t "
    "WHERE " SCRY_USER_TRIGGER " AND t.tgtype & 6 = 6";

#undef SCRY_USER_TRIGGER

// Functions of users that defaults and generated columns call.
constexpr const char* kDefaultFunctions = R"(
SELECT DISTINCT d.adrelid, x.refobjid FROM pg_catalog.pg_attrdef d
JOIN pg_catalog.pg_depend x ON x.classid = 'pg_catalog.pg_attrdef'::regclass
  AND x.objid = d.oid AND x.refclassid = 'pg_catalog.pg_proc'::regclass)";

// What views are made of: base relations, and whether they call functions of users.
constexpr const char* kViews = R"(
SELECT r.ev_class,
  CASE WHEN d.refclassid = 'pg_catalog.pg_class'::regclass THEN d.refobjid END,
  d.refclassid = 'pg_catalog.pg_proc'::regclass
    AND (SELECT p.provolatile <> 'i' FROM pg_catalog.pg_proc p WHERE p.oid = d.refobjid)
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_class c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm')
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
WHERE r.ev_type = '1' AND d.refclassid IN ('pg_catalog.pg_class'::regclass,
  'pg_catalog.pg_proc'::regclass) AND d.refobjid <> r.ev_class)";

constexpr const char* kSnapshotDefault = R"(
SELECT pg_catalog.current_setting('default_transaction_isolation') NOT LIKE 'read %'
  OR EXISTS (SELECT FROM pg_catalog.pg_db_role_setting, pg_catalog.unnest(setconfig) AS one
             WHERE one ~* '^default_transaction_isolation=.*(repeatable|serializable)'))";

using Row = std::vector<std::optional<std::string>>;

std::string Text(const Row& row, size_t column) { return row.at(column).value_or(""); }
bool IsTrue(const Row& row, size_t column) { return Text(row, column) == "t"; }
uint32_t Oid(const Row& row, size_t column) {
  const std::string text = Text(row, column);
  uint32_t oid = 0;
  std::from_chars(text.data(), text.data() + text.size(), oid);
  return oid;
}

std::optional<KeyType> KeyTypeOf(uint32_t type_oid) {
  switch (type_oid) {
    case 20:  // int8, int2, int4
    case 21:
    case 23:
      return KeyType::kInteger;
    case 25:  // text, varchar
    case 1043:
      return KeyType::kText;
    case 2950:
      return KeyType::kUuid;
    default:
      return std::nullopt;
  }
}

// True: it was not there.
template <typename T>
bool AddOnce(std::vector<T>& list, const T& value) {
  if (std::find(list.begin(), list.end(), value) != list.end()) return false;
  list.push_back(value);
  return true;
}
template <typename T>
bool AddAll(std::vector<T>& list, const std::vector<T>& values) {
  bool added = false;
  for (const T& value : values) added |= AddOnce(list, value);
  return added;
}
template <typename T>
bool Raise(T& value, T to) {
  return to > value && std::exchange(value, to) != to;
}

// What writing or reading `part` means, writing or reading what it is a part of means too. True: it
// was not known.
bool AddFacts(const RelationFacts& part, RelationFacts& whole) {
  bool added = Raise(whole.unique, part.unique);
  added |= Raise(whole.reads_unknown, part.reads_unknown);
  added |= Raise(whole.writing_reads, part.writing_reads);
  added |= Raise(whole.calls_functions, part.calls_functions);
  added |= Raise(whole.writing_unknown, part.writing_unknown);
  added |= AddAll(whole.reads, part.reads);
  added |= AddAll(whole.parents, part.parents);
  added |= AddAll(whole.cascades, part.cascades);
  added |= AddAll(whole.referring, part.referring);
  added |= AddAll(whole.put_off, part.put_off);
  added |= Raise(whole.put_off_calls, part.put_off_calls);
  for (const std::string& column : part.guarded) added |= whole.guarded.insert(column).second;
  for (const auto& [column, sequences] : part.draws) {
    added |= AddAll(whole.draws[column], sequences);
  }
  return added;
}

}  // namespace

// One lane's answers, by its own OIDs, until they are known by name.
class RelationCatalog::Reader {
 public:
  Reader(RelationCatalog& catalog, pg::AdminSession& lane) : catalog_(catalog), lane_(lane) {}

  base::Status Read() {
    SCRY_TRY(ReadRelations());
    SCRY_TRY(ReadKeys());
    SCRY_TRY(ReadForeignKeys());
    SCRY_TRY(ReadHazards());
    LiftFromParts();
    SCRY_TRY(ReadViews());
    return ReadDefaults();
  }

 private:
  template <typename Each>
  base::Status ForEach(const char* sql, Each each) {
    SCRY_TRY_ASSIGN(const pg::Rows rows, lane_.Exec(sql));
    for (const Row& row : rows.rows) each(row);
    return {};
  }
  RelationFacts* Facts(uint32_t oid) {
    const auto found = names_.find(oid);
    return found == names_.end() ? nullptr : &catalog_.relations_[found->second];
  }
  uint32_t RootOf(uint32_t oid) const {
    // A relation with several parents counts to the first; circles cannot be made.
    for (auto up = parents_.find(oid); up != parents_.end(); up = parents_.find(oid)) {
      oid = up->second;
    }
    return oid;
  }

  base::Status ReadRelations() {
    SCRY_TRY(ForEach(kInherits, [&](const Row& row) {
      parents_.try_emplace(Oid(row, 0), Oid(row, 1));
      inherits_.emplace_back(Oid(row, 0), Oid(row, 1));
    }));
    SCRY_TRY_ASSIGN(const pg::Rows rows, lane_.Exec(kRelations));
    for (const Row& row : rows.rows) names_[Oid(row, 0)] = Text(row, 1) + "." + Text(row, 2);
    for (const Row& row : rows.rows) {
      const auto root = names_.find(RootOf(Oid(row, 0)));
      RelationFacts& facts = catalog_.Put(Text(row, 1), Text(row, 2));
      if (root != names_.end()) facts.object = catalog_.IdOf(root->second);
      if (Text(row, 3) == "m") materialized_.insert(Oid(row, 0));
      const bool view = Text(row, 3) == "v";
      if (view) {
        views_.insert(Oid(row, 0));
        facts.reads.clear();
      } else {
        facts.reads = {facts.object};
      }
      facts.reads_unknown |= IsTrue(row, 4);
      facts.writing_unknown |= IsTrue(row, 5);
    }
    return ForEach(kSystemRelations,
                   [&](const Row& row) { catalog_.system_relations_.insert(Text(row, 0)); });
  }

  base::Status ReadKeys() {
    SCRY_TRY(ForEach(kUniqueColumns, [&](const Row& row) {
      RelationFacts* facts = Facts(Oid(row, 0));
      if (facts == nullptr) return;
      facts->unique = true;
      const std::string column = Text(row, 5);
      if (!column.empty()) facts->guarded.insert(column);
      const auto type = KeyTypeOf(Oid(row, 6));
      const bool single = IsTrue(row, 2) && Text(row, 4) == "1";
      // An index of a partition tells its rows apart, not those of the whole tree.
      const bool root = !parents_.contains(Oid(row, 0));
      const bool whole_key = single && root && type && IsTrue(row, 7);
      if (whole_key && facts->key_column.empty()) {
        facts->key_column = column;
        facts->key_type = *type;
        facts->key_position = Oid(row, 8);
      }
      if (!whole_key || facts->key_column != column) facts->meets_otherwise = true;
      if (facts->key_position != Oid(row, 8)) facts->key_position = 0;
      if (IsTrue(row, 9)) PutOff(*facts, facts->object);
    }));
    for (const auto& [part, parent] : parents_) {
      if (RelationFacts* facts = Facts(parent)) facts->meets_otherwise = true;
    }
    SCRY_TRY(ForEach(kInsertTriggers, [&](const Row& row) {
      if (RelationFacts* facts = Facts(Oid(row, 0))) facts->meets_otherwise = true;
    }));
    SCRY_TRY(ForEach(kPartitionColumns, [&](const Row& row) {
      if (RelationFacts* facts = Facts(Oid(row, 0))) facts->guarded.insert(Text(row, 1));
    }));
    return ForEach(kDraws, [&](const Row& row) {
      RelationFacts* facts = Facts(Oid(row, 0));
      if (facts == nullptr) return;
      // The same number on every lane would be chance: all lanes' sequences share one space of
      // keys, where two in one do no harm.
      const uint64_t sequence = Oid(row, 2);
      if (sequence == 0) facts->writing_unknown = true;
      AddOnce(facts->draws[Text(row, 1)], std::max<uint64_t>(sequence, 1));
    });
  }

  void PutOff(RelationFacts& written, ObjectId looked_up) {
    AddOnce(written.put_off, looked_up);
    catalog_.puts_off_ = true;
  }

  base::Status ReadForeignKeys() {
    return ForEach(kForeignKeys, [&](const Row& row) {
      RelationFacts* child = Facts(Oid(row, 0));
      RelationFacts* parent = Facts(Oid(row, 1));
      if (child == nullptr || parent == nullptr) return;
      AddOnce(child->parents, parent->object);
      parent->guarded.insert(Text(row, 2));
      const bool cascades = IsTrue(row, 3) || IsTrue(row, 4);
      AddOnce(cascades ? parent->cascades : parent->referring, child->object);
      if (!IsTrue(row, 5)) return;
      PutOff(*child, parent->object);
      PutOff(*parent, child->object);
    });
  }

  base::Status ReadHazards() {
    SCRY_TRY_ASSIGN(const FunctionClasses functions, FunctionClasses::Read(lane_));
    for (const auto& [name, found] : functions.by_name()) catalog_.PutFunction(name, found);
    const auto calls = [&](const Row& row) {
      RelationFacts* facts = Facts(Oid(row, 0));
      if (facts == nullptr) return;
      facts->calls_functions = true;
      const FunctionClass called = functions.ClassOf(Oid(row, 1));
      facts->writing_unknown |= called == FunctionClass::kWrites;
      facts->writing_reads |= called == FunctionClass::kReads;
    };
    SCRY_TRY(ForEach(kTriggers, [&](const Row& row) {
      calls(row);
      RelationFacts* facts = Facts(Oid(row, 0));
      if (facts == nullptr || !IsTrue(row, 2)) return;
      catalog_.puts_off_ |= Raise(facts->put_off_calls, functions.ClassOf(Oid(row, 1)));
    }));
    return ForEach(kDefaultFunctions, calls);
  }

  // Whoever names a relation writes and reads its parts too.
  void LiftFromParts() {
    // Each pass brings facts one level up at least.
    for (bool changed = true; changed;) {
      changed = false;
      for (const auto& [part, parent] : inherits_) {
        const RelationFacts* from = Facts(part);
        RelationFacts* to = Facts(parent);
        if (from != nullptr && to != nullptr) changed |= AddFacts(*from, *to);
      }
    }
  }

  base::Status ReadViews() {
    std::map<uint32_t, std::set<uint32_t>> below;
    SCRY_TRY(ForEach(kViews, [&](const Row& row) {
      if (Oid(row, 1) != 0) below[Oid(row, 0)].insert(Oid(row, 1));
      RelationFacts* facts = Facts(Oid(row, 0));
      if (facts == nullptr || !IsTrue(row, 2)) return;
      const bool stored = materialized_.contains(Oid(row, 0));
      (stored ? facts->writing_reads : facts->reads_unknown) = true;
    }));
    for (const uint32_t view : views_) Descend(*Facts(view), Facts(view)->reads, view, below, 0);
    for (const uint32_t view : materialized_) {
      RelationFacts& facts = *Facts(view);
      RelationFacts seen;  // While it is refreshed, not while it is read.
      Descend(seen, facts.made_of, view, below, 0);
      facts.writing_reads |= seen.reads_unknown || seen.writing_unknown;
    }
    SCRY_TRY_ASSIGN(const HiddenWrites hidden, FindHiddenWrites(lane_));
    catalog_.writing_operators_.insert(hidden.operators.begin(), hidden.operators.end());
    for (const uint32_t view : views_) {
      RelationFacts* facts = Facts(view);
      const std::string& name = names_[view];
      if (hidden.relations.contains(name.substr(name.find('.') + 1))) facts->reading_writes = true;
    }
    return {};
  }

  // Adds to `view`, and to the objects that it reads, what is below `relation`.
  void Descend(RelationFacts& view, std::vector<ObjectId>& reads, uint32_t relation,
               std::map<uint32_t, std::set<uint32_t>>& below, int depth) {
    constexpr int kDepthMax = 64;
    if (depth > kDepthMax) {
      view.reads_unknown = true;
      return;
    }
    for (const uint32_t part : below[relation]) {
      const RelationFacts* found = Facts(part);
      if (found == nullptr) continue;  // Of the system.
      view.reads_unknown |= found->reads_unknown;
      view.writing_unknown |= found->writing_unknown;
      if (views_.contains(part)) {
        Descend(view, reads, part, below, depth + 1);
      } else {
        AddOnce(reads, found->object);
      }
    }
  }

  base::Status ReadDefaults() {
    return ForEach(kSnapshotDefault,
                   [&](const Row& row) { catalog_.snapshots_by_default_ |= IsTrue(row, 0); });
  }

  RelationCatalog& catalog_;
  pg::AdminSession& lane_;
  std::unordered_map<uint32_t, std::string> names_;
  std::unordered_map<uint32_t, uint32_t> parents_;       // The first of each.
  std::vector<std::pair<uint32_t, uint32_t>> inherits_;  // Child and parent, all.
  std::set<uint32_t> views_;
  std::set<uint32_t> materialized_;
};

base::Status RelationCatalog::Add(pg::AdminSession& lane) {
  SCRY_TRY(Reader(*this, lane).Read());
  CloseCascades();
  return {};
}

// What is deleted below deletes further below.
void RelationCatalog::CloseCascades() {
  std::unordered_map<ObjectId, std::vector<const RelationFacts*>> by_object;
  for (const auto& [name, facts] : relations_) by_object[facts.object].push_back(&facts);
  for (auto& [name, facts] : relations_) {
    for (size_t i = 0; i < facts.cascades.size(); ++i) {
      for (const RelationFacts* below : by_object[facts.cascades[i]]) {
        const RelationFacts copy = *below;  // It may be the one that grows.
        for (const ObjectId object : copy.cascades) AddOnce(facts.cascades, object);
        for (const ObjectId object : copy.referring) AddOnce(facts.referring, object);
        AddAll(facts.put_off, copy.put_off);
        Raise(facts.put_off_calls, copy.put_off_calls);
        facts.writing_unknown |= copy.writing_unknown;
      }
    }
  }
}

ObjectId RelationCatalog::IdOf(const std::string& qualified) {
  const ObjectId next = end();
  return ids_.try_emplace(qualified, next).first->second;
}

RelationFacts& RelationCatalog::Put(const std::string& schema, const std::string& name) {
  const std::string qualified = schema + "." + name;
  schemas_of_[name].insert(schema);
  RelationFacts& facts = relations_[qualified];
  if (facts.object == kEverything) {
    facts.object = IdOf(qualified);
    facts.reads = {facts.object};
  }
  return facts;
}

void RelationCatalog::PutFunction(const std::string& name, FunctionClass function_class) {
  FunctionClass& known = functions_.try_emplace(name, FunctionClass::kHarmless).first->second;
  known = std::max(known, function_class);
}

RelationCatalog::Found RelationCatalog::Find(std::string_view schema, std::string_view name) const {
  Found found;
  const auto add = [&](const std::string& in) {
    const auto relation = relations_.find(in + "." + std::string(name));
    if (relation == relations_.end()) return;
    found.known = true;
    found.relations.push_back(&relation->second);
  };
  if (!schema.empty()) {
    add(std::string(schema));
    if (schema == "pg_catalog" || schema == "information_schema") found.known = true;
    return found;
  }
  const auto schemas = schemas_of_.find(name);
  if (schemas != schemas_of_.end()) {
    for (const std::string& one : schemas->second) add(one);
  }
  if (system_relations_.contains(name)) found.known = true;
  return found;
}

FunctionClass RelationCatalog::ClassOf(const std::string& function) const {
  // Not functions to the catalog: they take no parentheses.
  static const std::set<std::string> kKeywords = {
      "current_catalog", "current_date", "current_role",   "current_schema",
      "current_time",    "current_user", "session_user",   "current_timestamp",
      "localtime",       "user",         "localtimestamp", "system_user"};
  if (kKeywords.contains(function)) return FunctionClass::kHarmless;
  const auto found = functions_.find(function);
  return found == functions_.end() ? FunctionClass::kWrites : found->second;
}

}  // namespace scry::replay
