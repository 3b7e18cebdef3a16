// Opens captures as streams of events for replay: as they are, or through a filter. Used by the
// jobs that replay.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "event/event_source.h"

namespace scry::job {

// From the beginning, each time it is called. kNotFound: there is no such capture.
using OpenTraffic =
    std::function<base::Result<std::unique_ptr<event::EventSource>>(const std::string& directory)>;

// Everything the capture holds.
base::Result<std::unique_ptr<event::EventSource>> OpenWholeCapture(const std::string& directory);

}  // namespace scry::job
