// Makes shadows: kept copies of a source. Used by `scry shadow create`, jobs and tests. One thread.
#pragma once

#include "base/result.h"
#include "shadow/options.h"
#include "shadow/private_server.h"
#include "shadow/shadow_info.h"
#include "shadow/state_dir.h"

namespace scry::shadow {

// The shadow appears under its name once it is complete: copied, recovered, checked and stopped
// cleanly. On failure nothing is left. kUsage: a shadow of that name exists. Nothing is written to
// the source.
base::Result<ShadowInfo> CreateShadow(const ShadowOptions& options, const StateDir& state,
                                      const Control& control = {});

}  // namespace scry::shadow
