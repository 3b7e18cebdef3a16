// What is the same on the source and on a lane though they name it otherwise: types, whose OIDs a
// copy may have given out anew. Captured messages are translated for each lane, and what a lane
// answers is translated back before it is compared. Owned by the replayer; one thread, its loop.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/event.h"
#include "event/source_snapshot.h"
#include "exchange/answer_reader.h"
#include "pg/admin.h"
#include "replay/options.h"
#include "replay/type_oids.h"

namespace scry::replay {

class Identity {
 public:
  // Nothing differs.
  Identity();
  // REQUIRES: the lanes carry scry's marker, the baseline first. Sets their sequences where
  // `options` wants that. Blocks. What there is to tell goes to `notes`.
  static base::Result<Identity> Open(const std::vector<pg::AdminSession*>& lanes,
                                     const ReplayOptions& options, std::vector<std::string>& notes);
  Identity(Identity&&) noexcept;
  Identity& operator=(Identity&&) noexcept;
  ~Identity();

  // What the lane is to get in the place of a captured exchange, messages alone. nullopt: the same.
  std::optional<event::Exchange> ForLane(const event::Exchange& exchange, size_t lane);
  // For a connection to that lane; does not outlive this.
  std::unique_ptr<exchange::RowMapper> MapperFor(size_t lane);
  // All lanes, the baseline first, answered the exchange.
  void OnAnswers(const event::Exchange& exchange, std::vector<exchange::Answers>& answers);

  const IdentityStats& stats() const;

 private:
  struct Lane;
  class Rows;

  std::vector<std::unique_ptr<Lane>> lanes_;
  std::unique_ptr<IdentityStats> stats_;
};

}  // namespace scry::replay
