// A capture's snapshot of its source: snapshot.json. Written by job through WriteSnapshot, read
// through LogReader. Pure, but for WriteSnapshot. Format: FORMAT.md, section "Source snapshot".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "event/source_snapshot.h"
#include "os/file.h"

namespace scry::querylog {

std::string EncodeSnapshot(const event::SourceSnapshot& snapshot);
// Fails with kUnsupported for a newer version and with kCorrupt for what is no snapshot: any list
// with an entry that cannot be read makes it one, since half a list misleads.
base::Result<event::SourceSnapshot> ParseSnapshot(std::string_view text);

// Into the directory of a capture, in one piece or not at all.
base::Status WriteSnapshot(os::FileSystem& files, const std::string& directory,
                           const event::SourceSnapshot& snapshot);

}  // namespace scry::querylog
