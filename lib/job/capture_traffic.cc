#include "job/capture_traffic.h"

#include <utility>

#include "base/units.h"
#include "querylog/log_reader.h"

namespace scry::job {

base::Result<std::unique_ptr<event::EventSource>> OpenWholeCapture(const std::string& directory) {
  SCRY_TRY_ASSIGN(querylog::LogReader reader, querylog::LogReader::Open(directory));
  return std::unique_ptr<event::EventSource>(
      std::make_unique<querylog::LogReader>(std::move(reader)));
}

std::optional<event::SourceSnapshot> SnapshotOf(const std::string& directory,
                                                std::vector<std::string>& notes) {
  const auto snapshot = [&]() -> base::Result<std::optional<event::SourceSnapshot>> {
    SCRY_TRY_ASSIGN(const querylog::LogReader reader, querylog::LogReader::Open(directory));
    return reader.Snapshot();
  }();
  if (snapshot.ok()) return *snapshot;
  notes.push_back("The snapshot of the source in " + directory + " cannot be used: " +
                  base::Printable(base::OneLine(snapshot.error().message), 200));
  return std::nullopt;
}

}  // namespace scry::job
