// A connection string as libpq reads it, taken apart. Used by everything that names a server.
// A plain value; any thread, but for AdoptEnvironment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace scry::pg {

class ConnInfo {
 public:
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  ConnInfo() = default;
  // A URL, key=value pairs or "service=name"; only what stands there. kUsage where libpq refuses
  // it; the message never repeats a password.
  static base::Result<ConnInfo> Parse(std::string_view text);
  // A server on a Unix socket of ours: no TLS, no GSS, nothing looked up elsewhere.
  static ConnInfo Private(const std::string& socket_dir, int port, const std::string& user,
                          const std::string& dbname);

  // What libpq would fill in: the service named here or by PGSERVICE, then PG* variables, then its
  // own defaults (port, user name, dbname = user). kNotFound: no such service.
  base::Result<ConnInfo> WithDefaults() const;

  // Empty where absent: libpq takes an empty value as absent, too.
  const std::string& Get(std::string_view keyword) const;
  bool Has(std::string_view keyword) const { return !Get(keyword).empty(); }
  // An empty value removes the keyword.
  ConnInfo& Set(std::string_view keyword, std::string_view value);
  const Pairs& pairs() const { return pairs_; }

  // Captured sessions all go to the database named here, not to the one they named.
  ConnInfo& PinDatabase(bool pinned = true) {
    database_pinned_ = pinned;
    return *this;
  }
  bool database_pinned() const { return database_pinned_; }

  // key='value' pairs that libpq reads back to the same ConnInfo. With the password, if it has one.
  std::string Render() const;
  // "postgresql:///shop?host=/tmp/x&port=5432&user=app": for programs that read DATABASE_URL. With
  // the password. A host that is an address or name stands in the authority part, as URL parsers of
  // other languages want.
  std::string RenderUrl() const;
  // Without what is secret (password, sslpassword, sslkey's passphrase): for messages and reports.
  ConnInfo WithoutPassword() const;
  // "shop on db.example:5432 as app", for messages.
  std::string Display() const;

  friend bool operator==(const ConnInfo&, const ConnInfo&) = default;

 private:
  Pairs pairs_;  // Keywords once each, values not empty, in the order they were set.
  bool database_pinned_ = false;
};

// Does the keyword hold a secret?
bool IsSecretKeyword(std::string_view keyword);
// Keywords this libpq knows, in its order.
std::vector<std::string> KnownKeywords();

// Remembers what libpq's PG* variables say for WithDefaults and removes them from this process:
// lanes must get what was captured and nothing of the caller's shell (PGHOSTADDR would even lead
// them elsewhere), and child programs must not inherit the source's address. Called once by main,
// before other threads start.
void AdoptEnvironment();

// Percent-encoding of everything but unreserved characters.
std::string UrlEncode(std::string_view text);

}  // namespace scry::pg
