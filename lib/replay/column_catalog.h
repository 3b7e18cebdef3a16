// Which columns make their values themselves (defaults that draw from a sequence, identity columns,
// volatile defaults), and which refer to those through foreign keys; and xmin, the version of a row
// to many applications. What a lane has there may be another value than production's, and means the
// same. Known by name from the baseline, and by the OIDs of every lane. Pure, but for AddLane; one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "event/value_sites.h"
#include "pg/admin.h"
#include "replay/identity_map.h"
#include "replay/identity_value.h"

namespace scry::replay {

struct MappedColumn {
  DomainId domain = 0;
  ValueKind kind = ValueKind::kOpaque;
  bool own = false;    // It makes the values of its domain; else it refers to the one that does.
  bool drawn = false;  // The domain's values come from a sequence.
  bool xmin = false;  // It says which transaction wrote the row: a domain of its own in each table.
};

struct KeyColumn {
  std::string name;
  uint16_t number = 0;
  ValueKind kind = ValueKind::kOpaque;
};

class ColumnCatalog {
 public:
  // The baseline first. REQUIRES: client_encoding UTF8. Blocks.
  base::Status AddLane(pg::AdminSession& lane);

  // By what a RowDescription says. nullptr: its values are what they are.
  const MappedColumn* Find(size_t lane, uint32_t table_oid, uint16_t column_number) const;

  struct Named {
    const MappedColumn* column = nullptr;
    bool ambiguous = false;  // It may be one of several, of which one at least is mapped.
    const std::vector<KeyColumn>* key = nullptr;  // Of the primary key of its relation.
  };
  // By what the text of a statement says.
  Named Find(const event::ValueSite& site) const;
  // The columns of the data of COPY `relation` (`names`) FROM, in its order; where `names` is
  // empty, all but the generated ones. nullptr: its values are what they are, or it may be one of
  // several.
  std::vector<const MappedColumn*> FindCopied(std::string_view relation,
                                              const std::vector<std::string>& names) const;
  // The values of a sequence, by its name as nextval() takes it. nullptr: not known, or of several.
  const MappedColumn* FindSequence(std::string_view name) const;
  // The column of a relation that draws from a sequence. nullptr: none, or several.
  const MappedColumn* DrawnBy(std::string_view relation) const;
  // The primary key of a table, by the baseline's OID. Empty: it has none.
  const std::vector<KeyColumn>& KeyOf(uint32_t table_oid) const;
  const MappedColumn* SequenceNamed(const std::string& schema, const std::string& name) const;

  bool empty() const { return domains_ == 0; }

  // For tests, in the order of the columns.
  void Put(const std::string& schema, const std::string& relation, const std::string& column,
           const MappedColumn& mapped, bool generated = false);
  void PutSequence(const std::string& schema, const std::string& name, const MappedColumn& column) {
    sequences_[schema + "." + name] = column;
  }
  void PutKey(const std::string& relation, uint32_t table_oid, std::vector<KeyColumn> key);
  void PutOid(size_t lane, uint32_t table_oid, uint16_t column_number, const MappedColumn& column);

 private:
  class Reader;
  struct Relation {
    std::string schema;
    std::vector<std::string> columns;  // In their order, without xmin.
    std::vector<KeyColumn> key;
    std::set<std::string, std::less<>> generated;
    std::map<std::string, MappedColumn, std::less<>> mapped;
    bool Has(std::string_view column) const;
  };
  using Position = std::pair<uint32_t, uint16_t>;
  struct PositionHash {
    size_t operator()(const Position& position) const {
      return std::hash<uint64_t>()(uint64_t{position.first} << 16 | position.second);
    }
  };

  std::vector<const Relation*> RelationsOf(std::string_view name) const;
  static const MappedColumn* ColumnOf(const Relation& relation, const std::string& column);

  DomainId domains_ = 0;
  std::multimap<std::string, Relation, std::less<>> relations_;  // By name without schema.
  std::map<std::string, MappedColumn, std::less<>> sequences_;   // By "schema.name".
  std::vector<std::unordered_map<Position, MappedColumn, PositionHash>> lanes_;
  std::unordered_map<uint32_t, std::vector<KeyColumn>> keys_;
};

}  // namespace scry::replay
