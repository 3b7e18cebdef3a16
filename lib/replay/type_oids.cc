#include "replay/type_oids.h"

#include <charconv>
#include <utility>

#include "base/bytes.h"

namespace scry::replay {
namespace {

constexpr uint32_t kRecordOid = 2249;
constexpr uint32_t kRecordArrayOid = 2287;

// The same types as the probe of a source asks for.
constexpr const char* kTypes = R"(
SELECT t.oid, n.nspname, t.typname, t.typtype, t.typelem, t.typarray
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname !~ '^pg_(toast$|temp_|toast_temp_)' AND (t.oid >= 16384
  OR EXISTS (SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')))";

uint32_t Oid(const std::optional<std::string>& text) {
  uint32_t oid = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), oid);
  return oid;
}

// Names hold any character but this one.
std::string Qualified(const event::SourceType& type) { return type.schema + '\0' + type.name; }

using ByOid = std::unordered_map<uint32_t, const event::SourceType*>;

ByOid IndexOf(const std::vector<event::SourceType>& types) {
  ByOid index;
  for (const event::SourceType& type : types) index.emplace(type.oid, &type);
  return index;
}

bool IsArray(const event::SourceType& type, const ByOid& types) {
  if (type.typelem == 0) return false;
  const auto element = types.find(type.typelem);
  return element != types.end() && element->second->typarray == type.oid;
}

}  // namespace

base::Result<std::vector<event::SourceType>> ReadTypes(pg::AdminSession& lane) {
  SCRY_TRY_ASSIGN(const pg::Rows rows, lane.Exec(kTypes));
  std::vector<event::SourceType> types;
  types.reserve(rows.rows.size());
  for (const auto& row : rows.rows) {
    event::SourceType& type = types.emplace_back();
    type.oid = Oid(row.at(0));
    type.schema = row.at(1).value_or("");
    type.name = row.at(2).value_or("");
    const std::string kind = row.at(3).value_or("");
    if (!kind.empty()) type.typtype = kind[0];
    type.typelem = Oid(row.at(4));
    type.typarray = Oid(row.at(5));
  }
  return types;
}

TypeOids::TypeOids(const std::vector<event::SourceType>& from,
                   const std::vector<event::SourceType>& to) {
  const ByOid sources = IndexOf(from);
  const ByOid targets = IndexOf(to);
  std::unordered_map<std::string, const event::SourceType*> by_name;
  for (const event::SourceType& type : to) by_name.emplace(Qualified(type), &type);
  const auto find = [&](const event::SourceType& type) -> const event::SourceType* {
    const auto found = by_name.find(Qualified(type));
    return found == by_name.end() ? nullptr : found->second;
  };
  for (const event::SourceType& type : from) {
    uint32_t oid = 0;
    if (IsArray(type, sources)) {
      const event::SourceType* element = find(*sources.at(type.typelem));
      if (element != nullptr) oid = element->typarray;
    } else if (const event::SourceType* found = find(type); found != nullptr) {
      // An array under the name of what is none there: another type.
      if (!IsArray(*found, targets)) oid = found->oid;
    }
    if (oid == 0) {
      ++missing_;
    } else if (oid != type.oid) {
      other_.emplace(type.oid, oid);
    }
  }
}

uint32_t TypeOids::Map(uint32_t oid) const {
  const auto found = other_.find(oid);
  return found == other_.end() ? oid : found->second;
}

bool TypeOids::MayHoldOids(uint32_t type_oid) {
  return type_oid >= kFirstUserOid || type_oid == kRecordOid || type_oid == kRecordArrayOid;
}

// Goes through one value and notes where OIDs are to be put.
class TypeOids::Reading {
 public:
  struct Edit {
    size_t offset;
    uint32_t oid;
  };

  Reading(const TypeOids& oids, std::string_view value) : oids_(oids), value_(value) {}

  // What fits neither form gives no edits.
  std::vector<Edit> Edits() {
    Value(0, value_.size(), 0);
    return std::move(edits_);
  }

 private:
  static constexpr int kDepthMax = 8;     // Arrays of records of arrays ...
  static constexpr uint32_t kDimMax = 6;  // MAXDIM of the server.

  void Value(size_t begin, size_t end, int depth) {
    if (depth > kDepthMax) return;
    for (const bool array : {true, false}) {
      const size_t before = edits_.size();
      if (array ? Array(begin, end, depth) : Record(begin, end, depth)) return;
      edits_.resize(before);
    }
  }

  void TypeAt(size_t offset, uint32_t oid) {
    const uint32_t mapped = oids_.Map(oid);
    if (mapped != oid) edits_.push_back({offset, mapped});
  }

  // A length, and what it says. False: not there.
  bool Sized(base::ByteReader& in, size_t begin, int depth) {
    const int32_t length = in.BigI32();
    if (!in.ok() || length < -1) return false;
    if (length <= 0) return true;
    const size_t at = begin + in.position();
    in.Take(static_cast<size_t>(length));
    if (!in.ok()) return false;
    Value(at, at + static_cast<size_t>(length), depth + 1);
    return true;
  }

  // array_send: dimensions, flag of NULLs, type, size and lower bound of each dimension, elements.
  bool Array(size_t begin, size_t end, int depth) {
    base::ByteReader in(value_.substr(begin, end - begin));
    const uint32_t dimensions = in.BigU32();
    const uint32_t nulls = in.BigU32();
    const size_t at = begin + in.position();
    const uint32_t element = in.BigU32();
    if (!in.ok() || dimensions > kDimMax || nulls > 1) return false;
    uint64_t count = dimensions == 0 ? 0 : 1;
    for (uint32_t i = 0; i < dimensions; ++i) {
      const uint32_t size = in.BigU32();
      in.BigU32();
      count *= size;
      if (!in.ok() || count > value_.size()) return false;
    }
    TypeAt(at, element);
    for (uint64_t i = 0; i < count; ++i) {
      if (!Sized(in, begin, depth)) return false;
    }
    return in.AtEnd();
  }

  // record_send: the number of columns; type and value of each.
  bool Record(size_t begin, size_t end, int depth) {
    base::ByteReader in(value_.substr(begin, end - begin));
    const uint32_t columns = in.BigU32();
    if (!in.ok() || columns > value_.size()) return false;
    for (uint32_t i = 0; i < columns; ++i) {
      const size_t at = begin + in.position();
      const uint32_t type = in.BigU32();
      if (!in.ok()) return false;
      TypeAt(at, type);
      if (!Sized(in, begin, depth)) return false;
    }
    return in.AtEnd();
  }

  const TypeOids& oids_;
  const std::string_view value_;
  std::vector<Edit> edits_;
};

std::optional<std::string> TypeOids::MapBinary(std::string_view value) const {
  constexpr size_t kSmallest = 12;  // An empty array, or a record of one NULL.
  if (empty() || value.size() < kSmallest) return std::nullopt;
  const std::vector<Reading::Edit> edits = Reading(*this, value).Edits();
  if (edits.empty()) return std::nullopt;
  std::string mapped(value);
  for (const Reading::Edit& edit : edits) {
    base::ByteWriter oid;
    oid.BigU32(edit.oid);
    mapped.replace(edit.offset, oid.size(), oid.str());
  }
  return mapped;
}

NewTypes::NewTypes(const std::vector<event::SourceType>& lane,
                   const std::vector<event::SourceType>& baseline) {
  for (const event::SourceType& type : lane) lane_known_.insert(type.oid);
  for (const event::SourceType& type : baseline) baseline_known_.insert(type.oid);
}

uint32_t NewTypes::Map(uint32_t lane_oid, uint32_t baseline_oid) {
  const auto is_new = [](uint32_t oid, const std::unordered_set<uint32_t>& known) {
    return oid >= kFirstUserOid && !known.contains(oid);
  };
  if (!is_new(lane_oid, lane_known_) || !is_new(baseline_oid, baseline_known_)) return lane_oid;
  const auto pair = pairs_.find(lane_oid);
  if (pair != pairs_.end()) return pair->second;
  if (pairs_.size() >= kPairsMax || !paired_.insert(baseline_oid).second) return lane_oid;
  pairs_.emplace(lane_oid, baseline_oid);
  return baseline_oid;
}

}  // namespace scry::replay
