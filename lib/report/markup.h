// What HTML, XML and Markdown all take for markup. Pure.
#pragma once

#include <string_view>

namespace scry::report {

// "&lt;" for '<'; empty for what is no markup in text.
constexpr std::string_view EntityOf(char c) {
  switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    default:
      return {};
  }
}

}  // namespace scry::report
