// How many columns of a terminal text takes: East Asian characters and emoji take two, combining
// marks none. Used where lines have a width. Pure.
#pragma once

#include <cstddef>
#include <string_view>

namespace scry::base {

struct Character {
  size_t bytes = 1;
  size_t columns = 1;
};

// At the front of `text`, which is not empty. A byte that is no UTF-8 is one column.
Character FrontCharacter(std::string_view text);

size_t TerminalWidth(std::string_view text);

}  // namespace scry::base
