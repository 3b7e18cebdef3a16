#include "job/capture_traffic.h"

#include <utility>

#include "querylog/log_reader.h"

namespace scry::job {

base::Result<std::unique_ptr<event::EventSource>> OpenWholeCapture(const std::string& directory) {
  SCRY_TRY_ASSIGN(querylog::LogReader reader, querylog::LogReader::Open(directory));
  return std::unique_ptr<event::EventSource>(
      std::make_unique<querylog::LogReader>(std::move(reader)));
}

}  // namespace scry::job
