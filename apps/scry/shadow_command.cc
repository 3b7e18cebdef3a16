#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/units.h"
#include "command.h"
#include "configuration.h"
#include "job/replay_target.h"
#include "job/shadow_listing.h"
#include "shadow/garbage.h"
#include "shadow/provider.h"
#include "shadow/store.h"
#include "shadow/target_mark.h"

namespace scry::app {
namespace {

using base::Result;

struct Flags {
  std::string name;
  std::string target;
  bool force = false;
  bool kept_too = false;
};

Result<shadow::ShadowName> NameOf(const Flags& flags) {
  return config::ParseShadowName(flags.name);
}

shadow::Control ControlOf(TerminalProgress& progress) {
  shadow::Control control;
  control.progress = [&progress](std::string_view step) { progress.Step(std::string(step)); };
  control.stop_fd = InterruptFd();
  return control;
}

Result<std::string> Create(const CommonOptions& common, const Flags& flags) {
  SCRY_TRY_ASSIGN(const config::Config config, LoadConfig(common));
  SCRY_TRY_ASSIGN(const shadow::ShadowOptions options, config.FindShadow(flags.name));
  SCRY_TRY_ASSIGN(const shadow::StateDir state, shadow::StateDir::Open(common.state_dir));
  TerminalProgress progress(common);
  SCRY_TRY_ASSIGN(const shadow::ShadowInfo info,
                  shadow::CreateShadow(options, state, ControlOf(progress)));
  progress.Done("");
  if (common.json) return shadow::ToJson(info) + "\n";
  std::string text = fmt::format("shadow {}: PostgreSQL {}, {}, made in {}\n", info.name.Text(),
                                 info.server_version, base::FormatSize(info.size_bytes),
                                 base::FormatDuration(info.took_us));
  for (const std::string& note : info.notes) text += "note: " + base::Printable(note) + "\n";
  return text + fmt::format("next: scry ci test-migration {} --capture DIR -- MIGRATION\n",
                            info.name.Text());
}

Result<std::string> List(const CommonOptions& common, const Flags&) {
  SCRY_TRY_ASSIGN(const shadow::StateDir state, shadow::StateDir::Open(common.state_dir));
  SCRY_TRY_ASSIGN(const shadow::ShadowListing listing, shadow::ListShadows(state));
  for (const std::string& line : listing.unreadable) {
    PrintError(base::Fail("cannot read " + line));
  }
  if (common.json) return job::ShadowListJson(listing);
  return job::ShadowListText(listing, TerminalColumns(STDOUT_FILENO));
}

Result<std::string> Show(const CommonOptions& common, const Flags& flags) {
  SCRY_TRY_ASSIGN(const shadow::ShadowName name, NameOf(flags));
  SCRY_TRY_ASSIGN(const shadow::StateDir state, shadow::StateDir::Open(common.state_dir));
  SCRY_TRY_ASSIGN(const shadow::ShadowInfo info, shadow::ShowShadow(state, name));
  return common.json ? shadow::ToJson(info) + "\n" : job::ShadowText(info);
}

Result<std::string> Url(const CommonOptions& common, const Flags& flags) {
  SCRY_TRY_ASSIGN(const shadow::ShadowName name, NameOf(flags));
  SCRY_TRY_ASSIGN(const shadow::StateDir state, shadow::StateDir::Open(common.state_dir));
  SCRY_TRY_ASSIGN(const pg::ConnInfo info, shadow::OpenShadowServer(state, name));
  if (common.json) return fmt::format("{{\"url\": {}}}\n", JsonString(info.RenderUrl()));
  return info.RenderUrl() + "\n";
}

Result<std::string> Destroy(const CommonOptions& common, const Flags& flags) {
  SCRY_TRY_ASSIGN(const shadow::ShadowName name, NameOf(flags));
  SCRY_TRY_ASSIGN(const shadow::StateDir state, shadow::StateDir::Open(common.state_dir));
  SCRY_TRY(shadow::DestroyShadow(state, name, flags.force));
  if (common.json) return fmt::format("{{\"destroyed\": {}}}\n", JsonString(name.Text()));
  return fmt::format("destroyed {}\n", name.Text());
}

Result<std::string> Collect(const CommonOptions& common, const Flags& flags) {
  SCRY_TRY_ASSIGN(const shadow::StateDir state, shadow::StateDir::Open(common.state_dir));
  SCRY_TRY_ASSIGN(const shadow::GarbageReport report,
                  shadow::CollectGarbage(state, flags.kept_too));
  for (const std::string& failure : report.failures) PrintError(base::Fail(failure));
  if (!report.failures.empty()) return base::Fail("not everything could be removed; see above");
  if (common.json) {
    return fmt::format(
        "{{\"runs_removed\": {}, \"shadows_removed\": {}, \"servers_stopped\": {}, "
        "\"bytes_freed\": {}}}\n",
        report.runs_removed, report.shadows_removed, report.servers_stopped, report.bytes_freed);
  }
  std::string text =
      fmt::format("removed {} runs and {} unfinished shadows, stopped {} servers, freed {}\n",
                  report.runs_removed, report.shadows_removed, report.servers_stopped,
                  base::FormatSize(report.bytes_freed));
  for (const std::string& kept : report.kept_runs) {
    text += fmt::format("kept {} (asked for with --keep; gc --kept removes it)\n", kept);
  }
  return text;
}

Result<std::string> Mark(const CommonOptions& common, const Flags& flags) {
  SCRY_TRY_ASSIGN(const pg::ConnInfo target, job::ResolveTarget(flags.target));
  SCRY_TRY_ASSIGN(const std::vector<config::NamedSource> sources, SourcesOfConfig(common));
  SCRY_TRY(job::RefuseSources(target, sources, /*reads_only=*/false));
  SCRY_TRY(shadow::MarkTarget(target));
  if (common.json) return fmt::format("{{\"marked\": {}}}\n", JsonString(target.Display()));
  return fmt::format(
      "marked the server of {}: replays may now write to every database of it\n"
      "next: scry replay CAPTURE --target CONNINFO; to undo: scry shadow unmark --target "
      "CONNINFO\n",
      target.Display());
}

Result<std::string> Unmark(const CommonOptions& common, const Flags& flags) {
  SCRY_TRY_ASSIGN(const pg::ConnInfo target, job::ResolveTarget(flags.target));
  SCRY_TRY_ASSIGN(const bool was_marked, shadow::UnmarkTarget(target));
  if (common.json) {
    return fmt::format("{{\"unmarked\": {}, \"was_marked\": {}}}\n", JsonString(target.Display()),
                       was_marked);
  }
  return fmt::format("{} the server of {}\n", was_marked ? "unmarked" : "there was no mark on",
                     target.Display());
}

using Verb = Result<std::string> (*)(const CommonOptions&, const Flags&);

// `example`: what follows the verb.
std::string Footer(const std::string& example) {
  return "EXIT STATUS\n  0 done   1 failed   3 no such shadow   64 wrong usage or configuration\n"
         "EXAMPLE\n  scry shadow " +
         example;
}

CLI::App* AddVerb(CLI::App* shadow, Chosen& chosen, const std::string& name,
                  const std::string& help, const std::string& example, bool named, Verb verb,
                  const std::shared_ptr<Flags>& flags) {
  CLI::App* command = shadow->add_subcommand(name, help);
  command->footer(Footer(name + example));
  if (named) command->add_option("shadow", flags->name, "DATABASE/SHADOW")->required();
  command->callback([&chosen, flags, verb] {
    chosen.action = [&chosen, flags, verb] {
      const Result<std::string> text = verb(chosen.common, *flags);
      if (!text.ok()) return Refuse(text.error());
      PrintResult(*text);
      return ExitStatus::kSafe;
    };
  });
  return command;
}

}  // namespace

void AddShadowCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* shadow = app.add_subcommand(
      "shadow",
      "Kept copies of a database, as scry.yaml describes them; forks are made from them.");
  shadow->require_subcommand(1);
  auto flags = std::make_shared<Flags>();
  AddVerb(shadow, chosen, "create", "Copy the source; nothing is written to it", " prod-db/ci-main",
          true, Create, flags);
  AddVerb(shadow, chosen, "list", "All shadows", " --json", false, List, flags);
  AddVerb(shadow, chosen, "show", "One shadow: size, age, settings", " prod-db/ci-main", true, Show,
          flags);
  AddVerb(shadow, chosen, "url", "Start its server and print a connection string",
          " prod-db/ci-main", true, Url, flags);
  CLI::App* destroy = AddVerb(shadow, chosen, "destroy", "Stop and remove it",
                              " prod-db/ci-main --force", true, Destroy, flags);
  destroy->add_flag("--force", flags->force, "Even while somebody is connected");
  CLI::App* gc = AddVerb(shadow, chosen, "gc", "Remove what killed runs left behind", " --kept",
                         false, Collect, flags);
  gc->add_flag("--kept", flags->kept_too, "Also forks kept with --keep");
  CLI::App* mark = AddVerb(shadow, chosen, "mark", "Let replays write to a server of your own",
                           " --target \"$TEST_DATABASE_URL\"", false, Mark, flags);
  mark->add_option("--target", flags->target, "CONNINFO, as a role that may create roles")
      ->required();
  CLI::App* unmark = AddVerb(shadow, chosen, "unmark", "Take that back",
                             " --target \"$TEST_DATABASE_URL\"", false, Unmark, flags);
  unmark->add_option("--target", flags->target, "CONNINFO")->required();
  shadow->footer(Footer("create prod-db/ci-main"));
}

}  // namespace scry::app
