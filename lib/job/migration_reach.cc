#include "job/migration_reach.h"

#include <algorithm>

#include "event/relation_name.h"
#include "event/take_away.h"
#include "migration/touched_tables.h"
#include "pg/admin.h"

namespace scry::job {
namespace {

using migration::LockMode;

constexpr size_t kRelationsMax = 50;

}  // namespace

bool StopsOthers(const migration::StatementProfile& statement) {
  return std::any_of(statement.locks.begin(), statement.locks.end(),
                     [](const migration::TakenLock& lock) { return StopsTraffic(lock); });
}

std::vector<uint32_t> StoppedRelations(const migration::MigrationProfile& profile) {
  std::vector<uint32_t> relations;
  for (const migration::StatementProfile& statement : profile.statements) {
    for (const migration::TakenLock& lock : statement.locks) {
      if (!StopsTraffic(lock) || lock.made) continue;
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
  for (const migration::Rewritten& table : profile.change.rewritten) tables.insert(table.name);
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

base::Result<std::map<std::string, LockMode>> NamesOver(const migration::MigrationProfile& profile,
                                                        const pg::ConnInfo& fork) {
  std::map<std::string, LockMode> tables;
  // Its writes wait for rows that others wrote or locked: like this lock, and for nobody who reads.
  for (const std::string& table : WrittenTables(profile)) tables[table] = LockMode::kExclusive;
  for (const migration::StatementProfile& statement : profile.statements) {
    for (const migration::TakenLock& lock : statement.locks) {
      if (StopsTraffic(lock)) tables[lock.name] = std::max(tables[lock.name], lock.mode);
    }
  }
  std::map<LockMode, std::vector<migration::TableName>> by_mode;
  std::map<std::string, LockMode> names;
  const auto add = [&](const std::string& name, LockMode mode) {
    names[name] = std::max(names[name], mode);
  };
  for (const auto& [table, mode] : tables) {
    const size_t dot = table.find('.');
    const std::string bare(event::BareName(table));
    by_mode[mode].push_back({dot == std::string::npos ? "public" : table.substr(0, dot), bare});
    add(bare, mode);
  }
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(fork));
  for (const auto& [mode, named] : by_mode) {
    SCRY_TRY_ASSIGN(const auto over, migration::RelationsOver(session, named));
    for (const migration::TouchedRelation& relation : over) add(relation.table, mode);
  }
  return names;
}

}  // namespace scry::job
