// One value, whatever form it was sent in: read into one text that is the same for all forms, and
// written in the form that is wanted. Pure; takes any bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace scry::replay {

enum class ValueKind : uint8_t {
  kInteger,  // int2, int4, int8, and numeric where it holds a whole number.
  kXid,      // Of xmin; clients may send it as an integer.
  kUuid,
  kText,
  kOpaque,  // Of any other type: its text and its binary form have nothing in common.
};
ValueKind KindOf(uint32_t type_oid);

// Of kInteger, the number.
std::optional<int64_t> ReadInteger(std::string_view value, bool binary);
// The text that stands for the value: "105"; 32 lower-case digits of a UUID. Nothing where a server
// might read the bytes in another way than we do.
std::optional<std::string> ReadValue(ValueKind kind, std::string_view value, bool binary);
// A text of ReadValue in a form that goes where `like` stood. Nothing where it does not fit.
std::optional<std::string> WriteValue(ValueKind kind, std::string_view text, std::string_view like,
                                      bool binary);
// As a constant of SQL that may stand anywhere one stood.
std::optional<std::string> WriteLiteral(ValueKind kind, std::string_view text);

// What stands in the place of a value, both as ReadValue has them; nothing: it stays.
using MapText = std::function<std::optional<std::string>(const std::string& text)>;
std::optional<std::string> MapValue(ValueKind kind, std::string_view value, bool binary,
                                    const MapText& map);
// Of an array of one dimension, each element. nullopt: it stays as it is.
std::optional<std::string> MapArray(ValueKind kind, std::string_view value, bool binary,
                                    const MapText& map);

// Integers that no longer fit into the type that a client declared. 0: the type is no narrow one.
// Of int2, int4 and their arrays: int8, or its array.
uint32_t WiderType(uint32_t type_oid);
// Does the integer fit into a (narrow) type, or into its elements?
bool FitsType(uint32_t type_oid, std::string_view text);
// MapValue and MapArray of binary integers of any width, into int8 or its array.
std::optional<std::string> WidenValue(std::string_view value, const MapText& map);
std::optional<std::string> WidenArray(std::string_view value, const MapText& map);

}  // namespace scry::replay
