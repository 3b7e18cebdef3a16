// Which tables a migration touched, found by comparing the candidate with a baseline that was the
// same before: rewritten, altered, indexed, or with rows written. Used by the test-migration job.
// Blocks.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "pg/admin.h"

namespace scry::migration {

struct TableName {
  std::string schema;
  std::string table;
};

// Tables of the candidate's database, also those that are new.
base::Result<std::vector<TableName>> TouchedTables(pg::AdminSession& baseline,
                                                   pg::AdminSession& candidate);

// A relation through which statements see a touched table: itself, partitions' parents, views.
struct TouchedRelation {
  std::string schema;
  std::string table;
  std::string touched;  // As SQL names it: public."Order". One entry for each such table.
};

// Of those that exist in the lane.
base::Result<std::vector<TouchedRelation>> RelationsOver(pg::AdminSession& lane,
                                                         const std::vector<TableName>& tables);

// VACUUM (ANALYZE) of each that exists: what autovacuum does in the minutes after a migration.
base::Status SettleTables(pg::AdminSession& lane, const std::vector<TableName>& tables);

}  // namespace scry::migration
