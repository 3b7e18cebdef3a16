// One key value, whatever form a client sent it in, as one number: equal values give equal numbers.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "replay/relation_catalog.h"

namespace scry::replay {

// Nothing where the form is not one that can be told to be equal to others of its type.
std::optional<uint64_t> HashKey(KeyType type, std::string_view value, bool binary);
// The number itself, of a kInteger.
std::optional<int64_t> IntegerKey(std::string_view value, bool binary);

}  // namespace scry::replay
