// Which part of its portal's rows a captured Execute asks for. Used by session_player.cc. Pure.
#pragma once

#include <cstddef>
#include <optional>

#include "event/lane_pair.h"

namespace scry::replay {

// `message`: the index of what ran. None for what is no Execute, and for one that runs a portal of
// the same exchange for the first time and without a limit, as most do.
std::optional<event::PortalPart> PortalPartOf(const event::Exchange& exchange, size_t message);

}  // namespace scry::replay
