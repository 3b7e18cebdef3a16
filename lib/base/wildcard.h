// Patterns with wildcards, as people write them on a command line and in scry.yaml. Pure.
#pragma once

#include <string_view>

namespace scry::base {

// Does `pattern` cover all of `text`? `*` and `%` stand for any text, `?` for one byte; letters of
// ASCII are the same in both cases. Takes time in proportion to the product of both lengths at
// most.
bool WildcardMatch(std::string_view pattern, std::string_view text);

}  // namespace scry::base
