#include "job/replay_target.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "base/units.h"
#include "pg/admin.h"
#include "shadow/target_mark.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Result;
using base::Status;

const std::string& HostOf(const pg::ConnInfo& info) {
  return info.Has("hostaddr") ? info.Get("hostaddr") : info.Get("host");
}

bool IsLocalName(const std::string& host) {
  return host.empty() || host == "localhost" || host == "127.0.0.1" || host == "::1" ||
         host.starts_with('/') || host.starts_with('@');
}

// Replay sends frames of its own: by OpenSSL it can encrypt them, by GSS it cannot. On this machine
// nobody listens, and encryption is not what a load is to measure.
Status ChooseEncryption(pg::ConnInfo& target) {
  if (target.Get("gssencmode") == "require") {
    return Fail(base::ErrorCode::kUsage, target.Display() +
                                             " is asked for with gssencmode=require, and replay "
                                             "speaks TLS or plain text only");
  }
  target.Set("gssencmode", "disable");
  const std::string& ssl = target.Get("sslmode");
  const bool wanted = ssl == "require" || ssl == "verify-ca" || ssl == "verify-full";
  if (!wanted && IsLocalName(HostOf(target))) target.Set("sslmode", "allow");
  return {};
}

Result<pg::ConnInfo> AddressOf(const config::NamedSource& named) {
  if (!named.unset.empty()) return Fail(base::ErrorCode::kUsage, named.unset);
  SCRY_TRY_ASSIGN(const pg::ConnInfo source, pg::ConnInfo::Parse(named.source));
  return source.WithDefaults();
}

}  // namespace

Result<pg::ConnInfo> ResolveTarget(const std::string& conninfo) {
  SCRY_TRY_ASSIGN(const pg::ConnInfo named, pg::ConnInfo::Parse(conninfo));
  SCRY_TRY_ASSIGN(pg::ConnInfo target, named.WithDefaults());
  if (named.Has("dbname")) target.PinDatabase();
  SCRY_TRY(ChooseEncryption(target));
  return target;
}

Status ChooseDatabase(const std::vector<std::string>& databases, pg::ConnInfo& target) {
  if (target.database_pinned() && databases.size() > 1) {
    return Fail(base::ErrorCode::kUsage,
                fmt::format("the capture holds sessions of {} databases ({}, {}, ...) and {} names "
                            "one; choose with --database, or leave the name out and each goes to "
                            "its own",
                            databases.size(), base::Printable(databases[0], 40),
                            base::Printable(databases[1], 40), target.Display()));
  }
  if (!target.database_pinned() && !databases.empty()) target.Set("dbname", databases.front());
  return {};
}

Status AdmitTarget(const pg::ConnInfo& target, bool reads_only) {
  return reads_only ? Status() : shadow::CheckTargetMark(target);
}

Result<replay::HiddenWrites> HiddenWritesOf(const pg::ConnInfo& target,
                                            const std::vector<std::string>& databases) {
  std::vector<std::string> asked = databases;
  if (target.database_pinned() || asked.empty()) asked = {target.Get("dbname")};
  replay::HiddenWrites all;
  for (const std::string& database : asked) {
    pg::ConnInfo there = target;
    there.Set("dbname", database);
    SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(there));
    SCRY_TRY_ASSIGN(replay::HiddenWrites hidden, replay::FindHiddenWrites(session));
    all.Add(std::move(hidden));
  }
  return all;
}

Result<std::string> ServerVersion(const pg::ConnInfo& target) {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(target));
  SCRY_TRY_ASSIGN(const pg::Rows rows, session.Exec("SHOW server_version"));
  const std::string version = rows.Single().value_or("");
  return version.substr(0, version.find(' '));
}

bool SameServer(const pg::ConnInfo& a, const pg::ConnInfo& b) {
  if (a.Get("port") != b.Get("port")) return false;
  return HostOf(a) == HostOf(b) || (IsLocalName(HostOf(a)) && IsLocalName(HostOf(b)));
}

Status RefuseSources(const pg::ConnInfo& target, const std::vector<config::NamedSource>& sources,
                     bool reads_only) {
  for (const config::NamedSource& named : sources) {
    const auto source = AddressOf(named);
    if (!source.ok()) {
      if (reads_only) continue;
      return Fail(
          base::ErrorCode::kUsage,
          fmt::format("cannot tell whether {} is the source of {}: {} (or give the --config "
                      "of another folder)",
                      target.Display(), named.name, source.error().message));
    }
    if (!SameServer(*source, target)) continue;
    return Fail(
        base::ErrorCode::kUsage,
        fmt::format("{} is the server of a source in scry.yaml, and nothing is ever written "
                    "to a source",
                    target.Display()));
  }
  return {};
}

}  // namespace scry::job
