// What is known of one finding when its cause is looked for: the finding itself, the plans of both
// lanes, and what the migration changed in the catalogue. Plain values and views of what the caller
// owns. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cause/catalog.h"
#include "event/predicate.h"
#include "event/statement_facts.h"
#include "explain/plan.h"

namespace scry::cause {

// "status = 'open'", which a statement demands whatever its parameters are.
struct ConstantTerm {
  std::string relation;  // As written.
  std::string column;    // Bare.
  std::string literal;   // SQL.
  friend bool operator==(const ConstantTerm&, const ConstantTerm&) = default;
};

struct Evidence {
  std::string type;   // compare::Name(FindingClass).
  bool tail = false;  // Of a warning: some calls take longer, not what they answer differs.
  std::string sqlstate;
  std::string message;               // Without values.
  std::string difference;            // compare::Name(DifferenceKind).
  std::vector<std::string> columns;  // Of the result, that differ.
  std::string pattern;
  event::StatementKind kind = event::StatementKind::kOther;
  std::vector<std::string> relations;  // As written; see StatementFacts.
  std::vector<std::string> functions;
  std::string role;  // Of the session.
  std::vector<ConstantTerm> constants;
  bool show_values = false;  // Constants may be told that are not part of the schema.
  // VACUUM (ANALYZE) has passed since the catalogues were read: what they say of statistics and
  // visibility maps is no cause any more.
  bool settled = false;
  // nullptr: not known, or does not run there.
  const explain::Plan* plan_before = nullptr;
  const explain::Plan* plan_after = nullptr;
  // Blocks that triggers touched, those of foreign keys included; nullopt: not counted.
  std::optional<double> triggers_before;
  std::optional<double> triggers_after;
  // nullptr: the catalogue could not be read.
  const Catalog* before = nullptr;
  const Catalog* after = nullptr;
  const std::vector<Change>* changes = nullptr;
};

// An Evidence with what the rules ask of it.
class Case {
 public:
  // `evidence` outlives it.
  explicit Case(const Evidence& evidence);

  const Evidence& e() const { return evidence_; }
  bool has_catalog() const { return evidence_.changes != nullptr; }
  const std::vector<Change>& changes() const;
  // The first change that `fits`, of what the statement touches before others.
  template <typename Fits>
  const Change* FindChange(std::string_view kind, Fits fits) const {
    const Change* other = nullptr;
    for (const Change& change : changes()) {
      if (change.kind() != kind || !fits(change)) continue;
      if (Touches(change)) return &change;
      if (other == nullptr) other = &change;
    }
    return other;
  }
  // The same of nothing else.
  template <typename Fits>
  const Change* FindTouched(std::string_view kind, Fits fits) const {
    const Change* found = FindChange(kind, fits);
    return found != nullptr && Touches(*found) ? found : nullptr;
  }
  // Is it of a relation that the statement reads or writes, also through a view or a partition?
  bool Touches(const Change& change) const;
  const std::set<std::string>& touched() const { return touched_; }
  // Relations that the statement itself names, as the catalogue calls them.
  const std::set<std::string>& named() const { return named_; }
  bool Calls(const Change& function) const;

  // What stands in double quotes in the message.
  const std::vector<std::string>& quoted() const { return quoted_; }
  // "orders" of 'permission denied for table orders', 'relation "orders" does not exist'.
  std::string NameInMessage() const;
  bool Writes() const;

  const std::vector<const explain::PlanNode*>& nodes_before() const { return nodes_before_; }
  const std::vector<const explain::PlanNode*>& nodes_after() const { return nodes_after_; }
  // The scan that touches most by itself; nullptr: no plan.
  const explain::PlanNode* Matter() const { return matter_; }

 private:
  const Evidence& evidence_;
  std::set<std::string> named_;
  std::set<std::string> touched_;
  std::vector<std::string> quoted_;
  std::vector<const explain::PlanNode*> nodes_before_;
  std::vector<const explain::PlanNode*> nodes_after_;
  const explain::PlanNode* matter_ = nullptr;
};

// Of a catalogue: is there a usable index whose first columns are these, in any order? Names as SQL
// writes them. Of a partitioned table: or does each of its partitions have one.
bool HasIndexOn(const Catalog& catalog, const std::string& table,
                const std::vector<std::string>& columns);

// A foreign key to a relation that the statement names, and the columns that refer to it.
struct UncoveredKey {
  const CatalogObject* key = nullptr;
  std::vector<std::string> columns;
};
// Those whose columns no index of `after` covers, where the statement deletes what they point at,
// or changes the columns that they point at; what partitions have of their parent is told of the
// parent alone. REQUIRES: there is an `after`.
std::vector<UncoveredKey> UncoveredKeys(const Case& one);

// The index that it was dropped with: that of the partitioned table, at the top; itself where it
// went alone. REQUIRES: both catalogues are there, and `index` is of `before`.
const CatalogObject& DroppedWith(const Evidence& evidence, const CatalogObject& index);

// The keys of an index as CREATE INDEX takes them: "placed DESC", "name text_pattern_ops",
// "lower(email)".
std::vector<std::string> KeysOf(const CatalogObject& index);
// The column of a key, as SQL writes it; of an expression, what stands before its first space.
std::string ColumnOf(const std::string& key);
// "a, lower(b, c)" at the commas outside of parentheses and quotes.
std::vector<std::string> SplitList(std::string_view list);

// The columns that an index would have to be on to find the rows of a scan: those compared for
// equality first. As the filter and the index condition of the node name them.
struct WantedColumns {
  std::vector<std::string> equal;
  std::vector<std::string> range;
};
WantedColumns WantedBy(const explain::PlanNode& node);

// `name` as SQL writes it, but for keywords: orders, "Orders".
std::string SqlName(std::string_view name);
std::string Joined(const std::vector<std::string>& words);

}  // namespace scry::cause
