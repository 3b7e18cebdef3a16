// A server's log: the first byte picks the chunk size. Any chunking must give the same, and what
// the migration or the traffic may have written into it does no harm.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "migration/server_log.h"

namespace {

using scry::migration::ServerLog;
using scry::migration::ServerLogReader;

ServerLog Read(std::string_view text, size_t chunk) {
  ServerLogReader reader("scry_watch_0");
  for (size_t at = 0; at < text.size(); at += chunk) reader.Feed(text.substr(at, chunk));
  return reader.Finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ServerLog whole = Read(text, std::max<size_t>(text.size(), 1));
  const ServerLog pieces = Read(text, 1 + data[0] % 64);
  SCRY_CHECK(whole.ddl.size() == pieces.ddl.size());
  SCRY_CHECK(whole.waits.size() == pieces.waits.size());
  SCRY_CHECK(whole.deadlocks.size() == pieces.deadlocks.size());
  for (size_t i = 0; i < whole.waits.size(); ++i) {
    SCRY_CHECK(whole.waits[i].holders == pieces.waits[i].holders);
    SCRY_CHECK(whole.waits[i].end == pieces.waits[i].end);
  }
  return 0;
}
