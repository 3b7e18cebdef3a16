// What the order of replay has to know of a database: which relations a name means, what reading or
// writing one touches besides itself, and which functions are harmless. Read once from every lane;
// what any lane says counts, as all lanes get one order. One for each database. Pure but for
// ReadCatalog; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "pg/admin.h"
#include "replay/footprint.h"
#include "replay/function_classes.h"

namespace scry::replay {

// How values of a key column are written, as far as text and binary forms can be told to be equal.
enum class KeyType : uint8_t { kInteger, kText, kUuid };

struct RelationFacts {
  ObjectId object = kEverything;  // Of the root of its partition or inheritance tree.
  // The one key by which single rows are told apart: a column of a whole unique index, preferably
  // the primary key. Empty: none.
  std::string key_column;
  KeyType key_type = KeyType::kInteger;
  // Its place among the columns, from 1. 0: not the same on every lane.
  uint32_t key_position = 0;
  // That column does not tell which rows a new row meets: there are further unique indexes,
  // triggers that may change it, or parts that have their own.
  bool meets_otherwise = false;
  // No unique index: new rows do not get in each other's way.
  bool unique = false;
  // Columns of unique indexes, of partition keys, and those that foreign keys refer to: an UPDATE
  // of such a column may move rows or meet others.
  std::set<std::string> guarded;
  std::map<std::string, std::vector<uint64_t>> draws;  // Column to the sequences of its default.
  std::vector<ObjectId> reads;      // A view: what is below it. Itself otherwise.
  std::vector<ObjectId> made_of;    // A materialized view: what REFRESH reads.
  std::vector<ObjectId> parents;    // Looked up by foreign keys when it is written.
  std::vector<ObjectId> cascades;   // Changed when its rows or keys go.
  std::vector<ObjectId> referring;  // Looked up when its rows or keys go.
  bool reads_unknown = false;       // Policies, or functions in a view: may read anything.
  bool reading_writes = false;      // A view that writes or locks.
  // ... when it is written or refreshed: triggers, defaults, functions in a materialized view.
  bool writing_reads = false;
  bool calls_functions = false;  // Its triggers and defaults call some of users.
  bool writing_unknown = false;  // Triggers or rules that may do anything.
  // Looked up by checks that may be put off to the end of the transaction that wrote it ...
  std::vector<ObjectId> put_off;
  FunctionClass put_off_calls = FunctionClass::kHarmless;  // ... and what its triggers do then.
};

class RelationCatalog {
 public:
  // `first`: where its objects begin. Those of two databases are different ones.
  explicit RelationCatalog(ObjectId first = kFirstRelation) : first_(first) {}
  ObjectId end() const { return first_ + static_cast<ObjectId>(ids_.size()); }

  // `schema` "" and `name`: every relation that an unqualified name may mean. Of kinds that never
  // matter to the order (system catalogs): empty, and known.
  struct Found {
    bool known = false;
    std::vector<const RelationFacts*> relations;
  };
  Found Find(std::string_view schema, std::string_view name) const;
  // Of what a name may mean, the worst. Lower case, without schema. Unknown: kWrites.
  FunctionClass ClassOf(const std::string& function) const;
  bool HasFunction(const std::string& function) const { return functions_.contains(function); }
  // Operators whose function writes, as they stand in the text.
  const std::set<std::string>& writing_operators() const { return writing_operators_; }
  // Somewhere a default makes transactions REPEATABLE READ or SERIALIZABLE.
  bool snapshots_by_default() const { return snapshots_by_default_; }
  // Some check may be put off to the end of a transaction.
  bool puts_off() const { return puts_off_; }

  // Adds what `lane` knows. Blocks.
  base::Status Add(pg::AdminSession& lane);
  // For tests.
  RelationFacts& Put(const std::string& schema, const std::string& name);
  void PutFunction(const std::string& name, FunctionClass function_class);
  void PutOperator(const std::string& name) { writing_operators_.insert(name); }

 private:
  class Reader;

  ObjectId IdOf(const std::string& qualified);
  void CloseCascades();

  ObjectId first_;
  std::unordered_map<std::string, ObjectId> ids_;                         // By "schema.name".
  std::map<std::string, RelationFacts, std::less<>> relations_;           // By "schema.name".
  std::map<std::string, std::set<std::string>, std::less<>> schemas_of_;  // By name.
  std::set<std::string, std::less<>> system_relations_;                   // Names.
  std::unordered_map<std::string, FunctionClass> functions_;
  std::set<std::string> writing_operators_;
  bool snapshots_by_default_ = false;
  bool puts_off_ = false;
};

}  // namespace scry::replay
