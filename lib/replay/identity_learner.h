// Reads off what a statement answered, in production and on the lanes, which value of a lane is
// which of production's: RETURNING of what columns made themselves, nextval() and its like, and the
// xmin of rows. Only what a column is known to make by itself is believed: another value anywhere
// else is a difference. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/shared_text.h"
#include "event/event.h"
#include "event/lane_pair.h"
#include "event/source_snapshot.h"
#include "event/value_sites.h"
#include "replay/column_catalog.h"
#include "replay/identity_map.h"

namespace scry::replay {

// What is remembered of one captured session.
struct IdentitySession {
  // Its last INSERT without RETURNING, for lastval().
  struct Insert {
    base::SharedText text;
    uint32_t ordinal = 0;
  } last_insert;
  // Payloads of Parse by statement name, where a declared type may be too narrow for a lane's ids.
  std::unordered_map<std::string, std::string> narrow;
};

// Output columns that are calls of nextval() and its like, with the column they draw for.
using CallColumns = std::map<size_t, const MappedColumn*>;

class IdentityLearner {
 public:
  // `snapshot` may be nullptr. All outlive it.
  IdentityLearner(const ColumnCatalog& columns, event::SitesCache& sites,
                  const event::SourceSnapshot* snapshot);

  // To be told of every statement, in the order of each session.
  static void Note(const event::Statement& captured, IdentitySession& session);
  CallColumns CallsOf(const event::Statement& captured, const std::vector<event::Column>& columns,
                      const IdentitySession& session);
  // `lanes`: what the statement did on each, the baseline first; nullptr: it did not run. Puts what
  // is found into `maps`, by lane. How many values were new.
  uint64_t Learn(const event::Statement& captured, const CallColumns& calls,
                 const std::vector<const event::LaneOutcome*>& lanes,
                 const std::vector<IdentityMap*>& maps);
  // The change under test moved this sequence on a lane.
  void NoteMoved(const std::string& schema, const std::string& sequence);
  // The same where it is not known what production answered, of sequences that were moved: rows
  // that are equal on the baseline and on another lane, but for the numbers that each drew.
  uint64_t LearnBeside(const std::vector<const event::LaneOutcome*>& lanes,
                       const std::vector<IdentityMap*>& maps) const;

 private:
  struct Source;
  // kNew: the statement made it. kEither: it did, or a row of the same key was there. kKnown: it
  // may have found it, who knows where.
  enum class Trust : uint8_t { kNew, kEither, kKnown };

  struct Answers;
  struct Said;
  std::vector<Source> SourcesOf(const event::LaneOutcome& baseline, const CallColumns& calls) const;
  uint64_t LearnColumn(const Answers& answers, size_t lane, const Source& source,
                       IdentityMap& map) const;
  std::vector<Source> KeyBeside(const Source& source,
                                const std::vector<event::Column>& columns) const;
  uint64_t LearnXmin(const Answers& answers, size_t lane, const Source& source,
                     IdentityMap& map) const;
  bool Believe(const Source& source, const Said& said) const;
  Trust TrustOf(const event::Statement& captured);
  bool DrawnSinceStart(DomainId domain, const std::string& value) const;
  class Beside;

  const ColumnCatalog& columns_;
  event::SitesCache& sites_;
  struct Start {
    int64_t last_value = 0;
    bool descending = false;
  };
  std::map<DomainId, Start> starts_;  // Where sequences stood when the capture began.
  std::set<DomainId> moved_;
};

}  // namespace scry::replay
