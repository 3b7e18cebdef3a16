#include "shadow/marker.h"

#include <fmt/format.h>

#include "pg/connection.h"

namespace scry::shadow {

base::Status CheckMarker(const pg::ConnInfo& info, const std::string& nonce) {
  pg::ConnInfo plain = info;
  plain.Set("options", "");
  SCRY_TRY_ASSIGN(pg::Connection connection, pg::Connection::Connect(plain));
  // The file's own value, past anything a role, database or session may have set over it, would
  // need pg_file_settings; the nonce is 128 random bits known to this run alone, so the value is
  // proof enough.
  const auto value =
      connection.QueryValue("SELECT pg_catalog.current_setting('scry.shadow', true)");
  if (!value.ok())
    return base::Status(value.error()).With("ask " + info.Display() + " for its marker");
  if (!nonce.empty() && value->has_value() && **value == nonce) return {};
  return base::Fail(
      fmt::format("{} is not a scry shadow of this run: refusing to replay or migrate against it",
                  info.Display()));
}

}  // namespace scry::shadow
