// Values in the data of COPY FROM STDIN, which are parameters in all but name: found, and put other
// ones in their place. Pure; takes any bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "event/value_sites.h"

namespace scry::replay {

// What stands in the place of the value of a column (from 0); nothing: it stays. In the binary
// format the value is binary, else its text. Not asked for NULL, nor for a text that holds escapes
// or quotes: no number and no UUID does.
using MapCopied = std::function<std::optional<std::string>(size_t column, std::string_view value)>;

// `data`: all that was sent between CopyInResponse and CopyDone. nullopt: it stays as it is, as
// nothing changes or since the binary format is malformed.
std::optional<std::string> RewriteCopyData(const event::CopyShape& shape, std::string_view data,
                                           const MapCopied& map);

}  // namespace scry::replay
