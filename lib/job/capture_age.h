// Whether captures began before the shadow that they are replayed on was made. Pure.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"
#include "shadow/shadow_info.h"

namespace scry::job {

// A sentence for each such capture: the shadow holds what it wrote. Only of physical shadows, whose
// data are as old as they: a dump may be made of a database that was restored from an older one.
std::vector<std::string> CaptureAgeNotes(const shadow::ShadowInfo& shadow,
                                         const std::vector<report::CaptureFacts>& captures);

}  // namespace scry::job
