#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/units.h"
#include "command.h"
#include "config/config.h"
#include "configuration.h"
#include "job/doctor_job.h"
#include "report/table.h"
#include "terminal.h"

namespace scry::app {
namespace {

constexpr size_t kNameColumns = 22;
constexpr size_t kColumnsMax = 110;

std::string Line(const CommonOptions& common, const job::Check& check) {
  struct Sign {
    const char* sign;
    const char* code;
  };
  static constexpr Sign kSigns[] = {{"✓", "32"}, {"!", "33"}, {"✗", "31"}};
  const Sign& sign = kSigns[static_cast<size_t>(check.health)];
  std::string text = WantsColor(common, STDOUT_FILENO)
                         ? fmt::format("\x1b[{}m{}\x1b[0m ", sign.code, sign.sign)
                         : fmt::format("{} ", sign.sign);
  std::string name = report::Shorten(base::Printable(check.name), kNameColumns);
  name.append(kNameColumns + 1 - report::DisplayWidth(name), ' ');
  const size_t room = std::min(TerminalColumns(STDOUT_FILENO), kColumnsMax) - kNameColumns - 3;
  const std::string hang(kNameColumns + 3, ' ');
  bool first = true;
  for (const std::string& line : report::Wrap(base::Printable(base::OneLine(check.detail)), room)) {
    text += (first ? name : hang) + line + "\n";
    first = false;
  }
  if (check.remedy.empty()) return text;
  for (const std::string& line :
       report::Wrap("-> " + base::Printable(base::OneLine(check.remedy)), room)) {
    text += hang + line + "\n";
  }
  return text;
}

void NoteProvider(job::DoctorSource& source, shadow::ProviderKind provider) {
  source.physical |= provider == shadow::ProviderKind::kPhysical;
  source.dump |= provider == shadow::ProviderKind::kDump;
}

// The database's own source, and those that its shadows have instead.
base::Status AddSources(const config::Config& config, const std::string& name,
                        std::vector<job::DoctorSource>& sources) {
  job::DoctorSource own;
  own.name = name;
  const auto database = config.FindDatabase(name);
  if (!database.ok()) {
    own.problem = database.error().message;
  } else if (database->source.empty()) {
    own.problem = "has no source of its own";
  } else {
    own.source = database->source;
  }
  std::vector<job::DoctorSource> others;
  for (const std::string& text : config.ShadowNames()) {
    SCRY_TRY_ASSIGN(const shadow::ShadowName shadow, config::ParseShadowName(text));
    if (shadow.database != name) continue;
    const auto options = config.FindShadow(text);
    if (options.ok() && options->provider == shadow::ProviderKind::kDirectory) continue;
    if (options.ok() && options->source == own.source) {
      NoteProvider(own, options->provider);
      continue;
    }
    job::DoctorSource other;
    other.name = text;
    if (options.ok()) {
      other.source = options->source;
      NoteProvider(other, options->provider);
    } else if (options.error().message != own.problem) {
      other.problem = options.error().message;
    } else {
      continue;  // It has the database's, and is told with it.
    }
    others.push_back(std::move(other));
  }
  // Where each shadow has its own, the database needs none.
  if (database.ok() && database->source.empty() && !others.empty()) {
    sources.insert(sources.end(), others.begin(), others.end());
    return {};
  }
  sources.push_back(std::move(own));
  sources.insert(sources.end(), others.begin(), others.end());
  return {};
}

base::Result<job::DoctorRequest> RequestOf(const CommonOptions& common) {
  job::DoctorRequest request;
  request.state_dir = common.state_dir;
  request.stop_fd = InterruptFd();
  SCRY_TRY_ASSIGN(const std::optional<config::Config> config, LoadConfigIfAny(common));
  if (!config) return request;
  request.config = config->file();
  const std::vector<std::string> databases = config->DatabaseNames();
  request.databases = databases.size();
  for (const std::string& name : databases) {
    SCRY_TRY(AddSources(*config, name, request.sources));
  }
  return request;
}

ExitStatus Run(const CommonOptions& common) {
  const auto request = RequestOf(common);
  if (!request.ok()) return Refuse(request.error());
  const auto checks = job::Examine(*request, [&](const job::Check& check) {
    if (!common.json) PrintResult(Line(common, check));
  });
  if (common.json) PrintResult(job::ChecksJson(checks));
  const bool broken = std::any_of(checks.begin(), checks.end(), [](const job::Check& check) {
    return check.health == job::Health::kBroken;
  });
  return broken ? ExitStatus::kFailed : ExitStatus::kSafe;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* command = app.add_subcommand(
      "doctor",
      "What is here and what is missing: PostgreSQL's programs, disk, cloning of files, limits, a\n"
      "private server that really starts, and each source of scry.yaml with the rights its role "
      "has.");
  command->footer(
      "EXIT STATUS\n  0 all that is asked for works   1 something does not   64 wrong "
      "configuration\n"
      "EXAMPLE\n  scry doctor --json");
  command->callback([&chosen] { chosen.action = [&chosen] { return Run(chosen.common); }; });
}

}  // namespace scry::app
