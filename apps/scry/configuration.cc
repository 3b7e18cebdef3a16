#include "configuration.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "base/clock.h"
#include "base/units.h"
#include "command.h"
#include "compare/ignore_rules.h"
#include "os/signals.h"
#include "os/subprocess.h"

namespace scry::app {
namespace {

config::Environment EnvironmentMap() {
  config::Environment map;
  for (const std::string& entry : os::CurrentEnvironment()) {
    const size_t equals = entry.find('=');
    if (equals != std::string::npos) map[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return map;
}

// Installed by the first call, which main makes before any thread starts.
const base::Result<os::InterruptFlag>& Interrupt() {
  static const base::Result<os::InterruptFlag> flag = os::InterruptFlag::Install();
  return flag;
}

std::string Here() {
  std::error_code error;
  return std::filesystem::current_path(error).string();
}

}  // namespace

base::Result<config::Config> LoadConfig(const CommonOptions& common) {
  if (!common.config_path.empty()) return config::Load(common.config_path, EnvironmentMap());
  return config::LoadNearest(Here(), EnvironmentMap());
}

base::Result<std::optional<config::Config>> LoadConfigIfAny(const CommonOptions& common,
                                                            const std::string& directory) {
  std::optional<std::string> file = common.config_path;
  if (file->empty()) file = config::FindFile(directory.empty() ? Here() : directory);
  if (!file) return std::optional<config::Config>();
  SCRY_TRY_ASSIGN(config::Config config, config::Load(*file, EnvironmentMap()));
  return std::optional<config::Config>(std::move(config));
}

void ApplyPolicy(const config::Config& config, compare::Policy& policy) {
  policy = config.policy();
  policy.today = compare::DateOf(base::SystemClock().WallUs());
}

base::Result<std::vector<config::NamedSource>> SourcesOfConfig(const CommonOptions& common) {
  SCRY_TRY_ASSIGN(const std::optional<config::Config> config, LoadConfigIfAny(common));
  return config ? config->Sources() : std::vector<config::NamedSource>();
}

base::Result<base::Micros> ParseBudget(const std::string& text) {
  if (text.empty()) return base::Micros{0};
  SCRY_TRY_ASSIGN(const base::Micros budget, base::ParseDuration(text));
  if (budget > 0) return budget;
  return base::Fail(base::ErrorCode::kUsage, "--budget wants some time, as in 10m");
}

base::Result<double> ParseSpeed(const std::string& text) {
  if (text == "max") return 0.0;
  double speed = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
  if (error != std::errc() || rest != text.data() + text.size() || !(speed > 0) || speed > 1e6) {
    return base::Fail(base::ErrorCode::kUsage,
                      fmt::format("'{}' is no speed; write 1, 2.5 or max", base::Printable(text)));
  }
  return speed;
}

base::Result<replay::SyncMode> ParseSyncMode(const std::string& text, double speed) {
  if (text == "commit") return replay::SyncMode::kCommit;
  if (text == "none") return replay::SyncMode::kNone;
  if (speed > 0) return replay::SyncMode::kTime;
  return base::Fail(base::ErrorCode::kUsage,
                    "--sync time needs a pace: give --speed 1, or --sync commit");
}

int InterruptFd() { return Interrupt().ok() ? Interrupt()->fd() : -1; }

bool Interrupted() { return Interrupt().ok() && Interrupt()->Requested(); }

}  // namespace scry::app
