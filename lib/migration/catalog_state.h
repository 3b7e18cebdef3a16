// What a database's catalogs say of its relations at one moment, and what two such moments tell of
// the migration between them: what statement texts, locks and event triggers cannot. Used by
// MigrationWatch. Reading blocks; comparing is pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "pg/admin.h"

namespace scry::migration {

struct RelationState {
  std::string name;       // "orders", or "audit.log" outside of public.
  char kind = 0;          // pg_class.relkind.
  uint32_t table = 0;     // Of an index.
  uint32_t filenode = 0;  // 0: it has no file.
  uint64_t bytes = 0;     // Of tables: with indexes and TOAST.
  uint64_t pages = 0;
  uint64_t all_visible = 0;
  bool valid = true;                 // Of an index.
  std::set<std::string> grants;      // "SELECT to app", "SELECT (total) to app".
  std::set<std::string> statistics;  // Columns that have some; "extended NAME".
  std::set<std::string> columns;
  uint64_t rows_written = 0;  // Since the server's statistics began.
};

struct GrantedObject {
  uint32_t oid = 0;
  std::set<std::string> grants;  // "EXECUTE to app".
};

struct CatalogState {
  std::map<uint32_t, RelationState> relations;  // By OID; those of users.
  // Users' functions: by name in lower case, what is in them (of a long one its begin).
  std::map<std::string, std::string> functions;
  // Users' functions, types and schemas: "function audit.pay(integer)", "type mood", "schema
  // audit".
  std::map<std::string, GrantedObject> granted;
  uint64_t wal_lsn = 0;
  uint64_t database_bytes = 0;
  uint64_t temp_bytes = 0;  // Written so far to temporary files.
};

base::Result<CatalogState> ReadCatalogState(pg::AdminSession& session);

struct Rewritten {
  uint32_t relation = 0;
  std::string name;
  uint64_t bytes_before = 0;  // With indexes and TOAST.
  uint64_t bytes_after = 0;
};

struct CatalogChange {
  std::vector<Rewritten> rewritten;          // Tables whose file is another, or new content.
  std::vector<uint32_t> reindexed;           // Indexes whose file is another, their table's is not.
  std::vector<std::string> statistics_lost;  // "orders.status".
  std::vector<std::string> visibility_lost;  // Tables whose pages were known to be all visible.
  std::vector<std::string> indexes_invalid;
  std::vector<std::string> grants_lost;  // "SELECT on orders to app": of what was made anew.
  std::map<std::string, uint64_t> rows_written;  // By table that existed before.
};

CatalogChange Compare(const CatalogState& before, const CatalogState& after);

}  // namespace scry::migration
