// What a command line is taken for, and what is said of one that is wrong. Used by main and by the
// commands that add options.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace CLI {
class App;
class ParseError;
class Validator;
}  // namespace CLI

namespace scry::app {

// The command that the words lead to, of a line that was parsed, or as far as it was.
const CLI::App& ChosenCommand(const CLI::App& root);

// Does `chosen` run somebody else's command, and the line have its "--" with nothing behind it? An
// unset variable in a script leaves one so, and no command is not what was meant.
bool LacksCommand(const CLI::App& chosen, const std::vector<std::string>& words);

// "scry log top", of a command below `root`; "scry" of itself.
std::string PathOf(const CLI::App& command);

// What is wrong with `words`, which `root` failed to parse with `error`: one line without "scry: ",
// which ends with the help to read.
std::string UsageText(const CLI::App& root, const CLI::ParseError& error,
                      const std::vector<std::string>& words);

// For check(): a whole number in that range, and one of these words.
CLI::Validator WholeNumber(uint64_t min, uint64_t max = std::numeric_limits<uint64_t>::max());
CLI::Validator OneOf(std::vector<std::string> words);

}  // namespace scry::app
