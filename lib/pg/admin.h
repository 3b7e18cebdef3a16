// SQL of scry's own (never captured SQL) as text in, text out, over libpqxx. Used by shadow,
// migration and explain. One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pg/conninfo.h"

namespace scry::pg {

struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;  // NULL: nullopt.

  // The first value of the first row; nullopt: none, or NULL.
  std::optional<std::string> Single() const;
};

class AdminSession {
 public:
  // Gives up after 10 s where `info` names no connect_timeout. Server notices are dropped.
  static base::Result<AdminSession> Connect(const ConnInfo& info);
  // To a server of scry's own. Its databases and roles may be set to be read only, as the source's.
  static base::Result<AdminSession> ConnectToWrite(const ConnInfo& info);
  AdminSession(AdminSession&& other) noexcept;
  AdminSession& operator=(AdminSession&& other) noexcept;
  ~AdminSession();

  // Autocommit: no transaction around it, so VACUUM and CREATE DATABASE work. Several commands
  // separated by semicolons run as one implicit transaction; the last result is returned. Errors
  // have the SQLSTATE.
  base::Result<Rows> Exec(const std::string& sql);
  std::string Quote(std::string_view text) const;      // A literal: 'it''s'.
  std::string QuoteName(std::string_view name) const;  // An identifier: "order".

 private:
  struct Impl;
  explicit AdminSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace scry::pg
