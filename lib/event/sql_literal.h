// Constants and comments in SQL text: where one ends, and what it means. Internal to lib/event.
// Pure; takes any bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace scry::event {

// Bytes of the number, string, true, false or NULL that starts at `offset`. 0: nothing of that, or
// one of a form that is not read here (bit strings, U&'', strings continued on a further line).
size_t LiteralLength(std::string_view text, size_t offset);

bool IsBlank(char c);

// Behind the comment that starts at `at`, or where the text ends; `at` itself: none does.
size_t CommentEnd(std::string_view text, size_t at);

}  // namespace scry::event
