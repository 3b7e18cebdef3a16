// Statements that end or cancel what other backends run: pg_terminate_backend, pg_cancel_backend.
// The backends that production named have other numbers on a lane; those that a query chose there
// would be others, the replay's own among them. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "event/event.h"
#include "event/statement_facts.h"

namespace scry::replay {

enum class Signals : uint8_t {
  kNone,
  kNamed,   // To backends whose numbers stand in the exchange, or to its own.
  kChosen,  // To others.
};

Signals SignalsOf(const event::Exchange& exchange, event::FactsCache& facts);

// From a captured backend to the lane's; 0: there is none. No server has a backend 0.
using BackendOnLane = std::function<uint32_t(uint32_t captured)>;

// Puts the lane's backends in the place of captured ones. REQUIRES: kNamed.
void MapSignals(const event::Exchange& captured, const BackendOnLane& backend,
                std::vector<event::FrontendMessage>& messages);

}  // namespace scry::replay
