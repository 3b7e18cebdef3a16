#include "replay/column_catalog.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include "event/value_equality.h"

namespace scry::replay {
namespace {

#define SCRY_OF_USERS                                                       \
  "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ " \
  "'^pg_(toast|temp_)'"

// Relation, schema, name, column number, column, its type below domains.
constexpr const char* kColumns =
    "SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname, "
    "CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, a.attidentity <> '', "
    "a.attgenerated <> '' "
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
    "WHERE c.relkind IN ('r', 'p', 'f') AND (a.attnum > 0 OR a.attname = 'xmin') "
    "AND NOT a.attisdropped AND " SCRY_OF_USERS " ORDER BY c.oid, a.attnum";

// Defaults that give another value each time: what they call stands only in their parsed form.
constexpr const char* kVolatileDefaults = R"(
SELECT d.adrelid, d.adnum, bool_or(p.proname = 'nextval' AND p.pronamespace = 'pg_catalog'::regnamespace)
FROM pg_catalog.pg_attrdef d
CROSS JOIN LATERAL pg_catalog.regexp_matches(d.adbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS call
JOIN pg_catalog.pg_proc p ON p.oid = call[1]::oid
WHERE p.provolatile = 'v' GROUP BY 1, 2)";

constexpr const char* kForeignKeys = R"(
SELECT c.conrelid, pair.child, c.confrelid, pair.parent
FROM pg_catalog.pg_constraint c
CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS pair(child, parent)
WHERE c.contype = 'f' ORDER BY c.oid)";

constexpr const char* kPrimaryKeys = R"(
SELECT i.indrelid, number FROM pg_catalog.pg_index i CROSS JOIN LATERAL unnest(i.indkey) AS number
WHERE i.indisprimary)";

// Columns of partitions and of children, with those of the parent that they are.
constexpr const char* kInherited = R"(
SELECT i.inhrelid, child.attnum, i.inhparent, parent.attnum
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_attribute child ON child.attrelid = i.inhrelid AND child.attnum > 0
JOIN pg_catalog.pg_attribute parent ON parent.attrelid = i.inhparent
  AND parent.attname = child.attname AND parent.attnum > 0
WHERE NOT child.attisdropped AND NOT parent.attisdropped ORDER BY i.inhseqno)";

// Sequence, and the column that draws from it: by its default, as its identity, or as its owner.
constexpr const char* kSequences = R"(
SELECT n.nspname, s.relname, found.relation, found.number
FROM (SELECT p.refobjid AS sequence, d.adrelid AS relation, d.adnum AS number
      FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_depend p
        ON p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
        AND p.refclassid = 'pg_catalog.pg_class'::regclass
      UNION
      SELECT p.objid, p.refobjid, p.refobjsubid FROM pg_catalog.pg_depend p
      WHERE p.classid = 'pg_catalog.pg_class'::regclass AND p.deptype IN ('a', 'i')
        AND p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjsubid > 0) AS found
JOIN pg_catalog.pg_class s ON s.oid = found.sequence AND s.relkind = 'S'
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace)";

#undef SCRY_OF_USERS

using Row = std::vector<std::optional<std::string>>;

uint32_t Number(const Row& row, size_t column) {
  const std::string text = row.at(column).value_or("");
  uint32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}
std::string Text(const Row& row, size_t column) { return row.at(column).value_or(""); }
// pg_attribute.attnum, as RowDescription sends it: system columns have negative ones.
uint16_t ColumnNumber(const Row& row, size_t column) {
  const std::string text = row.at(column).value_or("");
  int16_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return static_cast<uint16_t>(number);
}

// 'a."B c"' as nextval() takes it, in its parts; unquoted ones in lower case.
std::vector<std::string> NameParts(std::string_view name) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '"') {
      const bool doubled = quoted && i + 1 < name.size() && name[i + 1] == '"';
      if (doubled) parts.back() += name[++i];
      if (!doubled) quoted = !quoted;
    } else if (c == '.' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += !quoted && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return parts;
}

}  // namespace

// The baseline's answers, by its OIDs, until they are known by name.
class ColumnCatalog::Reader {
 public:
  Reader(ColumnCatalog& catalog, pg::AdminSession& lane) : catalog_(catalog), lane_(lane) {}

  base::Status Read() {
    SCRY_TRY(ReadColumns());
    SCRY_TRY(ForEach(kVolatileDefaults,
                     [&](const Row& row) { made_[At(row, 0)] |= Text(row, 2) == "t"; }));
    // What refers to something is told by that, first of all by what it inherits from.
    const auto refers = [&](const Row& row) { refers_.try_emplace(At(row, 0), At(row, 2)); };
    SCRY_TRY(ForEach(kInherited, refers));
    SCRY_TRY(ForEach(kForeignKeys, refers));
    for (const auto& [position, column] : columns_) Map(position, column);
    SCRY_TRY(ForEach(kPrimaryKeys, [&](const Row& row) {
      const auto column = columns_.find(At(row, 0));
      if (column == columns_.end()) return;
      const auto& [relation, name, type_oid] = column->second;
      relation->key.push_back({name, column->first.second, KindOf(type_oid)});
      catalog_.keys_[column->first.first].push_back(relation->key.back());
    }));
    return ForEach(kSequences, [&](const Row& row) { AddSequence(row); });
  }

 private:
  struct Column {
    Relation* relation;
    std::string name;
    uint32_t type_oid;
  };

  template <typename Each>
  base::Status ForEach(const char* sql, Each each) {
    SCRY_TRY_ASSIGN(const pg::Rows rows, lane_.Exec(sql));
    for (const Row& row : rows.rows) each(row);
    return {};
  }
  static Position At(const Row& row, size_t column) {
    return {Number(row, column), ColumnNumber(row, column + 1)};
  }

  base::Status ReadColumns() {
    uint32_t last_oid = 0;
    Relation* relation = nullptr;
    return ForEach(kColumns, [&](const Row& row) {
      if (relation == nullptr || Number(row, 0) != last_oid) {
        last_oid = Number(row, 0);
        relation = &catalog_.relations_.emplace(Text(row, 2), Relation())->second;
        relation->schema = Text(row, 1);
      }
      const Position position{last_oid, ColumnNumber(row, 3)};
      columns_[position] = {relation, Text(row, 4), Number(row, 5)};
      if (position.second == event::kXminNumber) {
        made_[position] = false;
        return;
      }
      relation->columns.push_back(Text(row, 4));
      if (Text(row, 6) == "t") made_[position] = true;
      if (Text(row, 7) == "t") relation->generated.insert(Text(row, 4));
    });
  }

  // The column whose values it has in the end. Circles are cut.
  Position RootOf(Position position) const {
    constexpr int kStepsMax = 64;
    for (int i = 0; i < kStepsMax; ++i) {
      const auto up = refers_.find(position);
      // What makes its own values is its own; a partition's default is that of the whole.
      if (up == refers_.end() || up->second == position) break;
      if (made_.contains(position) && !made_.contains(up->second)) break;
      position = up->second;
    }
    return position;
  }

  void Map(const Position& position, const Column& column) {
    const Position root = RootOf(position);
    const auto made = made_.find(root);
    if (made == made_.end() || !columns_.contains(root)) return;
    MappedColumn mapped;
    mapped.domain = domains_.try_emplace(root, catalog_.domains_ + 1).first->second;
    catalog_.domains_ = std::max(catalog_.domains_, mapped.domain);
    mapped.kind = KindOf(column.type_oid);
    mapped.own = made_.contains(position);
    mapped.drawn = made->second;
    mapped.xmin = position.second == event::kXminNumber;
    column.relation->mapped[column.name] = mapped;
  }

  // Of several columns with values of their own: none.
  void AddSequence(const Row& row) {
    const auto column = columns_.find(At(row, 2));
    if (column == columns_.end()) return;
    const auto mapped = column->second.relation->mapped.find(column->second.name);
    if (mapped == column->second.relation->mapped.end() || !mapped->second.drawn) return;
    MappedColumn& known =
        catalog_.sequences_.try_emplace(Text(row, 0) + "." + Text(row, 1), mapped->second)
            .first->second;
    if (known.domain != mapped->second.domain) known.domain = 0;
  }

  ColumnCatalog& catalog_;
  pg::AdminSession& lane_;
  std::map<Position, Column> columns_;
  std::map<Position, bool> made_;  // True: drawn from a sequence.
  std::map<Position, Position> refers_;
  std::map<Position, DomainId> domains_;
};

base::Status ColumnCatalog::AddLane(pg::AdminSession& lane) {
  if (lanes_.empty()) SCRY_TRY(Reader(*this, lane).Read());
  auto& here = lanes_.emplace_back();
  if (empty()) return {};
  SCRY_TRY_ASSIGN(const pg::Rows rows, lane.Exec(kColumns));
  for (const Row& row : rows.rows) {
    const auto [from, to] = relations_.equal_range(Text(row, 2));
    for (auto relation = from; relation != to; ++relation) {
      if (relation->second.schema != Text(row, 1)) continue;
      const auto mapped = relation->second.mapped.find(Text(row, 4));
      if (mapped == relation->second.mapped.end()) continue;
      MappedColumn column = mapped->second;
      column.kind = KindOf(Number(row, 5));
      here.emplace(Position(Number(row, 0), ColumnNumber(row, 3)), column);
    }
  }
  return {};
}

const MappedColumn* ColumnCatalog::Find(size_t lane, uint32_t table_oid,
                                        uint16_t column_number) const {
  if (lane >= lanes_.size() || table_oid == 0) return nullptr;
  const auto found = lanes_[lane].find({table_oid, column_number});
  return found == lanes_[lane].end() ? nullptr : &found->second;
}

bool ColumnCatalog::Relation::Has(std::string_view column) const {
  return mapped.contains(column) ||
         std::find(columns.begin(), columns.end(), column) != columns.end();
}

// As written: "name" in whatever schema, or "schema.name"; both parts may hold dots.
std::vector<const ColumnCatalog::Relation*> ColumnCatalog::RelationsOf(
    std::string_view name) const {
  std::vector<const Relation*> found;
  const auto add = [&](std::string_view schema, std::string_view bare) {
    const auto [from, to] = relations_.equal_range(bare);
    for (auto relation = from; relation != to; ++relation) {
      if (schema.empty() || relation->second.schema == schema) found.push_back(&relation->second);
    }
  };
  add({}, name);
  for (size_t dot = name.find('.'); found.empty() && dot != std::string_view::npos;
       dot = name.find('.', dot + 1)) {
    add(name.substr(0, dot), name.substr(dot + 1));
  }
  return found;
}

const MappedColumn* ColumnCatalog::ColumnOf(const Relation& relation, const std::string& column) {
  std::string_view name = column;
  if (column.starts_with('#') && !relation.Has(column)) {
    size_t number = 0;
    std::from_chars(column.data() + 1, column.data() + column.size(), number);
    if (number == 0 || number > relation.columns.size()) return nullptr;
    name = relation.columns[number - 1];
  }
  const auto found = relation.mapped.find(name);
  return found == relation.mapped.end() ? nullptr : &found->second;
}

ColumnCatalog::Named ColumnCatalog::Find(const event::ValueSite& site) const {
  std::vector<const Relation*> relations;
  if (!site.relation.empty()) {
    relations = RelationsOf(site.relation);
  } else {
    for (const std::string& candidate : site.candidates) {
      for (const Relation* relation : RelationsOf(candidate)) {
        if (relation->Has(site.column)) relations.push_back(relation);
      }
    }
  }
  Named named;
  bool unmapped = false;
  for (const Relation* relation : relations) {
    const MappedColumn* column = ColumnOf(*relation, site.column);
    if (column == nullptr) {
      unmapped = true;
    } else if (named.column == nullptr) {
      named.column = column;
      named.key = &relation->key;
    } else if (named.column->domain != column->domain) {
      named.ambiguous = true;
    }
  }
  named.ambiguous |= unmapped && named.column != nullptr;
  return named;
}

std::vector<const MappedColumn*> ColumnCatalog::FindCopied(
    std::string_view relation, const std::vector<std::string>& names) const {
  std::vector<const MappedColumn*> found;
  if (!names.empty()) {
    event::ValueSite site;
    site.relation = relation;
    for (const std::string& name : names) {
      site.column = name;
      const Named named = Find(site);
      found.push_back(named.ambiguous ? nullptr : named.column);
    }
    return found;
  }
  const std::vector<const Relation*> relations = RelationsOf(relation);
  if (relations.size() != 1) return found;
  for (const std::string& name : relations.front()->columns) {
    if (relations.front()->generated.contains(name)) continue;
    found.push_back(ColumnOf(*relations.front(), name));
  }
  return found;
}

const MappedColumn* ColumnCatalog::FindSequence(std::string_view name) const {
  const std::vector<std::string> parts = NameParts(name);
  const MappedColumn* found = nullptr;
  if (parts.size() > 1) return SequenceNamed(parts[parts.size() - 2], parts.back());
  for (const auto& [qualified, column] : sequences_) {
    if (!qualified.ends_with("." + parts.back())) continue;
    if (found != nullptr && found->domain != column.domain) return nullptr;
    found = &column;
  }
  return found != nullptr && found->domain != 0 ? found : nullptr;
}

const MappedColumn* ColumnCatalog::DrawnBy(std::string_view relation) const {
  const MappedColumn* found = nullptr;
  for (const Relation* one : RelationsOf(relation)) {
    for (const auto& [name, column] : one->mapped) {
      if (!column.own || !column.drawn) continue;
      if (found != nullptr && found->domain != column.domain) return nullptr;
      found = &column;
    }
  }
  return found;
}

const std::vector<KeyColumn>& ColumnCatalog::KeyOf(uint32_t table_oid) const {
  static const std::vector<KeyColumn> kNone;
  const auto found = keys_.find(table_oid);
  return found == keys_.end() ? kNone : found->second;
}

const MappedColumn* ColumnCatalog::SequenceNamed(const std::string& schema,
                                                 const std::string& name) const {
  const auto found = sequences_.find(schema + "." + name);
  return found == sequences_.end() || found->second.domain == 0 ? nullptr : &found->second;
}

void ColumnCatalog::PutKey(const std::string& relation, uint32_t table_oid,
                           std::vector<KeyColumn> key) {
  relations_.find(relation)->second.key = key;
  keys_[table_oid] = std::move(key);
}

void ColumnCatalog::PutOid(size_t lane, uint32_t table_oid, uint16_t column_number,
                           const MappedColumn& column) {
  if (lane >= lanes_.size()) lanes_.resize(lane + 1);
  lanes_[lane][{table_oid, column_number}] = column;
}

void ColumnCatalog::Put(const std::string& schema, const std::string& relation,
                        const std::string& column, const MappedColumn& mapped, bool generated) {
  const auto [from, to] = relations_.equal_range(relation);
  auto found = std::find_if(from, to, [&](const auto& one) { return one.second.schema == schema; });
  if (found == to) found = relations_.emplace(relation, Relation());
  found->second.schema = schema;
  found->second.columns.push_back(column);
  if (mapped.domain != 0) found->second.mapped[column] = mapped;
  if (generated) found->second.generated.insert(column);
  domains_ = std::max(domains_, mapped.domain);
}

}  // namespace scry::replay
