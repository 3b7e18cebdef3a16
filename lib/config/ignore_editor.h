// Writes ignore rules into the text of a scry.yaml that people wrote, and leaves all else of it as
// it is. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "compare/policy.h"

namespace scry::config {

// `text` with `rule` in policy: ignore:, as one insertion: layout and comments stay. Empty `text`
// becomes a whole file. What comes out has been read back, and differs from what was there by the
// rule alone. `comment` stands behind it where there is room for one. kUsage: the text is none of
// scry's, holds such a rule already, or is laid out so that it cannot be done; then the message
// says what to add by hand.
// REQUIRES: the rule names a finding by its id, and has an end.
base::Result<std::string> AddIgnoreRule(std::string_view text, std::string_view file,
                                        const compare::IgnoreRule& rule, std::string_view comment);

}  // namespace scry::config
