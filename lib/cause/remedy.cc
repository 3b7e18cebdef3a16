#include "cause/remedy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "event/column_use.h"

namespace scry::cause {
namespace {

using event::PredicateTerm;
using event::TermKind;
using explain::PlanNode;

constexpr size_t kNameBytesMax = 63;
constexpr int kPartitionDepthMax = 16;
// On the candidate, whatever it is called for users: nothing that was there is ever taken for it.
constexpr const char* kMadeName = "scry_fix";
constexpr double kMisestimate = 10;
constexpr double kRowsMin = 100;
constexpr double kConstantsDistinctMax = 50;
constexpr double kRowsCovered = 50;  // Fewer are read from as few pages.
constexpr const char* kCovering =
    "the columns that it carries along spare reading the rows only while VACUUM keeps up with "
    "writes";
constexpr const char* kConcurrently =
    "CONCURRENTLY does not run inside a transaction: disable_ddl_transaction! in Rails, "
    "AddIndexConcurrently with atomic = False in Django, autocommit_block() in Alembic";

void AddOnce(std::vector<std::string>& list, const std::string& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

std::vector<std::string> Joined(std::vector<std::string> first,
                                const std::vector<std::string>& second) {
  for (const std::string& item : second) AddOnce(first, item);
  return first;
}

// Binary coercible to text, so that an index on the column serves the comparison.
bool IsPlain(const PredicateTerm& term) {
  return term.cast.empty() || term.cast == "text" || term.cast == "varchar" ||
         term.cast == "bpchar";
}

// What a plan asks of one relation.
struct Wish {
  const CatalogObject* relation = nullptr;
  std::vector<std::string> equal;
  std::vector<std::string> range;
  std::vector<std::string> join;
  std::vector<std::string> sort;        // With directions.
  std::vector<std::string> predicates;  // Without values: "deleted_at IS NULL", "active".
  // Of `equal`: columns and the literals that they always equal.
  std::vector<std::pair<std::string, std::string>> constants;
  double rows_read = 0;
  double rows_kept = 0;
  std::vector<std::string> used;  // All that the statement reads; empty: not known.
};

class Wishes {
 public:
  explicit Wishes(const Case& one) : one_(one), used_(event::ReadColumnUse(one.e().pattern)) {}

  std::vector<Wish> Read() {
    std::vector<Wish> wishes;
    for (const PlanNode* node : one_.nodes_after()) {
      if (node->relation.empty() || node->type == "ModifyTable") continue;
      const CatalogObject* relation = RelationOf(*node);
      if (relation == nullptr) continue;
      Wish wish = Of(*node, *relation);
      if (wish.rows_read >= kRowsMin) wishes.push_back(std::move(wish));
    }
    std::stable_sort(wishes.begin(), wishes.end(),
                     [](const Wish& a, const Wish& b) { return a.rows_read > b.rows_read; });
    return wishes;
  }

 private:
  // Of the statement's own; an index of a partition is made on its parent.
  const CatalogObject* RelationOf(const PlanNode& node) const {
    const Catalog& catalog = *one_.e().after;
    for (const CatalogObject* relation : catalog.Named("relation", node.relation)) {
      if (!one_.touched().contains(relation->name)) continue;
      const std::string kind = relation->Fact("kind");
      if (kind != "r" && kind != "m" && kind != "p") return nullptr;
      for (int depth = 0; depth < kPartitionDepthMax; ++depth) {
        const CatalogObject* parent = catalog.Find("relation", relation->Fact("parent"));
        if (parent == nullptr || parent->Fact("kind") != "p") break;
        relation = parent;
      }
      return relation;
    }
    return nullptr;
  }

  // As SQL writes it; empty: the relation has none of that name.
  std::string Column(const CatalogObject& relation, const std::string& bare) const {
    const std::string plain = SqlName(bare);
    if (one_.e().after->Find("column", relation.name + "." + plain) != nullptr) return plain;
    // A keyword, which the server quotes.
    const std::string quoted = "\"" + bare + "\"";
    const bool there = one_.e().after->Find("column", relation.name + "." + quoted) != nullptr;
    return there ? quoted : std::string();
  }

  Wish Of(const PlanNode& node, const CatalogObject& relation) const {
    Wish wish;
    wish.relation = &relation;
    const double loops = std::max(node.loops, 1.0);
    wish.rows_kept = node.rows_actual.value_or(node.rows_estimated) * loops;
    wish.rows_read = wish.rows_kept + node.rows_removed * loops;
    for (const std::string& condition : {node.index_condition, node.filter}) {
      for (const PredicateTerm& term : event::ReadPredicate(condition)) {
        const std::string column = Column(relation, term.column);
        if (!column.empty() && IsPlain(term)) AddTerm(term, column, wish);
      }
    }
    const std::string& name = node.alias.empty() ? node.relation : node.alias;
    for (const PlanNode* other : one_.nodes_after()) {
      for (const PredicateTerm& term : event::ReadPredicate(other->join_condition)) {
        const bool ours = term.qualifier == name && term.joins() && IsPlain(term);
        const std::string column = Column(relation, term.column);
        if (ours && term.kind == TermKind::kEqual && !column.empty()) AddOnce(wish.join, column);
      }
      if (wish.sort.empty()) wish.sort = SortOf(*other, name, relation);
    }
    // An index that is read for its order alone, and filtered.
    if (wish.sort.empty() && !node.index.empty() && node.index_condition.empty() &&
        !node.filter.empty()) {
      for (const CatalogObject* index : one_.e().after->Of("index", relation.name)) {
        if (index->Fact("name") == node.index) wish.sort = OrderOf(*index, relation);
      }
    }
    OrderBySelectivity(relation, wish.equal);
    AddConstants(relation, wish);
    wish.used = UsedOf(relation, name);
    // What is compared for equality needs no order of its own.
    const auto fixed = [&](const std::string& key) {
      return std::find(wish.equal.begin(), wish.equal.end(), ColumnOf(key)) != wish.equal.end();
    };
    std::erase_if(wish.range, fixed);
    std::erase_if(wish.sort, fixed);
    std::erase_if(wish.join, fixed);
    return wish;
  }

  // Literals of columns with few values: others are likely to be another one tomorrow.
  void AddConstants(const CatalogObject& relation, Wish& wish) const {
    for (const ConstantTerm& term : one_.e().constants) {
      const std::string name = Column(relation, term.column);
      const auto relations = one_.e().after->Named("relation", term.relation);
      const bool ours = std::find(wish.equal.begin(), wish.equal.end(), name) != wish.equal.end() &&
                        std::find(relations.begin(), relations.end(), &relation) != relations.end();
      if (!ours) continue;
      const CatalogObject& column = *one_.e().after->Find("column", relation.name + "." + name);
      const double distinct = column.Number("distinct");
      if (distinct <= 0 || distinct > kConstantsDistinctMax) continue;
      if (one_.e().show_values || IsOfSchema(relation, column, term.literal)) {
        wish.constants.emplace_back(name, term.literal);
      }
    }
  }
  // A boolean, a label of an enum, or what a CHECK of the table names.
  bool IsOfSchema(const CatalogObject& relation, const CatalogObject& column,
                  const std::string& literal) const {
    const Catalog& catalog = *one_.e().after;
    const std::string type = column.Fact("base_type");
    if (type == "bool") return true;
    for (const CatalogObject* one : catalog.Named("type", type)) {
      if (!one->Fact("labels").empty()) return true;
    }
    const auto constraints = catalog.Of("constraint", relation.name);
    return literal.starts_with('\'') &&
           std::any_of(constraints.begin(), constraints.end(), [&](const CatalogObject* one) {
             return one->Fact("type") == "c" &&
                    one->Fact("definition").find(literal) != std::string::npos;
           });
  }

  // Views and policies read more than the statement says; measuring tells.
  std::vector<std::string> UsedOf(const CatalogObject& relation, const std::string& name) const {
    std::vector<std::string> columns;
    if (used_.any || one_.e().kind != event::StatementKind::kSelect ||
        !one_.named().contains(relation.name)) {
      return columns;
    }
    for (const event::NamedColumn& one : used_.columns) {
      const bool ours =
          one.qualifier.empty() || one.qualifier == name || one.qualifier == relation.Fact("name");
      const std::string column = ours ? Column(relation, one.column) : std::string();
      if (!column.empty()) AddOnce(columns, column);
    }
    return columns;
  }

  static void AddTerm(const PredicateTerm& term, const std::string& column, Wish& wish) {
    switch (term.kind) {
      case TermKind::kEqual:
        AddOnce(term.joins() ? wish.join : wish.equal, column);
        break;
      case TermKind::kRange:
        if (!term.joins()) AddOnce(wish.range, column);
        break;
      case TermKind::kIsNull:
        AddOnce(wish.predicates, column + " IS NULL");
        break;
      case TermKind::kIsNotNull:
        AddOnce(wish.predicates, column + " IS NOT NULL");
        break;
      case TermKind::kIsTrue:
        AddOnce(wish.predicates, column);
        break;
      case TermKind::kIsFalse:
        AddOnce(wish.predicates, "NOT " + column);
        break;
      case TermKind::kOther:
        break;
    }
  }

  // All keys or none: an order by some of them is not the order.
  std::vector<std::string> SortOf(const PlanNode& node, const std::string& name,
                                  const CatalogObject& relation) const {
    std::vector<std::string> keys;
    for (const std::string& text : node.sort_keys) {
      const event::SortKey key = event::ReadSortKey(text);
      const bool ours = !key.column.empty() && (key.qualifier.empty() || key.qualifier == name);
      std::string column = ours ? Column(relation, key.column) : std::string();
      if (column.empty()) return {};
      if (key.descending) column += " DESC";
      if (key.nulls_other) column += key.descending ? " NULLS LAST" : " NULLS FIRST";
      AddOnce(keys, column);
    }
    return keys;
  }

  // Of an index on columns alone.
  std::vector<std::string> OrderOf(const CatalogObject& index,
                                   const CatalogObject& relation) const {
    std::vector<std::string> keys = KeysOf(index);
    for (const std::string& key : keys) {
      const std::string column = relation.name + "." + ColumnOf(key);
      if (one_.e().after->Find("column", column) == nullptr) return {};
    }
    return keys;
  }

  // Those with the most values first: fewer rows are left after each.
  void OrderBySelectivity(const CatalogObject& relation, std::vector<std::string>& columns) const {
    const double rows = std::max(relation.Number("rows"), 1.0);
    const auto distinct = [&](const std::string& column) {
      const CatalogObject* object = one_.e().after->Find("column", relation.name + "." + column);
      const double number = object == nullptr ? 0 : object->Number("distinct");
      return number < 0 ? -number * rows : number;
    };
    std::stable_sort(columns.begin(), columns.end(),
                     [&](const auto& a, const auto& b) { return distinct(a) > distinct(b); });
  }

  const Case& one_;
  const event::ColumnUse used_;
};

// --- Remedies.

// "CREATE UNIQUE INDEX name ON ..." apart.
struct Definition {
  std::string head;  // "CREATE UNIQUE INDEX ".
  std::string tail;  // " ON public.orders USING btree (region)".
};
std::optional<Definition> Split(const CatalogObject& index) {
  const std::string definition = index.Fact("definition");
  const std::string name = SqlName(index.Fact("name"));
  const size_t at = definition.find("INDEX " + name + " ON ");
  if (at == std::string::npos) return std::nullopt;
  Definition parts{definition.substr(0, at + 6), definition.substr(at + 6 + name.size())};
  // Of a partitioned table it would be an index without those of the partitions.
  const std::string only = " ON ONLY ";
  if (parts.tail.starts_with(only)) parts.tail = " ON " + parts.tail.substr(only.size());
  return parts;
}

// "CREATE STATISTICS public.orders_stats (dependencies) ON a, b FROM orders" apart.
std::optional<Definition> SplitStatistics(const CatalogObject& object) {
  const std::string definition = object.Fact("definition");
  const std::string head = "CREATE STATISTICS ";
  if (!definition.starts_with(head)) return std::nullopt;
  bool quoted = false;
  for (size_t i = head.size(); i < definition.size(); ++i) {
    if (definition[i] == '"') quoted = !quoted;
    if (definition[i] == ' ' && !quoted) return Definition{head, definition.substr(i)};
  }
  return std::nullopt;
}

// "sales." of sales.orders, "public." of orders: the schema ends at a dot outside of quotes.
std::string SchemaOf(const std::string& name) {
  bool quoted = false;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '"') quoted = !quoted;
    if (name[i] == '.' && !quoted) return name.substr(0, i + 1);
  }
  return "public.";
}

// No more than `bytes_max`, and no character torn.
std::string CutName(std::string name, size_t bytes_max) {
  if (name.size() <= bytes_max) return name;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  name.resize(end);
  return name;
}

class Proposals {
 public:
  Proposals(const Evidence& evidence, const std::set<std::string>& names)
      : evidence_(evidence), one_(evidence), taken_(names) {}

  std::vector<Remedy> Make() {
    if (evidence_.after == nullptr) return {};
    KeepIndexes();
    if (evidence_.plan_after != nullptr) KeepStatistics();
    ForeignKeys();
    if (evidence_.plan_after != nullptr) {
      // By relation, so that one that is read a lot does not crowd out the next.
      for (const Wish& wish : Wishes(one_).Read()) {
        list_ = wish.relation->name;
        Indexes(wish);
        list_ += " statistics";
        Correlated(wish);
      }
    }
    return InTurn();
  }

 private:
  std::vector<Remedy> InTurn() {
    std::vector<Remedy> chosen;
    for (Remedy& remedy : lists_[""]) chosen.push_back(std::move(remedy));
    bool more = true;
    for (size_t round = 0; more; ++round) {
      more = false;
      for (const std::string& name : order_) {
        std::vector<Remedy>& list = lists_[name];
        if (name.empty() || round >= list.size()) continue;
        chosen.push_back(std::move(list[round]));
        more = true;
      }
    }
    if (chosen.size() > kRemediesMax) chosen.resize(kRemediesMax);
    return chosen;
  }

  // An index of the baseline that its plan used, and that is gone or another one.
  void KeepIndexes() {
    const std::set<std::string> used = UsedBefore();
    for (const Change& change : one_.changes()) {
      if (change.kind() != "index" || change.before == nullptr) continue;
      const CatalogObject& index = *change.before;
      const bool gone = change.type == ChangeType::kDropped ||
                        (change.type == ChangeType::kChanged && !change.facts.empty());
      if (!gone || &DroppedWith(evidence_, index) != &index) continue;
      if (!used.contains(index.name) && !ServesForeignKey(index.table, index.Fact("columns"))) {
        continue;
      }
      const auto parts = Split(index);
      if (!parts || IsThere(index.table, *parts)) continue;
      Remedy remedy;
      remedy.kind = "index kept";
      remedy.table = index.table;
      remedy.columns = {index.Fact("columns")};
      remedy.predicate = index.Fact("predicate");
      remedy.name = FreeName(index.Fact("name"));
      Finish(*parts, std::move(remedy));
    }
  }
  // By the plan of the baseline, with those of partitioned tables above them.
  std::set<std::string> UsedBefore() const {
    std::set<std::string> used;
    if (evidence_.before == nullptr) return used;
    for (const PlanNode* node : one_.nodes_before()) {
      for (const CatalogObject* index : evidence_.before->Named("index", node->index)) {
        for (int depth = 0; index != nullptr && depth < kPartitionDepthMax; ++depth) {
          used.insert(index->name);
          index = evidence_.before->Find("index", index->State("parent"));
        }
      }
    }
    return used;
  }
  // By whatever name, a fix for another finding included.
  bool IsThere(const std::string& table, const Definition& wanted) const {
    const auto indexes = evidence_.after->Of("index", table);
    return std::any_of(indexes.begin(), indexes.end(), [&](const CatalogObject* index) {
      const auto parts = Split(*index);
      return parts && index->Fact("valid") == "yes" && parts->head == wanted.head &&
             parts->tail == wanted.tail;
    });
  }
  bool ServesForeignKey(const std::string& table, const std::string& columns) const {
    const auto keys = evidence_.after->Of("constraint", table);
    return std::any_of(keys.begin(), keys.end(), [&](const CatalogObject* key) {
      return key->Fact("type") == "f" && one_.named().contains(key->Fact("references")) &&
             key->Fact("columns") == columns;
    });
  }

  // The columns of those that point at what the statement deletes, or whose key it changes.
  void ForeignKeys() {
    for (const auto& [key, columns] : UncoveredKeys(one_)) {
      Remedy* const proposed = Index(key->table, columns, {});
      if (proposed == nullptr) continue;
      std::string row;
      std::string values;
      for (const std::string& column : columns) {
        row += (row.empty() ? "" : " AND ") + fmt::format("x.{0} = y.{0}", column);
        values += (values.empty() ? "" : " AND ") + column + " IS NOT NULL";
      }
      proposed->look_up = fmt::format(
          "SELECT 1 FROM ONLY {0} x, LATERAL (SELECT {1} FROM {0} WHERE {2} LIMIT 1) y WHERE {3}",
          key->table, cause::Joined(columns), values, row);
    }
  }

  void Indexes(const Wish& wish) {
    const std::vector<std::string> sort_or_range = wish.sort.empty() ? wish.range : wish.sort;
    const std::string& table = wish.relation->name;
    Index(table, Joined(wish.equal, sort_or_range), {});
    Covering(wish, Joined(wish.equal, sort_or_range));
    Index(table, Joined(wish.equal, wish.range), {});
    if (!wish.join.empty()) {
      Index(table, Joined(wish.join, wish.equal), {});
      Index(table, Joined(wish.equal, wish.join), {});
    }
    Index(table, Joined(Joined(wish.equal, wish.sort), wish.range), {});
    for (const auto& [column, literal] : wish.constants) {
      std::vector<std::string> columns = Joined(Joined(wish.equal, wish.join), sort_or_range);
      if (columns.size() > 1) std::erase(columns, column);
      Remedy* const partial = Index(table, columns, fmt::format("{} = {}", column, literal));
      if (partial == nullptr) continue;
      partial->advice.push_back(fmt::format(
          "serves only what asks for {} = {}, as each sample of the query does", column, literal));
    }
    for (const std::string& predicate : wish.predicates) {
      const std::vector<std::string> columns = Joined(Joined(wish.equal, wish.join), sort_or_range);
      Index(table, columns.empty() ? std::vector{PredicateColumn(predicate)} : columns, predicate);
    }
    if (!wish.equal.empty()) Index(table, wish.equal, {});
  }
  // With all that the query reads, so that it need not visit the rows.
  void Covering(const Wish& wish, std::vector<std::string> keys) {
    if (wish.used.empty() || keys.empty() || wish.rows_kept < kRowsCovered) return;
    if (keys.size() > kIndexColumnsMax) keys.resize(kIndexColumnsMax);
    std::vector<std::string> included;
    double bytes = 0;
    for (const std::string& column : wish.used) {
      if (std::any_of(keys.begin(), keys.end(),
                      [&](const std::string& key) { return ColumnOf(key) == column; })) {
        continue;
      }
      const CatalogObject* object =
          evidence_.after->Find("column", wish.relation->name + "." + column);
      if (object == nullptr || !IsBounded(*object)) return;
      bytes += object->Number("width");
      included.push_back(column);
    }
    if (included.empty() || included.size() > kIncludedMax || bytes > kIncludedBytesMax) return;
    Index(wish.relation->name, std::move(keys), {}, std::move(included));
  }
  // Values too long for a page of the index would make writes fail.
  bool IsBounded(const CatalogObject& column) const {
    static const std::set<std::string> kTypes = {
        "bool",    "int2",     "int4",    "int8",      "float4",      "float8",
        "numeric", "date",     "time",    "timestamp", "timestamptz", "uuid",
        "timetz",  "interval", "macaddr", "money",     "oid",         "inet"};
    const std::string type = column.Fact("base_type");
    if (kTypes.contains(type)) return true;
    if (type == "varchar" || type == "bpchar") {
      const std::string written = column.Fact("type");  // "character varying(20)".
      const size_t open = written.find('(');
      const double most =
          open == std::string::npos ? 0 : std::strtod(written.c_str() + open + 1, nullptr);
      return most > 0 && most <= kIncludedBytesMax;
    }
    const auto types = evidence_.after->Named("type", type);
    return std::any_of(types.begin(), types.end(),
                       [](const CatalogObject* one) { return !one->Fact("labels").empty(); });
  }

  static std::string PredicateColumn(const std::string& predicate) {
    if (predicate.starts_with("NOT ")) return predicate.substr(4);
    const size_t is = predicate.rfind(" IS ");
    return is == std::string::npos ? predicate : predicate.substr(0, is);
  }

  void KeepStatistics() {
    for (const Change& change : one_.changes()) {
      if (change.kind() != "statistics" || change.type != ChangeType::kDropped) continue;
      const auto parts = SplitStatistics(*change.before);
      if (!parts || !one_.Touches(change)) continue;
      Remedy remedy;
      remedy.kind = "statistics";
      remedy.name = change.before->Fact("name");
      remedy.table = change.before->table;
      remedy.made = SchemaOf(change.before->name) + SqlName(FreeName(kMadeName));
      Statistics(*parts, SchemaOf(change.before->name), remedy);
    }
  }
  void Statistics(const Definition& parts, const std::string& schema, Remedy& remedy) {
    remedy.sql = {parts.head + schema + SqlName(remedy.name) + parts.tail + ";",
                  "ANALYZE " + remedy.table + ";"};
    remedy.steps = {{parts.head + remedy.made + parts.tail, "DROP STATISTICS " + remedy.made},
                    {"ANALYZE " + remedy.table, ""}};
    Add(std::move(remedy));
  }
  // Columns that are compared together and whose rows were misjudged.
  void Correlated(const Wish& wish) {
    if (wish.equal.size() < 2) return;
    const auto& nodes = one_.nodes_after();
    const bool misjudged = std::any_of(nodes.begin(), nodes.end(), [&](const PlanNode* node) {
      if (node->relation != wish.relation->Fact("name") || !node->rows_actual) return false;
      const double actual = std::max(*node->rows_actual, 1.0);
      const double estimate = std::max(node->rows_estimated, 1.0);
      return std::max(actual / estimate, estimate / actual) >= kMisestimate;
    });
    if (!misjudged) return;
    Remedy remedy;
    remedy.kind = "statistics";
    remedy.table = wish.relation->name;
    remedy.columns = wish.equal;
    if (remedy.columns.size() > kIndexColumnsMax) remedy.columns.resize(kIndexColumnsMax);
    if (IsProposed(remedy)) return;
    remedy.name = FreeName(NameFor(remedy, "stats"));
    remedy.made = SchemaOf(remedy.table) + SqlName(FreeName(kMadeName));
    Statistics({"CREATE STATISTICS ",
                fmt::format(" ON {} FROM {}", cause::Joined(remedy.columns), remedy.table)},
               SchemaOf(remedy.table), remedy);
  }

  // nullptr: nothing is proposed. Valid until the next one.
  Remedy* Index(const std::string& table, std::vector<std::string> columns,
                const std::string& predicate, std::vector<std::string> included = {}) {
    if (columns.empty()) return nullptr;
    if (columns.size() > kIndexColumnsMax) columns.resize(kIndexColumnsMax);
    Remedy remedy;
    remedy.kind = "index";
    remedy.table = table;
    remedy.columns = std::move(columns);
    remedy.predicate = predicate;
    remedy.included = std::move(included);
    const std::string wanted = cause::Joined(remedy.columns);
    for (const CatalogObject* index : evidence_.after->Of("index", table)) {
      if (index->Fact("valid") == "yes" && cause::Joined(KeysOf(*index)) == wanted &&
          index->Fact("predicate").empty() && index->Fact("method") == "btree" &&
          index->Fact("definition").find(IncludeOf(remedy)) != std::string::npos) {
        return nullptr;  // It is there, and does not help.
      }
    }
    if (IsProposed(remedy)) return nullptr;
    remedy.name = FreeName(NameFor(remedy, remedy.included.empty() ? "idx" : "covering_idx"));
    if (!remedy.included.empty()) remedy.advice = {kCovering};
    Definition parts{"CREATE INDEX ",
                     fmt::format(" ON {} ({}){}", table, wanted, IncludeOf(remedy))};
    if (!predicate.empty()) parts.tail += " WHERE " + predicate;
    return Finish(parts, std::move(remedy));
  }

  static std::string IncludeOf(const Remedy& remedy) {
    return remedy.included.empty() ? std::string()
                                   : fmt::format(" INCLUDE ({})", cause::Joined(remedy.included));
  }

  Remedy* Finish(const Definition& parts, Remedy remedy) {
    const std::string name = SqlName(remedy.name);
    const CatalogObject* relation = evidence_.after->Find("relation", remedy.table);
    const bool partitioned = relation != nullptr && relation->Fact("kind") == "p";
    const std::string made = SqlName(FreeName(kMadeName));
    remedy.made = SchemaOf(remedy.table) + made;
    remedy.steps = {{parts.head + made + parts.tail, "DROP INDEX " + remedy.made}};
    if (partitioned) {
      remedy.sql = {parts.head + name + parts.tail + ";"};
      remedy.advice.emplace_back(
          "CONCURRENTLY does not work on a partitioned table: where writes must go on, build the "
          "index on each partition CONCURRENTLY first, then run this");
    } else {
      remedy.sql = {parts.head + "CONCURRENTLY " + name + parts.tail + ";"};
      remedy.advice.emplace_back(kConcurrently);
    }
    return Add(std::move(remedy));
  }

  bool IsProposed(const Remedy& remedy) const {
    const auto same = [&](const Remedy& other) {
      return other.table == remedy.table && other.columns == remedy.columns &&
             other.included == remedy.included && other.predicate == remedy.predicate &&
             (other.kind == "statistics") == (remedy.kind == "statistics");
    };
    return std::any_of(lists_.begin(), lists_.end(), [&](const auto& list) {
      return std::any_of(list.second.begin(), list.second.end(), same);
    });
  }

  Remedy* Add(Remedy remedy) {
    if (!lists_.contains(list_)) order_.push_back(list_);
    return &lists_[list_].emplace_back(std::move(remedy));
  }

  static std::string NameFor(const Remedy& remedy, const char* suffix) {
    std::string name = remedy.table;
    for (const std::string& column : remedy.columns) {
      name += "_" + ColumnOf(column);
    }
    std::erase(name, '"');
    std::replace(name.begin(), name.end(), '.', '_');
    return CutName(std::move(name), kNameBytesMax - 16) + "_" + suffix;
  }
  // Not that of another object of the candidate, nor of another remedy.
  std::string FreeName(const std::string& wanted) {
    std::string name = wanted;
    for (int i = 1; i < 1000 && IsTaken(name); ++i) {
      name = fmt::format("{}{}", CutName(wanted, kNameBytesMax - 3), i);
    }
    taken_.insert(name);
    return name;
  }
  bool IsTaken(const std::string& name) const {
    if (taken_.contains(name)) return true;
    for (const char* kind : {"relation", "index", "statistics", "sequence", "type"}) {
      if (!evidence_.after->Named(kind, name).empty()) return true;
    }
    return false;
  }

  const Evidence& evidence_;
  const Case one_;
  std::set<std::string> taken_;
  std::string list_;  // That the next remedy joins; empty: of what was there before.
  std::map<std::string, std::vector<Remedy>> lists_;
  std::vector<std::string> order_;  // Of lists_, as they were begun.
};

}  // namespace

std::vector<Remedy> ProposeRemedies(const Evidence& evidence, const std::set<std::string>& names) {
  return Proposals(evidence, names).Make();
}

}  // namespace scry::cause
