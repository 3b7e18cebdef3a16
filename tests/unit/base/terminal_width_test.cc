#include "base/terminal_width.h"

#include "base/units.h"
#include "support/catch.h"

namespace scry::base {
namespace {

TEST_CASE("text is as wide as a terminal shows it", "[base]") {
  CHECK(TerminalWidth("") == 0);
  CHECK(TerminalWidth("orders") == 6);
  CHECK(TerminalWidth("äöü€") == 4);
  CHECK(TerminalWidth("注文") == 4);
  CHECK(TerminalWidth("주문") == 4);
  CHECK(TerminalWidth("ｱｲ") == 2);    // Halfwidth.
  CHECK(TerminalWidth("ＡＢ") == 4);  // Fullwidth.
  CHECK(TerminalWidth("😀✅") == 4);
  CHECK(TerminalWidth("e\u0301") == 1);
  CHECK(TerminalWidth("か\u3099") == 2);
  CHECK(TerminalWidth("\u2192\u2026\u2013") == 3);
  CHECK(TerminalWidth("▇─│") == 3);
  CHECK(TerminalWidth("\xff\xe6\xb3") == 3);  // Of no character.
}

TEST_CASE("what is made printable keeps to its width", "[base]") {
  CHECK(Printable("注文注文", 8) == "注文注文");
  CHECK(Printable("注文注文", 7) == "注文注…");
  CHECK(Printable("注文注文", 6) == "注文…");
  CHECK(Printable("e\u0301e\u0301e\u0301", 3) == "e\u0301e\u0301e\u0301");
  CHECK(Printable("ab\u202ecd", 7) == "ab…");
  for (size_t width = 1; width < 20; ++width) {
    CHECK(TerminalWidth(Printable("a注\x01文\u202ee\u0301😀\nz", width)) <= width);
  }
}

}  // namespace
}  // namespace scry::base
