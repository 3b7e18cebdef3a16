// Opens captures as streams of events for replay: as they are, or through a filter. Used by the
// jobs that replay.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/event_source.h"
#include "event/source_snapshot.h"

namespace scry::job {

// From the beginning, each time it is called. kNotFound: there is no such capture.
using OpenTraffic =
    std::function<base::Result<std::unique_ptr<event::EventSource>>(const std::string& directory)>;

// Everything the capture holds.
base::Result<std::unique_ptr<event::EventSource>> OpenWholeCapture(const std::string& directory);

// What its source was when the capture began; nullopt where the capture has none, or none that can
// be read: then a sentence for people goes to `notes`.
std::optional<event::SourceSnapshot> SnapshotOf(const std::string& directory,
                                                std::vector<std::string>& notes);

}  // namespace scry::job
