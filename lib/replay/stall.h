// Finds out, lane by lane, which backends wait for locks of which others, or (DEFERRABLE) for their
// transactions to end; and which hold a snapshot. Asked only when something makes no progress.
// Blocks shortly.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "pg/admin.h"
#include "pg/conninfo.h"

namespace scry::replay {

struct LockWait {
  size_t lane = 0;
  uint32_t waiter_pid = 0;
  uint32_t blocker_pid = 0;
};

class StallProbe {
 public:
  // Connects at once: when it is needed, sessions may have taken every connection there is.
  static base::Result<StallProbe> Open(const std::vector<pg::ConnInfo>& lanes);

  base::Result<std::vector<LockWait>> LockWaits();
  // Backends that hold a snapshot.
  base::Result<std::set<uint32_t>> SnapshotHolders(size_t lane);
  // How many sessions of clients every lane has room for.
  base::Result<size_t> RoomForSessions();
  // What sessions of this lane are to be started with (`options`), so that its server does not end
  // them while they wait for others. Mostly empty.
  base::Result<std::string> PatientOptions(size_t lane);
  // For questions before the first LockWaits, which limits how long an answer may take.
  pg::AdminSession& session(size_t lane) { return probes_[lane].session; }

 private:
  struct Probe {
    pg::AdminSession session;
    pg::ConnInfo info;
    size_t lanes_on_server = 1;  // Two databases of one server share its room.
  };
  explicit StallProbe(std::vector<Probe> probes) : probes_(std::move(probes)) {}

  base::Status LimitTime();
  base::Result<pg::Rows> Ask(Probe& probe, const std::string& sql);

  std::vector<Probe> probes_;
  bool limited_ = false;
};

}  // namespace scry::replay
