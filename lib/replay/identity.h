// What is the same on the source and on a lane though they name it otherwise: types, whose OIDs a
// copy may have given out anew, and values that each made itself (ids drawn from sequences, UUIDs).
// Captured messages are translated for each lane, and what a lane answers is translated back before
// it is compared. Owned by the replayer; one thread, its loop.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/event.h"
#include "event/value_sites.h"
#include "exchange/answer_reader.h"
#include "pg/admin.h"
#include "replay/identity_learner.h"
#include "replay/options.h"

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

  // Before the first exchange. `sites` outlives this.
  void ShareSites(event::SitesCache& sites);

  // What the lane is to get in the place of a captured exchange, messages alone. nullopt: the same.
  std::optional<std::vector<event::FrontendMessage>> ForLane(const event::Exchange& exchange,
                                                             size_t lane,
                                                             const IdentitySession& session);
  // Whether ForLane() would change anything, uncounted.
  bool Changes(const event::Exchange& exchange, size_t lane, const IdentitySession& session) const;
  // For a connection to that lane; does not outlive this.
  std::unique_ptr<exchange::RowMapper> MapperFor(size_t lane);
  // Results of the exchange may tell of values that a lane makes otherwise than production did.
  // Without them OnAnswers() learns nothing.
  bool LearnsFrom(const event::Exchange& exchange) const;
  // All lanes, the baseline first, answered the exchange: to be told of all in the order in which
  // they may depend on each other.
  void OnAnswers(const event::Exchange& exchange, std::vector<exchange::Answers>& answers,
                 IdentitySession& session);

  IdentityStats stats() const;

 private:
  struct Shared;
  struct Lane;
  class Rows;

  std::optional<std::vector<event::FrontendMessage>> Rewritten(const event::Exchange& exchange,
                                                               Lane& lane,
                                                               const IdentitySession& session,
                                                               IdentityStats& stats) const;
  void TranslateTypes(std::vector<exchange::Answers>& answers);
  void TranslateColumns(size_t lane, const std::vector<event::Column>& baseline,
                        std::vector<event::Column>& columns);
  void MarkClocks(std::vector<exchange::Answers>& answers) const;
  void MarkColumns(std::vector<event::LaneOutcome>& outcomes) const;
  bool Idle() const;
  CallColumns Learn(const event::Exchange& exchange, size_t statement,
                    const std::vector<exchange::Answers>& answers, IdentitySession& session);
  void TranslateRows(size_t lane, exchange::Answers& answers, size_t statement,
                     const CallColumns& calls);

  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace scry::replay
