#include "command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "base/units.h"

namespace scry::app {
namespace {

using base::Printable;

constexpr const char* kDashes = "--";

// Of its own; what it falls through to is not.
bool Knows(const CLI::App& app, const std::string& option) {
  const auto options = app.get_options();
  return std::any_of(options.begin(), options.end(),
                     [&](const CLI::Option* one) { return one->check_name(option); });
}

// Behind -- stands somebody else's command.
bool RunsCommand(const CLI::App& chosen) { return Knows(chosen, "command"); }

bool Has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string Joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

std::vector<std::string> NamesOfCommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); })) {
    names.push_back(command->get_name());
  }
  return names;
}

// Of an option that nobody knows.
std::string StrayOption(const CLI::App& chosen, const std::vector<std::string>& words,
                        const std::string& option) {
  const std::string unknown =
      fmt::format("{} has no option '{}'", PathOf(chosen), Printable(option, 60));
  if (!RunsCommand(chosen) || Has(words, kDashes)) return unknown;
  const std::vector<std::string> command = chosen.get_option("command")->results();
  if (command.empty()) return unknown;
  return fmt::format("{}; if it is one of {}, write -- before that command: -- {} {} ...", unknown,
                     Printable(command.front(), 60), Printable(command.front(), 60),
                     Printable(option, 60));
}

std::string NoSuchCommand(const CLI::App& chosen, const std::string& word) {
  const bool root = chosen.get_parent() == nullptr;
  const std::string name =
      root ? Printable(word, 40) : chosen.get_name() + " " + Printable(word, 40);
  const std::string known =
      root ? "" : fmt::format("; {} has {}", chosen.get_name(), Joined(NamesOfCommands(chosen)));
  return fmt::format("there is no command '{}'{}", name, known);
}

// Is "--color: ..." about an option that every command takes and only the root's help tells of?
bool OfRootAlone(const CLI::App& root, const CLI::App& chosen, const std::string& message) {
  const std::string name = message.substr(0, message.find(':'));
  return name.starts_with("-") && !Knows(chosen, name) && Knows(root, name);
}

}  // namespace

std::string PathOf(const CLI::App& command) {
  if (command.get_parent() == nullptr) return "scry";
  return PathOf(*command.get_parent()) + " " + command.get_name();
}

std::string UsageText(const CLI::App& root, const CLI::ParseError& error,
                      const std::vector<std::string>& words) {
  const CLI::App& chosen = ChosenCommand(root);
  const std::vector<std::string> strays = root.remaining(true);
  const auto option = std::find_if(strays.begin(), strays.end(), [](const std::string& word) {
    return word.size() > 1 && word[0] == '-' && word != kDashes;
  });
  const auto word = std::find_if(strays.begin(), strays.end(),
                                 [](const std::string& one) { return one != kDashes; });
  const std::vector<std::string> commands = NamesOfCommands(chosen);
  std::string message = base::OneLine(error.what());
  if (word != strays.end() && word != option && !commands.empty()) {
    message = NoSuchCommand(chosen, *word);
  } else if (option != strays.end()) {
    message = StrayOption(chosen, words, *option);
  } else if (word != strays.end()) {
    message = fmt::format("'{}' is a word too many", Printable(*word, 60));
  } else if (!commands.empty() && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    message = fmt::format("a command is missing: {}", Joined(commands));
  }
  return fmt::format("{} (try '{} --help')", Printable(message, 400),
                     PathOf(OfRootAlone(root, chosen, message) ? root : chosen));
}

CLI::Validator WholeNumber(uint64_t min, uint64_t max) {
  const auto check = [min, max](std::string& text) -> std::string {
    uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && rest == end && number >= min && number <= max) return {};
    const bool open = max == std::numeric_limits<uint64_t>::max();
    return fmt::format("'{}' is no whole number from {} {}", Printable(text, 40), min,
                       open ? "on" : fmt::format("to {}", max));
  };
  return CLI::Validator(check, "");
}

CLI::Validator OneOf(std::vector<std::string> words) {
  const std::string list = fmt::format("{{{}}}", fmt::join(words, ","));
  const auto check = [words = std::move(words)](std::string& text) -> std::string {
    if (Has(words, text)) return {};
    return fmt::format("'{}' is none of {}", Printable(text, 40), Joined(words));
  };
  return CLI::Validator(check, list);
}

const CLI::App& ChosenCommand(const CLI::App& root) {
  const CLI::App* chosen = &root;
  for (auto next = chosen->get_subcommands(); !next.empty(); next = chosen->get_subcommands()) {
    chosen = next.back();
  }
  return *chosen;
}

bool LacksCommand(const CLI::App& chosen, const std::vector<std::string>& words) {
  if (!RunsCommand(chosen)) return false;
  const auto dashes = std::find(words.begin(), words.end(), kDashes);
  if (dashes == words.end()) return false;
  return dashes + 1 == words.end() || (dashes + 1)->empty();
}

}  // namespace scry::app
