#include "job/migration_reach.h"

#include <algorithm>

#include "event/take_away.h"
#include "migration/touched_tables.h"
#include "pg/admin.h"

namespace scry::job {
namespace {

constexpr size_t kRelationsMax = 50;

}  // namespace

bool StopsOthers(const migration::StatementProfile& statement) {
  return std::any_of(statement.locks.begin(), statement.locks.end(),
                     [](const migration::TakenLock& lock) { return StopsTraffic(lock.mode); });
}

std::vector<uint32_t> StoppedRelations(const migration::MigrationProfile& profile) {
  std::vector<uint32_t> relations;
  for (const migration::StatementProfile& statement : profile.statements) {
    for (const migration::TakenLock& lock : statement.locks) {
      if (!StopsTraffic(lock.mode)) continue;
      if (std::find(relations.begin(), relations.end(), lock.relation) != relations.end()) continue;
      if (relations.size() < kRelationsMax) relations.push_back(lock.relation);
    }
  }
  return relations;
}

// The server's statistics say so late, and the statements only where they name them.
std::set<std::string> WrittenTables(const migration::MigrationProfile& profile) {
  std::set<std::string> tables;
  for (const auto& [table, rows] : profile.change.rows_written) tables.insert(table);
  for (const migration::StatementProfile& statement : profile.statements) {
    if (statement.rows == 0) continue;
    for (std::string relation : statement.relations) {
      if (relation.starts_with("public.")) relation.erase(0, 7);
      if (profile.table_bytes.contains(relation)) tables.insert(relation);
    }
  }
  return tables;
}

bool TakesAway(const migration::MigrationProfile& profile) {
  return std::any_of(profile.statements.begin(), profile.statements.end(), [](const auto& one) {
    return one.sqlstate.empty() &&
           (event::TakesAway(one.text.empty() ? one.pattern : one.text) & event::kObjects) != 0;
  });
}

base::Result<std::vector<std::string>> NamesOver(const migration::MigrationProfile& profile,
                                                 const pg::ConnInfo& fork) {
  std::set<std::string> tables = WrittenTables(profile);
  for (const migration::StatementProfile& statement : profile.statements) {
    for (const migration::TakenLock& lock : statement.locks) {
      if (StopsTraffic(lock.mode)) tables.insert(lock.name);
    }
  }
  std::vector<migration::TableName> named;
  std::set<std::string> names;
  for (const std::string& table : tables) {
    const size_t dot = table.find('.');
    const std::string bare = dot == std::string::npos ? table : table.substr(dot + 1);
    named.push_back({dot == std::string::npos ? "public" : table.substr(0, dot), bare});
    names.insert(bare);
  }
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(fork));
  SCRY_TRY_ASSIGN(const auto over, migration::RelationsOver(session, named));
  for (const migration::TouchedRelation& relation : over) names.insert(relation.table);
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace scry::job
