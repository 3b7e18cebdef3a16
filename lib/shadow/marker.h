// The positive sign that a server is a fork of this run: a setting in its configuration file that
// holds a nonce made for the run. A source never carries it, nor does a physical copy, whose system
// identifier is the same as its origin's. Asked before anything is replayed against or migrated on
// a server.
#pragma once

#include <string>

#include "base/result.h"
#include "pg/conninfo.h"

namespace scry::shadow {

inline constexpr const char* kMarkerSetting = "scry.shadow";

// Fails for every server whose marker is not exactly `nonce`, and for an empty nonce. A client
// could bring the setting along in its startup packet: `info` may carry no options of the captured
// session.
base::Status CheckMarker(const pg::ConnInfo& info, const std::string& nonce);

}  // namespace scry::shadow
