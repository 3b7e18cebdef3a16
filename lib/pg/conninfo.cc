#include "pg/conninfo.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>

namespace scry::pg {
namespace {

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

// Variables libpq reads that are no connection keyword: they become startup parameters or change
// how files are found.
constexpr std::array<const char*, 6> kOtherVariables = {
    "PGDATESTYLE", "PGTZ", "PGGEQO", "PGSYSCONFDIR", "PGSERVICEFILE", "PGLOCALEDIR"};

struct Adopted {
  bool done = false;
  ConnInfo::Pairs values;  // Keyword and value, of variables that were set.
  std::string service_file;
  std::string service_folder;
};

Adopted& AdoptedEnvironment() {
  static Adopted adopted;
  return adopted;
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Keyword and value of every PG* variable that names one.
ConnInfo::Pairs FromVariables() {
  ConnInfo::Pairs pairs;
  const Options options(PQconndefaults());
  const PQconninfoOption* option = options.get();
  for (; option != nullptr && option->keyword != nullptr; ++option) {
    if (option->envvar == nullptr) continue;
    std::string value = Variable(option->envvar);
    if (!value.empty()) pairs.emplace_back(option->keyword, std::move(value));
  }
  return pairs;
}

std::string Trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

// One section of a pg_service.conf. nullopt: not in this file.
std::optional<ConnInfo::Pairs> ReadService(const std::string& path, const std::string& service) {
  std::ifstream file(path);
  if (path.empty() || !file) return std::nullopt;
  bool inside = false;
  bool found = false;
  ConnInfo::Pairs pairs;
  for (std::string raw; std::getline(file, raw);) {
    const std::string line = Trimmed(raw);
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      if (found) break;
      inside = line == "[" + service + "]";
      found = inside;
      continue;
    }
    const size_t equals = line.find('=');
    if (inside && equals != std::string::npos) {
      pairs.emplace_back(Trimmed(line.substr(0, equals)), Trimmed(line.substr(equals + 1)));
    }
  }
  return found ? std::optional(pairs) : std::nullopt;
}

std::string ServiceFolder(const Adopted& adopted) {
  const std::string given = adopted.done ? adopted.service_folder : Variable("PGSYSCONFDIR");
  if (!given.empty()) return given;
  for (const char* folder : {"/etc/postgresql-common", "/etc/sysconfig/pgsql", "/etc"}) {
    if (access((std::string(folder) + "/pg_service.conf").c_str(), R_OK) == 0) return folder;
  }
  return "/etc/postgresql-common";
}

base::Result<ConnInfo::Pairs> FindService(const std::string& service) {
  const Adopted& adopted = AdoptedEnvironment();
  std::string own = adopted.done ? adopted.service_file : Variable("PGSERVICEFILE");
  if (own.empty()) own = Variable("HOME") + "/.pg_service.conf";
  if (auto pairs = ReadService(own, service)) return *pairs;
  const std::string common = ServiceFolder(adopted) + "/pg_service.conf";
  if (auto pairs = ReadService(common, service)) return *pairs;
  return base::Fail(
      base::ErrorCode::kNotFound,
      fmt::format("service \"{}\" is neither in {} nor in {}: add it, or write the connection out",
                  service, own, common));
}

std::string Quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('\'');
  return out;
}

// libpq repeats the offending text in its messages, and that text may be a password.
std::string SafeParseMessage(std::string message) {
  const size_t quote = message.find('"');
  if (quote != std::string::npos) message.resize(quote);
  return Trimmed(message);
}

}  // namespace

bool IsSecretKeyword(std::string_view keyword) {
  return keyword == "password" || keyword == "sslpassword" || keyword == "oauth_client_secret" ||
         keyword == "scram_client_key" || keyword == "scram_server_key";
}

std::vector<std::string> KnownKeywords() {
  std::vector<std::string> keywords;
  const Options options(PQconndefaults());
  const PQconninfoOption* option = options.get();
  for (; option != nullptr && option->keyword != nullptr; ++option) {
    keywords.emplace_back(option->keyword);
  }
  return keywords;
}

base::Result<ConnInfo> ConnInfo::Parse(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    return base::Fail(base::ErrorCode::kUsage, "connection string: it contains a zero byte");
  }
  // libpq takes "shop" for nothing here; psql takes it for a database name, and so do we.
  const std::string owned(text);
  if (!owned.empty() && owned.find('=') == std::string::npos &&
      owned.find("://") == std::string::npos) {
    ConnInfo info;
    info.Set("dbname", Trimmed(owned));
    return info;
  }
  char* raw_message = nullptr;
  const Options options(PQconninfoParse(owned.c_str(), &raw_message));
  const std::string message = raw_message == nullptr ? "out of memory" : raw_message;
  PQfreemem(raw_message);
  if (!options) {
    return base::Fail(base::ErrorCode::kUsage,
                      fmt::format("connection string: {}; write postgresql://user@host:5432/db or "
                                  "'host=... dbname=... user=...'",
                                  SafeParseMessage(message)));
  }
  ConnInfo info;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) info.Set(option->keyword, option->val);
  }
  return info;
}

ConnInfo ConnInfo::Private(const std::string& socket_dir, int port, const std::string& user,
                           const std::string& dbname) {
  ConnInfo info;
  info.Set("host", socket_dir).Set("port", std::to_string(port));
  info.Set("user", user).Set("dbname", dbname);
  info.Set("sslmode", "disable").Set("gssencmode", "disable").Set("channel_binding", "disable");
  info.Set("target_session_attrs", "any");
  return info;
}

base::Result<ConnInfo> ConnInfo::WithDefaults() const {
  const Adopted& adopted = AdoptedEnvironment();
  const Pairs variables = adopted.done ? adopted.values : FromVariables();
  ConnInfo full = *this;
  const auto fill = [&](const Pairs& pairs) {
    for (const auto& [keyword, value] : pairs) {
      // A host from below must not be joined with an address given above: they name one server.
      if (keyword == "hostaddr" && Has("host") && !Has("hostaddr")) continue;
      if (!full.Has(keyword)) full.Set(keyword, value);
    }
  };
  std::string service = Get("service");
  for (const auto& [keyword, value] : variables) {
    if (keyword == "service" && service.empty()) service = value;
  }
  if (!service.empty()) {
    SCRY_TRY_ASSIGN(const Pairs from_service, FindService(service));
    fill(from_service);
  }
  fill(variables);
  // Expanded above; naming it again would make libpq read the file again.
  full.Set("service", "");

  const Options options(PQconndefaults());
  const PQconninfoOption* option = options.get();
  for (; option != nullptr && option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    if (keyword != "port" && keyword != "user") continue;
    if (option->val != nullptr && !full.Has(keyword)) full.Set(keyword, option->val);
  }
  if (!full.Has("dbname")) full.Set("dbname", full.Get("user"));
  return full;
}

const std::string& ConnInfo::Get(std::string_view keyword) const {
  static const std::string kAbsent;
  for (const auto& [key, value] : pairs_) {
    if (key == keyword) return value;
  }
  return kAbsent;
}

ConnInfo& ConnInfo::Set(std::string_view keyword, std::string_view value) {
  const auto found = std::find_if(pairs_.begin(), pairs_.end(),
                                  [&](const auto& pair) { return pair.first == keyword; });
  if (value.empty()) {
    if (found != pairs_.end()) pairs_.erase(found);
  } else if (found != pairs_.end()) {
    found->second = value;
  } else {
    pairs_.emplace_back(keyword, value);
  }
  return *this;
}

std::string ConnInfo::Render() const {
  std::string text;
  for (const auto& [keyword, value] : pairs_) {
    if (!text.empty()) text.push_back(' ');
    text += keyword + "=" + Quoted(value);
  }
  return text;
}

std::string ConnInfo::RenderUrl() const {
  std::string url = "postgresql://";
  const std::string& host = Get("host");
  const bool network = !host.empty() && host[0] != '/' && host.find(',') == std::string::npos;
  std::string query;
  const auto add = [&](std::string_view keyword, std::string_view value) {
    query += fmt::format("{}{}={}", query.empty() ? "?" : "&", keyword, UrlEncode(value));
  };
  if (network) {
    if (Has("user")) url += UrlEncode(Get("user"));
    if (Has("password")) url += ":" + UrlEncode(Get("password"));
    if (Has("user") || Has("password")) url += "@";
    const bool six = host.find(':') != std::string::npos;
    url += six ? "[" + host + "]" : UrlEncode(host);
    if (Has("port")) url += ":" + UrlEncode(Get("port"));
  }
  url += "/" + UrlEncode(Get("dbname"));
  for (const auto& [keyword, value] : pairs_) {
    const bool placed =
        keyword == "dbname" || (network && (keyword == "host" || keyword == "port" ||
                                            keyword == "user" || keyword == "password"));
    if (placed) continue;
    // libpq's own settings for private sockets mean nothing to other drivers, and some refuse them.
    if (keyword == "gssencmode" || keyword == "channel_binding" ||
        keyword == "target_session_attrs") {
      continue;
    }
    if (keyword == "sslmode" && !network) continue;
    add(keyword, value);
  }
  return url + query;
}

ConnInfo ConnInfo::WithoutPassword() const {
  ConnInfo safe;
  for (const auto& [keyword, value] : pairs_) {
    if (!IsSecretKeyword(keyword)) safe.Set(keyword, value);
  }
  return safe;
}

std::string ConnInfo::Display() const {
  if (Has("service") && !Has("host")) return "service " + Get("service");
  const std::string& host = Has("host") ? Get("host") : Get("hostaddr");
  std::string text = Has("dbname") ? Get("dbname") : std::string("the default database");
  text += " on " + (host.empty() ? std::string("the local socket") : host);
  if (Has("port")) text += ":" + Get("port");
  if (Has("user")) text += " as " + Get("user");
  return text;
}

void AdoptEnvironment() {
  Adopted& adopted = AdoptedEnvironment();
  if (adopted.done) return;
  adopted.values = FromVariables();
  adopted.service_file = Variable("PGSERVICEFILE");
  adopted.service_folder = Variable("PGSYSCONFDIR");
  adopted.done = true;
  std::vector<std::string> names(kOtherVariables.begin(), kOtherVariables.end());
  {
    const Options options(PQconndefaults());
    const PQconninfoOption* option = options.get();
    for (; option != nullptr && option->keyword != nullptr; ++option) {
      if (option->envvar != nullptr) names.emplace_back(option->envvar);
    }
  }
  for (const auto& name : names) unsetenv(name.c_str());
}

std::string UrlEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace scry::pg
