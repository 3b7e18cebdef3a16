// Watches a migration on a fork: what each statement does, whatever tool runs it, and nothing that
// the tool could see. Used by the jobs, one per run of the command. Begin() and End() block; in
// between two threads of its own run.
//
//   command -> [relay on 127.0.0.1] -> fork            passwords pass by unread (SCRAM, end to end)
//                 |  each exchange, before its answer goes on: texts, times, SQLSTATE, transaction
//                 |-> side connection: locks of the open transaction, position of the WAL, size
//   fork: event triggers -> server's log: locks at each DDL command's end, rewrites, drops
//         log_temp_files -> the same: temporary files
//   sampler, every 20 ms: locks of running statements that no trigger fires for
//   catalogs before and after -> what is left: VACUUM FULL, CLUSTER, TRUNCATE, statistics, grants
//     => BuildProfile (profile.h)
//
// An autocommit statement lets its locks go before its answer leaves the server, so that only an
// event trigger is sure to see them: 100 of 100, where polling every 50 ms saw 2. The triggers and
// their function are made members of the extension plpgsql, and the function lies in pg_catalog:
// pg_dump dumps neither members of extensions nor extensions that initdb made, and no tool reads
// functions of pg_catalog as its own. They are gone after End(), before anything is compared. What
// remains to be seen: rows of pg_event_trigger for whoever asks for them, and the server's own
// "EventTriggerInvoke" at client_min_messages = debug1.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "capture/relay.h"
#include "event/event_sink.h"
#include "migration/catalog_state.h"
#include "migration/profile.h"
#include "migration/spill_log.h"
#include "os/socket.h"
#include "pg/admin.h"
#include "pg/conninfo.h"

namespace scry::migration {

struct WatchTarget {
  pg::ConnInfo admin;     // The fork's database as superuser. Its marker was checked.
  pg::ConnInfo loopback;  // As the command is to connect: host, port, user, password.
  std::string log_file;   // Of the fork's server, which runs with kLogLinePrefix.
  // That the command's sessions begin with, unless they bring their own.
  std::vector<std::pair<std::string, std::string>> settings;
};

class MigrationWatch final : private event::EventSink {
 public:
  // Fails where the fork cannot be reached; without plpgsql it watches without triggers.
  static base::Result<std::unique_ptr<MigrationWatch>> Begin(const WatchTarget& target);
  MigrationWatch(const MigrationWatch&) = delete;
  MigrationWatch& operator=(const MigrationWatch&) = delete;
  ~MigrationWatch() override;

  // WatchTarget::loopback, through the relay.
  const pg::ConnInfo& command_target() const { return command_target_; }
  // Ends the relay, with what is still connected, and takes the triggers away.
  base::Result<MigrationProfile> End();
  // Of the last statement that failed so far, since it was forgotten; empty: none did. What fails
  // in a transaction that is lost already does not count. Any thread.
  std::string LastSqlstate() const;
  void ForgetSqlstate();
  // Backends that the command had so far. Any thread.
  std::vector<uint32_t> BackendPids() const;
  // Has the fork answered any statement of the command so far? Any thread.
  bool SawStatement() const;

 private:
  explicit MigrationWatch(const WatchTarget& target);
  base::Status Open();
  bool InstallTriggers();
  base::Status RemoveTriggers();
  base::Status StartThreads();
  void StopThreads();
  void Put(event::Event event) override;
  void TakeExchange(event::Exchange exchange);
  // `frees`: files may be gone, however little it took and wrote.
  void LookAside(uint32_t pid, bool open, base::Micros took_us, bool frees);
  std::optional<std::string> LookAtServer(uint32_t pid, bool open, SeenSizes& sizes);
  void LookAtSize(base::Micros took_us, bool frees, SeenSizes& sizes);
  void Sample();
  base::Result<ServerLog> ReadLog();

  const WatchTarget target_;
  const std::string name_;  // Of the triggers and their function, and the mark in the log.
  pg::ConnInfo command_target_;
  std::vector<std::string> triggers_;  // That are there.
  bool function_ = false;
  SpillLog spill_log_;
  bool spills_logged_ = false;
  uint64_t log_begin_ = 0;
  CatalogState before_;
  std::unique_ptr<pg::AdminSession> session_;  // Of whoever calls Begin() and End().
  std::unique_ptr<capture::Relay> relay_;
  std::atomic<bool> stop_ = false;
  base::Status relay_status_;
  std::thread relay_thread_;
  std::thread sampler_thread_;

  // Of the relay's thread.
  std::unique_ptr<pg::AdminSession> side_;  // Null: it failed too often.
  std::map<uint64_t, uint32_t> pids_;       // By session.
  std::map<uint64_t, BoundValues> values_;  // The same.
  uint64_t exchanges_ = 0;
  uint64_t looks_ = 0;
  uint64_t side_failed_ = 0;
  base::Micros looked_us_ = 0;
  uint64_t size_lsn_ = 0;     // At the last look at the size.
  base::Micros size_us_ = 0;  // That those looks took.

  std::atomic<uint64_t> looks_failed_ = 0;
  bool log_cut_ = false;

  mutable std::mutex mutex_;
  Seen seen_;                           // Guarded by mutex_.
  std::vector<uint32_t> backend_pids_;  // Guarded by mutex_.
  std::string last_sqlstate_;           // Guarded by mutex_.
};

}  // namespace scry::migration
