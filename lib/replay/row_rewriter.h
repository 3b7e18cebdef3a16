// Rows of a RowList (event.h), one by one; and other values put into a DataRow. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "wire/backend.h"

namespace scry::replay {

// Appends a length and the value, as rows and Binds have them.
inline void AppendSized(base::ByteWriter& out, std::string_view value) {
  out.BigU32(static_cast<uint32_t>(value.size()));
  out.Text(value);
}

// Calls `each` with every DataRow of a RowList, up to one that is cut short.
template <typename Each>
void ForEachRow(std::string_view row_list, Each each) {
  base::ByteReader in(row_list);
  while (in.left() > 0) {
    const uint32_t size = in.BigU32();
    const base::Bytes row = in.Take(size);
    if (!in.ok()) return;
    each(row);
  }
}

// `map(column, value)` answers an optional<std::string>: what stands in the place of a value that
// is not NULL. nullopt: the row stays as it is, as nothing changes or since it is malformed.
template <typename Map>
std::optional<std::string> RewriteRow(base::Bytes data_row, Map map) {
  wire::DataRowReader row(data_row);
  base::ByteWriter out;
  out.BigU16(row.values_left());
  bool changed = false;
  wire::RowValue value;
  for (size_t column = 0; row.Next(value); ++column) {
    if (value.null) {
      out.BigU32(UINT32_MAX);
      continue;
    }
    const std::optional<std::string> other = map(column, value.text);
    changed |= other.has_value();
    AppendSized(out, other ? std::string_view(*other) : value.text);
  }
  if (!changed || !row.ok()) return std::nullopt;
  return out.Release();
}

}  // namespace scry::replay
