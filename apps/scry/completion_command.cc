#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "command_line.h"
#include "terminal.h"

// Completions and the manual come from the parser itself: what they know is what the program takes.
namespace scry::app {
namespace {

// The group of what is taken and not told of.
constexpr const char* kHidden = "";

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) {
    return command->get_group() != kHidden && !command->get_name().empty();
  });
}

std::vector<const CLI::Option*> Flags(const CLI::App& app) {
  std::vector<const CLI::Option*> flags;
  for (const CLI::Option* option : app.get_options()) {
    if (option->nonpositional() && option->get_group() != kHidden) flags.push_back(option);
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

// Descriptions break their lines for the help.
std::string FirstSentence(const std::string& text) {
  std::string sentence = text.substr(0, text.find("\n\n"));
  std::replace(sentence.begin(), sentence.end(), '\n', ' ');
  sentence = sentence.substr(0, sentence.find(". "));
  if (!sentence.empty() && sentence.back() == '.') sentence.pop_back();
  return sentence;
}

// In single quotes, for any of the three shells.
std::string Quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Every command has its own help; the other flags of the root are taken anywhere.
bool OfTheRootAlone(const std::string& name) {
  return name == "-h" || name == "--help" || name == "--version";
}

void Add(const std::string& word, std::string& words) {
  words += (words.empty() ? "" : " ") + word;
}

// What an option or a positional takes, where that is one of a few words: as OneOf() describes it.
std::string ValuesOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  std::string values = type.substr(open + 1, close - open - 1);
  std::replace(values.begin(), values.end(), ',', ' ');
  return values;
}

// Subcommands, and the words that a positional takes.
std::string WordsOf(const CLI::App& app) {
  std::string words;
  for (const CLI::App* command : Commands(app)) Add(command->get_name(), words);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->nonpositional() && !ValuesOf(*option).empty()) Add(ValuesOf(*option), words);
  }
  return words;
}

std::string FlagWords(const CLI::App& app, const CLI::App& root) {
  std::string words;
  for (const CLI::Option* option : Flags(app)) {
    for (const std::string& name : Names(*option)) Add(name, words);
  }
  for (const CLI::Option* option : Flags(root)) {
    for (const std::string& name : Names(*option)) {
      if (&app != &root && !OfTheRootAlone(name)) Add(name, words);
    }
  }
  return words;
}

// "'ci'|'ci test-migration'|...": the words before the cursor that lead to a command, as patterns
// of a shell's case.
std::string Paths(const CLI::App& root, const std::string& separator) {
  std::string paths;
  ForEach(root, "", [&](const CLI::App&, const std::string& path) {
    if (!path.empty()) paths += (paths.empty() ? "" : separator) + Quoted(path);
  });
  return paths;
}

// What follows an option that takes a value: its words, or files. The cases are "COMMAND OPTION";
// those of the root are taken anywhere.
std::string BashValues(const CLI::App& root) {
  std::string cases;
  ForEach(root, "", [&](const CLI::App& app, const std::string& path) {
    for (const CLI::Option* option : Flags(app)) {
      if (option->get_items_expected_max() == 0) continue;
      std::string patterns;
      for (const std::string& name : Names(*option)) {
        if (!patterns.empty()) patterns += "|";
        patterns += path.empty() ? "*" + Quoted(" " + name) : Quoted(path + " " + name);
      }
      cases += fmt::format("    {}) words={} ;;\n", patterns, Quoted(ValuesOf(*option)));
    }
  });
  return cases;
}

std::string Bash(const CLI::App& root) {
  std::string cases;
  ForEach(root, "", [&](const CLI::App& app, const std::string& path) {
    cases += fmt::format("    {}) words={} flags={} ;;\n", Quoted(path), Quoted(WordsOf(app)),
                         Quoted(FlagWords(app, root)));
  });
  return "# bash completion for scry: scry completion bash >/etc/bash_completion.d/scry\n"
         "_scry() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} path= next word words= flags=\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    # After -- it is somebody else's command line.\n"
         "    if [ \"$word\" = -- ]; then COMPREPLY=(); compopt -o default; return; fi\n"
         "    next=${path:+$path }$word\n"
         "    case $next in " +
         Paths(root, "|") +
         ") path=$next ;; esac\n"
         "  done\n"
         "  case $path in\n" +
         cases +
         "  esac\n"
         "  if [[ $current == -* ]]; then words=$flags; fi\n"
         "  case \"$path ${COMP_WORDS[COMP_CWORD-1]}\" in\n" +
         BashValues(root) +
         "  esac\n"
         "  COMPREPLY=()\n"
         "  while IFS= read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -W \"$words\" -- "
         "\"$current\")\n"
         "  # Captures and reports are folders.\n"
         "  if [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; fi\n"
         "}\n"
         "complete -F _scry scry\n";
}

// "'top:What it does'" for zsh's _describe.
std::string Described(const std::string& name, const std::string& description) {
  return " " + Quoted(name + ":" + FirstSentence(description));
}

std::string ZshWords(const CLI::App& app) {
  std::string commands;
  std::string flags;
  for (const CLI::App* command : Commands(app)) {
    commands += Described(command->get_name(), command->get_description());
  }
  for (const CLI::Option* option : Flags(app)) {
    for (const std::string& name : Names(*option)) {
      flags += Described(name, option->get_description());
    }
  }
  return fmt::format("commands=({}) flags+=({})", commands, flags);
}

// Not by way of bash's: in zsh `path` is the PATH, and its bashcompinit has no compopt. The end
// serves both ways to load it: zsh's own, where this file is the body of _scry, and `source`.
std::string Zsh(const CLI::App& root) {
  std::string cases;
  std::string common;
  ForEach(root, "", [&](const CLI::App& app, const std::string& path) {
    cases += fmt::format("    {}) {} ;;\n", Quoted(path), ZshWords(app));
  });
  for (const CLI::Option* option : Flags(root)) {
    for (const std::string& name : Names(*option)) {
      if (!OfTheRootAlone(name)) common += Described(name, option->get_description());
    }
  }
  return "#compdef scry\n# zsh completion for scry: scry completion zsh >~/.zsh/completions/_scry\n"
         "_scry() {\n"
         "  local at= next\n"
         "  local -a commands flags\n"
         "  local -i i\n"
         "  for ((i = 2; i < CURRENT; ++i)); do\n"
         "    if [[ $words[i] == -- ]]; then\n"
         "      # What follows is somebody else's command line.\n"
         "      words=(\"${(@)words[i+1,-1]}\")\n"
         "      ((CURRENT -= i))\n"
         "      _normal\n"
         "      return\n"
         "    fi\n"
         "    next=${at:+$at }$words[i]\n"
         "    case $next in (" +
         Paths(root, "|") +
         ") at=$next ;; esac\n"
         "  done\n"
         "  if [[ -n $at ]]; then flags=(" +
         common +
         "); fi\n"
         "  case $at in\n" +
         cases +
         "  esac\n"
         "  if [[ $PREFIX == -* ]]; then\n"
         "    _describe -o flag flags\n"
         "  elif (($#commands)); then\n"
         "    _describe command commands\n"
         "  else\n"
         "    _default\n"
         "  fi\n"
         "}\n"
         "if [[ $funcstack[1] == _scry ]]; then _scry \"$@\"; else compdef _scry scry; fi\n";
}

std::string FishNames(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames()) names += " -s " + name;
  for (const std::string& name : option.get_lnames()) names += " -l " + name;
  return names + (option.get_items_expected_max() > 0 ? " -r" : "");
}

// As `"$at $word"` reads there: "' ci' 'ci test-migration'".
std::string FishPaths(const CLI::App& root) {
  std::string paths;
  ForEach(root, "", [&](const CLI::App&, const std::string& path) {
    if (path.empty()) return;
    const bool nested = path.find(' ') != std::string::npos;
    paths += (paths.empty() ? "" : " ") + Quoted(nested ? path : " " + path);
  });
  return paths;
}

std::string Fish(const CLI::App& root) {
  std::string out =
      "# fish completion for scry: scry completion fish >~/.config/fish/completions/scry.fish\n"
      "# Whether the words before the cursor lead to this command; never after --, where somebody "
      "else's begins.\n"
      "function __scry_at\n"
      "    set -l at\n"
      "    for word in (commandline -opc)[2..-1]\n"
      "        if test \"$word\" = --\n"
      "            return 1\n"
      "        end\n"
      "        switch \"$at $word\"\n"
      "            case " +
      FishPaths(root) +
      "\n"
      "                set at (string trim \"$at $word\")\n"
      "        end\n"
      "    end\n"
      "    test \"$argv\" = any -o \"$at\" = \"$argv\"\n"
      "end\n";
  ForEach(root, "", [&](const CLI::App& app, const std::string& path) {
    const std::string where = Quoted(path.empty() ? "__scry_at" : "__scry_at " + path);
    for (const CLI::App* command : Commands(app)) {
      out +=
          fmt::format("complete -c scry -n {} -f -a {} -d {}\n", where, Quoted(command->get_name()),
                      Quoted(FirstSentence(command->get_description())));
    }
    for (const CLI::Option* option : Flags(app)) {
      const std::vector<std::string> names = Names(*option);
      const bool anywhere =
          path.empty() && std::none_of(names.begin(), names.end(), OfTheRootAlone);
      out += fmt::format("complete -c scry -n {}{} -d {}\n",
                         anywhere ? Quoted("__scry_at any") : where, FishNames(*option),
                         Quoted(FirstSentence(option->get_description())));
    }
  });
  return out;
}

// help() of the root would be that of the command which is running.
std::string Help(const CLI::App& app) {
  return app.get_formatter()->make_help(&app, PathOf(app), CLI::AppFormatMode::Normal);
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
    out += fmt::format(".SS \"scry {}\"\n.nf\n{}.fi\n", path, Roff(Help(app)));
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
      ->check(OneOf({"bash", "zsh", "fish"}));
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
