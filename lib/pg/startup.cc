#include "pg/startup.h"

#include <algorithm>

namespace scry::pg {
namespace {

// What the server's pg_split_opts takes for white space: isspace() of the C locale.
bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
}

// A name that survives "-c name=value": the server splits at the first '=' and turns '-' into '_'.
bool FitsOption(std::string_view name) {
  return !name.empty() && name.find_first_of("=-") == std::string_view::npos;
}

}  // namespace

std::string EscapeOption(std::string_view argument) {
  std::string out;
  for (const char c : argument) {
    if (IsBlank(c) || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::vector<std::string> SplitOptions(std::string_view options) {
  std::vector<std::string> arguments;
  size_t i = 0;
  for (;;) {
    while (i < options.size() && IsBlank(options[i])) ++i;
    if (i == options.size()) return arguments;
    std::string argument;
    bool escaped = false;
    for (; i < options.size() && (escaped || !IsBlank(options[i])); ++i) {
      if (!escaped && options[i] == '\\') {
        escaped = true;
        continue;
      }
      escaped = false;
      argument.push_back(options[i]);
    }
    arguments.push_back(std::move(argument));
  }
}

std::string DatabaseOf(const ConnInfo& lane, const StartupSettings& settings) {
  if (lane.database_pinned()) return lane.Get("dbname");
  std::string user;
  std::string database;
  for (const auto& [name, value] : settings) {
    if (name == "user") user = value;
    if (name == "database") database = value;
  }
  return database.empty() ? user : database;
}

StartupPlan PlanStartup(const ConnInfo& lane, const StartupSettings& settings) {
  StartupPlan plan;
  plan.info = lane;
  plan.info.Set("application_name", "").Set("fallback_application_name", "");
  plan.info.Set("client_encoding", "").Set("options", "");
  std::string options;
  std::string extra;
  for (const auto& [name, value] : settings) {
    const auto drop = [&, &key = name](const char* why) {
      plan.dropped.push_back(key + ": " + why);
    };
    if (name == "user") {
      plan.info.Set("user", value);
      if (value.empty()) drop("empty");
      continue;
    }
    if (name == "database") {
      // Empty means the user's name to the server, and libpq does the same with an absent dbname.
      if (!lane.database_pinned()) plan.info.Set("dbname", value);
      continue;
    }
    if (name == "options") {
      options = value;
      continue;
    }
    if (name == "replication") {
      // A walsender session: nothing of it is replayed.
      if (value != "false" && value != "off" && value != "no" && value != "0") {
        drop("replication sessions are not replayed");
      }
      continue;
    }
    if (name.starts_with("_pq_.")) continue;  // Protocol options: no server setting.
    // libpq takes an empty value for an absent one and "auto" for the locale's encoding.
    const bool keyword = (name == "application_name" || name == "client_encoding") &&
                         !value.empty() && value != "auto";
    if (keyword) {
      plan.info.Set(name, value);
    } else if (FitsOption(name)) {
      extra += " -c " + EscapeOption(name + "=" + value);
    } else {
      drop("this name cannot be passed as an option");
    }
  }
  const auto has_database = std::any_of(settings.begin(), settings.end(), [](const auto& setting) {
    return setting.first == "database";
  });
  if (!has_database && !lane.database_pinned()) plan.info.Set("dbname", plan.info.Get("user"));
  options += extra;
  if (!options.empty() && options[0] == ' ') options.erase(0, 1);
  plan.info.Set("options", options);
  return plan;
}

}  // namespace scry::pg
