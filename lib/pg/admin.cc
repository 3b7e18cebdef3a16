#include "pg/admin.h"

#include <fmt/format.h>

#include <pqxx/pqxx>

#include "base/units.h"

namespace scry::pg {

struct AdminSession::Impl {
  explicit Impl(const std::string& conninfo) : connection(conninfo) {}
  // quote() is not const in all versions of libpqxx.
  mutable pqxx::connection connection;
};

AdminSession::AdminSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminSession::AdminSession(AdminSession&& other) noexcept = default;
AdminSession& AdminSession::operator=(AdminSession&& other) noexcept = default;
AdminSession::~AdminSession() = default;

std::optional<std::string> Rows::Single() const {
  if (rows.empty() || rows[0].empty()) return std::nullopt;
  return rows[0][0];
}

namespace {

// Its own default prints notices to stderr. And it may take, and be idle, as long as its owner
// likes: forks have the source's settings, and VACUUM takes longer than what that lets an
// application wait.
std::string Settings(int server_version) {
  std::string sql =
      "SET client_min_messages = error; SET idle_in_transaction_session_timeout = 0; "
      "SET statement_timeout = 0; SET lock_timeout = 0";
  if (server_version >= 140000) sql += "; SET idle_session_timeout = 0";
  if (server_version >= 170000) sql += "; SET transaction_timeout = 0";
  return sql;
}

}  // namespace

base::Result<AdminSession> AdminSession::Connect(const ConnInfo& info) {
  ConnInfo full = info;
  if (!full.Has("connect_timeout")) full.Set("connect_timeout", "10");
  try {
    AdminSession session(std::make_unique<Impl>(full.Render()));
    SCRY_TRY(session.Exec(Settings(session.impl_->connection.server_version())));
    return session;
  } catch (const std::exception& e) {
    return base::Fail(fmt::format("connect to {}: {}", info.Display(), base::OneLine(e.what())));
  }
}

base::Result<AdminSession> AdminSession::ConnectToWrite(const ConnInfo& info) {
  SCRY_TRY_ASSIGN(AdminSession session, Connect(info));
  SCRY_TRY(session.Exec("SET default_transaction_read_only = off"));
  return session;
}

base::Result<Rows> AdminSession::Exec(const std::string& sql) {
  try {
    pqxx::nontransaction work(impl_->connection);
    const pqxx::result result = work.exec(sql);
    Rows rows;
    for (pqxx::row_size_type column = 0; column < result.columns(); ++column) {
      rows.columns.emplace_back(result.column_name(column));
    }
    rows.rows.reserve(static_cast<size_t>(result.size()));
    for (const auto& row : result) {
      auto& out = rows.rows.emplace_back();
      for (pqxx::row_size_type column = 0; column < result.columns(); ++column) {
        const auto field = row[column];
        if (field.is_null()) {
          out.emplace_back(std::nullopt);
        } else {
          out.emplace_back(std::string(field.c_str(), static_cast<size_t>(field.size())));
        }
      }
    }
    return rows;
  } catch (const pqxx::sql_error& e) {
    base::Error error = base::Fail(base::OneLine(e.what()));
    error.sqlstate = e.sqlstate();
    return error;
  } catch (const std::exception& e) {
    return base::Fail(base::OneLine(e.what()));
  }
}

std::string AdminSession::Quote(std::string_view text) const {
  return impl_->connection.quote(std::string(text));
}

std::string AdminSession::QuoteName(std::string_view name) const {
  return impl_->connection.quote_name(std::string(name));
}

}  // namespace scry::pg
