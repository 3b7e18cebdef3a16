// Makes remedies on the candidate for a trial and takes them away again: only what it made itself
// is ever dropped. What may take long ends with the run. Used by the prover of fixes. Blocks. One
// thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "cause/remedy.h"
#include "job/run_watch.h"
#include "pg/admin.h"
#include "pg/conninfo.h"

namespace scry::job {

class RemedyBench {
 public:
  // `watch` outlives it.
  static base::Result<RemedyBench> Open(const pg::ConnInfo& candidate, const RunWatch& watch);

  enum class Outcome : uint8_t { kMade, kRefused, kTooLong };
  // Nothing of it is left unless it was made. Fails where the run ends or the candidate is lost.
  base::Result<Outcome> Make(const cause::Remedy& remedy, base::Micros timeout_us);
  // Of what Make() made; others stay.
  base::Status Undo(const cause::Remedy& remedy);
  base::Status UndoAll();

  // Of a remedy that is made: its indexes, those of partitions included, and what they take.
  struct Made {
    std::set<std::string> indexes;  // Names, bare.
    uint64_t size_bytes = 0;
    base::Micros build_us = 0;
  };
  Made LookAt(const cause::Remedy& remedy);

  // SQL of scry's own that may take long. SQLSTATE 57014: it took longer than `timeout_us`.
  base::Result<pg::Rows> Run(const std::string& sql, base::Micros timeout_us);
  pg::AdminSession& session() { return session_; }

 private:
  struct Standing {
    std::string made;
    std::vector<std::string> undo;  // Last first.
    base::Micros build_us = 0;
  };
  RemedyBench(pg::AdminSession session, const pg::ConnInfo& candidate, std::string pid,
              const RunWatch& watch)
      : session_(std::move(session)), candidate_(candidate), pid_(std::move(pid)), watch_(&watch) {}
  base::Status TakeAway(const Standing& standing);

  pg::AdminSession session_;
  pg::ConnInfo candidate_;
  std::string pid_;  // Of the session's backend.
  const RunWatch* watch_;
  std::vector<Standing> standing_;
};

}  // namespace scry::job
