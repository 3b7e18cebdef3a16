#include "migration/command.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>

#include "base/units.h"

namespace scry::migration {
namespace {

// A shorter password is also some word or number that means nothing.
constexpr size_t kPasswordBytesMin = 6;

// Without these nothing runs, and none of them names a server.
constexpr std::array kNeverHidden = {"PATH", "HOME",   "USER", "LOGNAME", "SHELL",
                                     "PWD",  "TMPDIR", "TERM", "LANG",    "TZ"};
// Names under which programs look for a database, whatever they hold.
constexpr std::array kAddressNames = {"DATABASE_URL", "DATABASE_URI",   "POSTGRES_URL",
                                      "POSTGRES_URI", "POSTGRESQL_URL", "DB_URL",
                                      "DB_URI",       "JDBC_URL",       "FLYWAY_URL"};
constexpr std::array kAddressForms = {"postgres://", "postgresql://",
                                      "jdbc:postgresql:", "postgis://", "postgresql+"};

bool EndsWithWord(std::string_view name, std::string_view word) {
  if (!name.ends_with(word)) return false;
  return name.size() == word.size() || name[name.size() - word.size() - 1] == '_';
}

std::vector<std::string_view> SplitCommas(std::string_view text) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size() && !text.empty();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool IsOwnMachine(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

size_t FindIgnoringCase(std::string_view text, std::string_view word, size_t from) {
  const auto found =
      std::search(text.begin() + static_cast<ptrdiff_t>(from), text.end(), word.begin(), word.end(),
                  [](char a, char b) { return Lower(a) == Lower(b); });
  return found == text.end() ? std::string_view::npos : static_cast<size_t>(found - text.begin());
}

// `host` as a whole name, where addresses stand: "db", "x@db:5432/y", "host=db port=1", but not
// "/opt/db/bin". Of our own machine only together with the port: everything is at localhost.
bool MentionsHost(std::string_view value, std::string_view host, std::string_view port) {
  for (size_t at = 0; (at = FindIgnoringCase(value, host, at)) != std::string_view::npos; ++at) {
    const std::string_view before = value.substr(0, at);
    const std::string_view after = value.substr(at + host.size());
    const bool begins =
        before.empty() || before.ends_with("//") ||
        std::string_view("@= ,;\"'[(").find(before.back()) != std::string_view::npos;
    const bool ends = after.empty() ||
                      std::string_view(":/?,; \"'])").find(after.front()) != std::string_view::npos;
    if (!begins || !ends) continue;
    if (!IsOwnMachine(host)) return true;
    const std::string_view rest = after.starts_with("]") ? after.substr(1) : after;
    if (!port.empty() && rest.starts_with(":") && rest.substr(1).starts_with(port)) return true;
  }
  return false;
}

bool MentionsOne(std::string_view value, const pg::ConnInfo& source) {
  const auto ports = SplitCommas(source.Get("port"));
  for (const char* keyword : {"host", "hostaddr"}) {
    const auto hosts = SplitCommas(source.Get(keyword));
    for (size_t i = 0; i < hosts.size(); ++i) {
      const std::string_view port = ports.empty() ? "5432" : ports[std::min(i, ports.size() - 1)];
      if (hosts[i].starts_with("/") || hosts[i].starts_with("@")) {
        if (value.find(hosts[i]) != std::string_view::npos) return true;
        if (value.find(pg::UrlEncode(hosts[i])) != std::string_view::npos) return true;
      } else if (MentionsHost(value, hosts[i], port)) {
        return true;
      }
    }
  }
  for (const char* keyword : {"password", "sslpassword"}) {
    const std::string& secret = source.Get(keyword);
    if (secret.size() < kPasswordBytesMin) continue;
    if (value.find(secret) != std::string_view::npos) return true;
    if (value.find(pg::UrlEncode(secret)) != std::string_view::npos) return true;
  }
  return false;
}

// libpq's "host=db user=me", and the "Host=db;Username=me" of others: of whatever server.
bool LooksLikeConnInfo(std::string_view value) {
  const auto holds = [&](std::string_view word) {
    return FindIgnoringCase(value, word, 0) != std::string_view::npos;
  };
  if (!holds("host") && !holds("service=")) return false;
  if (value.starts_with("Host=") || value.starts_with("host=")) {
    if (holds(";user") || holds(";database=")) return true;
  }
  const auto info = pg::ConnInfo::Parse(value);
  return info.ok() && (info->Has("host") || info->Has("hostaddr") || info->Has("service"));
}

// Tokens and passwords of a CI system: of the job that runs us, for its registries and artefacts. A
// migration needs none of them. What the user calls by a like name is the user's.
bool SpeaksForTheJob(std::string_view name, bool in_github_actions) {
  constexpr std::array<std::string_view, 4> kGithub = {
      "GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"};
  constexpr std::array<std::string_view, 9> kGitlab = {
      "CI_JOB_TOKEN",       "CI_JOB_JWT",        "CI_JOB_JWT_V1",
      "CI_JOB_JWT_V2",      "CI_BUILD_TOKEN",    "CI_REGISTRY_PASSWORD",
      "CI_DEPLOY_PASSWORD", "CI_REPOSITORY_URL", "CI_DEPENDENCY_PROXY_PASSWORD"};
  const auto in = [&](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return in(kGitlab) || (in_github_actions && (in(kGithub) || name.starts_with("ACTIONS_")));
}

bool IsHidden(std::string_view name, std::string_view value,
              const std::vector<pg::ConnInfo>& sources) {
  if (std::find(kNeverHidden.begin(), kNeverHidden.end(), name) != kNeverHidden.end()) return false;
  if (name.starts_with("PG")) return true;
  const auto named = [&](const char* word) { return EndsWithWord(name, word); };
  if (std::any_of(kAddressNames.begin(), kAddressNames.end(), named)) return true;
  const auto holds = [&](const char* form) {
    return FindIgnoringCase(value, form, 0) != std::string_view::npos;
  };
  if (std::any_of(kAddressForms.begin(), kAddressForms.end(), holds)) return true;
  if (LooksLikeConnInfo(value)) return true;
  return MentionsSource(value, sources);
}

}  // namespace

bool MentionsSource(std::string_view value, const std::vector<pg::ConnInfo>& sources) {
  return std::any_of(sources.begin(), sources.end(),
                     [&](const pg::ConnInfo& source) { return MentionsOne(value, source); });
}

os::Environment MigrationEnvironment(const os::Environment& base, const pg::ConnInfo& target,
                                     const std::vector<pg::ConnInfo>& sources,
                                     std::vector<std::string>& hidden) {
  os::Environment environment;
  for (const auto& entry : base) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) continue;
    const std::string name = entry.substr(0, equals);
    if (IsHidden(name, std::string_view(entry).substr(equals + 1), sources)) {
      hidden.push_back(name);
    } else {
      environment.push_back(entry);
    }
  }
  std::sort(hidden.begin(), hidden.end());
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) os::SetVariable(environment, name, value);
  };
  set("DATABASE_URL", target.RenderUrl());
  set("PGHOST", target.Get("host"));
  set("PGPORT", target.Get("port"));
  set("PGUSER", target.Get("user"));
  set("PGDATABASE", target.Get("dbname"));
  set("PGPASSWORD", target.Get("password"));
  set("PGSSLMODE", target.Get("sslmode"));
  return environment;
}

base::Result<CommandOutcome> RunCommand(const CommandOptions& options) {
  if (options.argv.empty()) {
    return base::Fail(base::ErrorCode::kUsage, "no migration command: write it behind --");
  }
  std::vector<pg::ConnInfo> sources;
  for (const auto& text : options.sources) {
    SCRY_TRY_ASSIGN(const pg::ConnInfo given, pg::ConnInfo::Parse(text));
    // A service is only a name; what it stands for is what must not leak. One that cannot be looked
    // up here cannot be used by the command either.
    const auto full = given.WithDefaults();
    sources.push_back(full.ok() ? *full : given);
  }
  CommandOutcome outcome;
  os::Environment environment;
  const bool in_github_actions = std::find(options.environment.begin(), options.environment.end(),
                                           "GITHUB_ACTIONS=true") != options.environment.end();
  for (const std::string& entry : options.environment) {
    const std::string name = entry.substr(0, entry.find('='));
    if (SpeaksForTheJob(name, in_github_actions)) {
      outcome.hidden.push_back(name);
    } else {
      environment.push_back(entry);
    }
  }
  os::Program program;
  program.argv = options.argv;
  program.directory = options.directory;
  program.environment = MigrationEnvironment(environment, options.target, sources, outcome.hidden);
  program.err_into_out = true;
  program.death_signal = SIGTERM;  // Killed without a chance to clean up, scry leaves no migration.
  program.out.copy_to = options.output_fd;
  program.out.keep_bytes = kOutputBytesKept;
  os::RunLimits limits;
  limits.timeout_us = options.timeout_us;
  limits.stop = options.stop;
  limits.stop_fd = options.stop_fd;
  auto finished = os::RunProgram(program, limits);
  if (!finished.ok())
    return base::Result<CommandOutcome>(finished.error()).With("migration command");
  outcome.finished = std::move(*finished);
  return outcome;
}

base::Status JudgeOutcome(const CommandOptions& options, const CommandOutcome& outcome) {
  const os::Finished& finished = outcome.finished;
  if (finished.success()) return {};
  base::ErrorCode code = base::ErrorCode::kMigration;
  std::string message =
      fmt::format("migration command {} {}", options.argv[0], finished.Describe());
  if (finished.end == os::EndKind::kTimedOut) {
    code = base::ErrorCode::kTimeout;
    message += fmt::format(" ({})", base::FormatDuration(options.timeout_us));
  }
  if (finished.end == os::EndKind::kStopped) code = base::ErrorCode::kInterrupted;
  const std::string last = base::OneLine(os::LastErrorLine(finished.out));
  if (!last.empty()) message += ": " + base::Printable(last, 300);
  return base::Fail(code, std::move(message));
}

}  // namespace scry::migration
