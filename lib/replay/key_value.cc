#include "replay/key_value.h"

#include <xxhash.h>

#include <string>

#include "replay/identity_value.h"

namespace scry::replay {
namespace {

ValueKind KindOf(KeyType type) {
  switch (type) {
    case KeyType::kInteger:
      return ValueKind::kInteger;
    case KeyType::kText:
      return ValueKind::kText;
    case KeyType::kUuid:
      return ValueKind::kUuid;
  }
  return ValueKind::kOpaque;
}

}  // namespace

std::optional<int64_t> IntegerKey(std::string_view value, bool binary) {
  return ReadInteger(value, binary);
}

std::optional<uint64_t> HashKey(KeyType type, std::string_view value, bool binary) {
  const auto text = ReadValue(KindOf(type), value, binary);
  if (!text) return std::nullopt;
  return XXH3_64bits(text->data(), text->size());
}

}  // namespace scry::replay
