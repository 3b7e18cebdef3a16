// Reads off an exchange what it touches: from the text of its statements, the values of their keys
// and what the lanes' catalogs say of the names. What is not known touches everything. Used by the
// replayer, in the order of each session. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/shared_text.h"
#include "event/event.h"
#include "event/statement_facts.h"
#include "event/value_sites.h"
#include "replay/footprint.h"
#include "replay/relation_catalog.h"

namespace scry::replay {

// What the exchanges of a session before left behind.
struct SessionTrail {
  const RelationCatalog* catalog = nullptr;  // Of its database; nullptr: the first one's.
  std::vector<Access> held;                  // Changed or locked by the open transaction.
  bool session_locks = false;                // Advisory locks of the session may be held.
  bool open = false;                         // In a transaction.
  bool failed = false;                       // In one that failed.
  bool begun = false;                        // By its statements: BEGIN was seen, its end was not.
  bool torn = false;              // ... which is not what the server said: something is missing.
  bool savepoints = false;        // It has, or had, some.
  bool listens = false;           // It listens on some channel, or did.
  bool table_locks = false;       // It locked whole tables: DDL, LOCK TABLE.
  bool takes_snapshot = false;    // The open transaction is REPEATABLE READ or SERIALIZABLE ...
  bool serializable = false;      // ... (the latter) ...
  bool snapshot_taken = false;    // ... and has its snapshot.
  bool snapshot_default = false;  // Transactions of this session are.
  bool serializable_default = false;
  base::Micros idle_limit_us = 0;  // See ExchangeFacts.
  // What checks look up that the open transaction may have put off to its end.
  std::vector<Access> put_off;
  std::vector<Access> cursors;            // What fetching from its cursors may lock or change.
  std::set<std::string> temporary;        // Tables that it made for itself, or that are gone since.
  std::set<std::string> temporary_views;  // Likewise; what is below them is not known.
  // Prepared statements of the protocol whose declared types forbid to compare keys.
  std::set<std::string> odd_types;
  // By SQL PREPARE: name to the text and which statement of it.
  std::unordered_map<std::string, std::pair<base::SharedText, uint32_t>> prepared;
};

// Does another session than `session` hold what `footprint` needs, in a transaction that is open?
bool HeldByOthers(uint64_t session, const Footprint& footprint,
                  const std::unordered_map<uint64_t, SessionTrail>& trails);

class FootprintReader {
 public:
  FootprintReader(event::FactsCache& facts, RelationCatalog catalog)
      : facts_(facts), catalog_(std::move(catalog)), objects_end_(catalog_.end()) {}

  ExchangeFacts Read(const event::Exchange& exchange, SessionTrail& trail);
  // `database`: where the session ends up; empty, or one without a catalog: the first one.
  void Start(const event::SessionStart& start, SessionTrail& trail,
             const std::string& database = {}) const;
  // For sessions that start in another database than the first one.
  bool HasCatalog(const std::string& database) const { return others_.contains(database); }
  void AddCatalog(const std::string& database, RelationCatalog catalog);
  size_t catalogs() const { return others_.size(); }
  // Where the objects of the next catalog begin.
  ObjectId objects_end() const { return objects_end_; }
  // Whoever waits for it has got all notifications that were sent until then.
  static Footprint Notified() { return {{{kNotifications, 0, Mode::kRead}}, {}, false}; }
  // Of the start of a session.
  static Footprint Connected() { return {{{kLogins, 0, Mode::kRead}}, {}, false}; }
  // Whoever connects after it may find other roles, settings or databases.
  static bool ChangesLogins(const Footprint& footprint);
  // The end of a session: an open transaction is rolled back, advisory locks are let go.
  static Footprint End(const SessionTrail& trail);
  // What it knows of texts, for others to share.
  event::SitesCache& sites() { return sites_; }

 private:
  struct Values;
  class Reading;

  event::FactsCache& facts_;
  event::SitesCache sites_;
  const RelationCatalog catalog_;
  std::map<std::string, RelationCatalog> others_;  // By database. Trails point into it.
  ObjectId objects_end_;
  // What DDL of the traffic made or changed, so that the catalog no longer tells the truth of it.
  std::set<std::string, std::less<>> remade_;  // Relations, without schema.
  std::set<ObjectId> remade_objects_;
  std::set<std::string> remade_functions_;
};

}  // namespace scry::replay
