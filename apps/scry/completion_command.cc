#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "terminal.h"

// Completions and the manual come from the parser itself: what they know is what the program takes.
namespace scry::app {
namespace {

// Commands that only the build uses.
constexpr const char* kHidden = "";

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) {
    return command->get_group() != kHidden && !command->get_name().empty();
  });
}

std::vector<const CLI::Option*> Flags(const CLI::App& app) {
  std::vector<const CLI::Option*> flags;
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional()) flags.push_back(option);
  }
  return flags;
}

std::vector<std::string> Names(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

// Every command with the words that lead to it: "", "log", "log top".
void ForEach(const CLI::App& app, const std::string& path,
             const std::function<void(const CLI::App&, const std::string&)>& visit) {
  visit(app, path);
  for (const CLI::App* command : Commands(app)) {
    ForEach(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), visit);
  }
}

std::string FirstSentence(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  const size_t stop = line.find(". ");
  return stop == std::string::npos ? line : line.substr(0, stop);
}

// In single quotes, for any of the three shells.
std::string Quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string Words(const CLI::App& app, const CLI::App& root) {
  std::string words;
  const auto add = [&](const std::string& word) { words += (words.empty() ? "" : " ") + word; };
  for (const CLI::App* command : Commands(app)) add(command->get_name());
  for (const CLI::Option* option : Flags(app)) {
    for (const std::string& name : Names(*option)) add(name);
  }
  if (&app != &root) {
    for (const CLI::Option* option : Flags(root)) {
      for (const std::string& name : Names(*option)) {
        if (name != "-h" && name != "--help" && name != "--version") add(name);
      }
    }
  }
  return words;
}

std::string Bash(const CLI::App& root) {
  std::string cases;
  std::string paths;
  ForEach(root, "", [&](const CLI::App& app, const std::string& path) {
    cases += fmt::format("    {}) words={} ;;\n", Quoted(path), Quoted(Words(app, root)));
    if (!path.empty()) paths += "|" + Quoted(path);
  });
  return "# bash completion for scry: scry completion bash >/etc/bash_completion.d/scry\n"
         "_scry() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} path= next word words=\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    # After -- it is somebody else's command line.\n"
         "    if [ \"$word\" = -- ]; then COMPREPLY=(); compopt -o default; return; fi\n"
         "    next=${path:+$path }$word\n"
         "    case $next in " +
         paths.substr(1) +
         ") path=$next ;; esac\n"
         "  done\n"
         "  case $path in\n" +
         cases +
         "  esac\n"
         "  COMPREPLY=()\n"
         "  while IFS= read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -W \"$words\" -- "
         "\"$current\")\n"
         "  if [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; fi\n"
         "}\n"
         "complete -F _scry scry\n";
}

// zsh runs bash's completions.
std::string Zsh(const CLI::App& root) {
  return "#compdef scry\n# zsh completion for scry: scry completion zsh >~/.zsh/completions/_scry\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         Bash(root);
}

std::string Fish(const CLI::App& root) {
  std::string out =
      "# fish completion for scry: scry completion fish >~/.config/fish/completions/scry.fish\n";
  ForEach(root, "", [&](const CLI::App& app, const std::string& path) {
    std::string where = "__fish_use_subcommand";
    if (!path.empty()) {
      where.clear();
      for (size_t at = 0; at <= path.size();) {
        const size_t end = std::min(path.find(' ', at), path.size());
        where += (where.empty() ? "" : "; and ") +
                 ("__fish_seen_subcommand_from " + path.substr(at, end - at));
        at = end + 1;
      }
    }
    for (const CLI::App* command : Commands(app)) {
      out += fmt::format("complete -c scry -n {} -f -a {} -d {}\n", Quoted(where),
                         Quoted(command->get_name()),
                         Quoted(FirstSentence(command->get_description())));
    }
    for (const CLI::Option* option : Flags(app)) {
      std::string names;
      for (const std::string& name : option->get_snames()) names += " -s " + name;
      for (const std::string& name : option->get_lnames()) names += " -l " + name;
      out += fmt::format("complete -c scry{}{} -d {}\n",
                         path.empty() ? std::string() : " -n " + Quoted(where), names,
                         Quoted(FirstSentence(option->get_description())));
    }
  });
  return out;
}

// help() of the root would be that of the command which is running.
std::string Help(const CLI::App& app) {
  return app.get_formatter()->make_help(&app, "scry", CLI::AppFormatMode::Normal);
}

// Text for troff: no line begins a request, no backslash is one.
std::string Roff(const std::string& text) {
  std::string out;
  bool at_begin = true;
  for (const char c : text) {
    if (at_begin && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
    at_begin = c == '\n';
  }
  return out;
}

std::string Manual(const CLI::App& root, const std::string& version) {
  std::string out = fmt::format(
      ".TH SCRY 1 \"\" \"scry {}\" \"User Commands\"\n.SH NAME\nscry \\- test PostgreSQL schema "
      "changes with captured traffic\n.SH SYNOPSIS\n.B scry\n.I COMMAND\n[\\fIOPTIONS\\fR]\n"
      ".SH OVERVIEW\n.nf\n{}.fi\n.SH COMMANDS\n",
      version, Roff(Help(root)));
  ForEach(root, "", [&](const CLI::App& app, const std::string& path) {
    if (path.empty() || !Commands(app).empty()) return;
    out += fmt::format(".SS \"scry {}\"\n.nf\n{}.fi\n", path, Roff(app.help()));
  });
  return out;
}

}  // namespace

void AddCompletionCommand(CLI::App& app, Chosen& chosen) {
  auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "Print what completes scry's commands and flags in a shell");
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>{"bash", "zsh", "fish"}));
  completion->footer(
      "EXIT STATUS\n  0 done   64 wrong usage\nEXAMPLE\n  source <(scry completion bash)");
  completion->callback([&app, &chosen, shell] {
    chosen.action = [&app, shell] {
      PrintResult(*shell == "bash" ? Bash(app) : *shell == "zsh" ? Zsh(app) : Fish(app));
      return ExitStatus::kSafe;
    };
  });

  CLI::App* manual = app.add_subcommand("manual", "Print the manual page");
  manual->group(kHidden);
  manual->callback([&app, &chosen] {
    chosen.action = [&app] {
      PrintResult(Manual(app, SCRY_VERSION));
      return ExitStatus::kSafe;
    };
  });
}

}  // namespace scry::app
