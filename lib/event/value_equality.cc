#include "event/value_equality.h"

namespace scry::event {
namespace {

// pg_attribute.attnum of columns that every table has: ctid, xmin, cmin, xmax, cmax, tableoid.
constexpr int16_t kTableOidNumber = -6;

bool IsOfEveryTable(const Column& column) {
  const auto number = static_cast<int16_t>(column.column_number);
  return column.table_oid != 0 && number < 0 && number != kTableOidNumber;
}

}  // namespace

ValueEquality EqualityOf(const Column& column) {
  if (IsOfEveryTable(column)) return ValueEquality::kServer;
  // pg_type.dat; built-in types keep their OIDs in all versions.
  switch (column.type_oid) {
    case 1700:
      return ValueEquality::kNumeric;
    case 700:   // float4
    case 701:   // float8
    case 1021:  // float4[]
    case 1022:  // float8[]
    case 1231:  // numeric[]
      return ValueEquality::kRounded;
    case 27:    // tid
    case 28:    // xid
    case 29:    // cid
    case 271:   // xid8[]
    case 1010:  // tid[]
    case 1011:  // xid[]
    case 1012:  // cid[]
    case 1790:  // refcursor
    case 2970:  // txid_snapshot
    case 3220:  // pg_lsn
    case 5038:  // pg_snapshot
    case 5069:  // xid8
      return ValueEquality::kServer;
    default:
      return ValueEquality::kBytes;
  }
}

}  // namespace scry::event
