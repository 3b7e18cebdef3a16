#include "querylog/snapshot.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "querylog/format.h"

namespace scry::querylog {
namespace {

using base::ErrorCode;
using base::Fail;
using nlohmann::json;
using ordered = nlohmann::ordered_json;

ordered Pairs(const event::Settings& settings) {
  ordered out = ordered::array();
  for (const auto& [name, value] : settings) out.push_back(ordered::array({name, value}));
  return out;
}

ordered Sequence(const event::SequenceState& sequence) {
  ordered out{{"schema", sequence.schema},
              {"name", sequence.name},
              {"is_called", sequence.is_called},
              {"increment", sequence.increment},
              {"cache", sequence.cache}};
  if (sequence.last_value) out["last_value"] = *sequence.last_value;
  return out;
}

ordered Type(const event::SourceType& type) {
  return ordered{{"oid", type.oid},         {"schema", type.schema},
                 {"name", type.name},       {"typtype", std::string(1, type.typtype)},
                 {"typelem", type.typelem}, {"typarray", type.typarray}};
}

ordered Relation(const event::SourceRelation& relation) {
  ordered out{{"oid", relation.oid},
              {"schema", relation.schema},
              {"name", relation.name},
              {"kind", std::string(1, relation.kind)},
              {"columns", relation.columns}};
  if (relation.bytes) out["bytes"] = *relation.bytes;
  return out;
}

template <typename T, typename Encode>
ordered List(const std::vector<T>& values, Encode encode) {
  ordered out = ordered::array();
  for (const T& value : values) out.push_back(encode(value));
  return out;
}

// Takes members from one object. Sticky: after a member of another type or out of range, ok() is
// false. What is absent leaves the default.
class Members {
 public:
  explicit Members(const json& object) : object_(object), ok_(object.is_object()) {}
  bool ok() const { return ok_; }

  const json* Find(const char* name) {
    if (!ok_) return nullptr;
    const auto found = object_.find(name);
    return found == object_.end() ? nullptr : &*found;
  }
  void Take(const char* name, std::string& out) {
    const json* value = Find(name);
    if (value != nullptr && Expect(value->is_string())) out = value->get<std::string>();
  }
  void Take(const char* name, bool& out) {
    const json* value = Find(name);
    if (value != nullptr && Expect(value->is_boolean())) out = value->get<bool>();
  }
  void Take(const char* name, char& out) {
    std::string text(1, out);
    Take(name, text);
    if (Expect(text.size() == 1)) out = text[0];
  }
  template <typename T>
  void TakeNumber(const char* name, T& out) {
    const json* value = Find(name);
    if (value == nullptr || !Expect(value->is_number_integer())) return;
    // is_number_unsigned: only then does uint64_t hold it.
    if (value->is_number_unsigned()) {
      const auto number = value->get<uint64_t>();
      if (Expect(number <= static_cast<uint64_t>(std::numeric_limits<T>::max()))) {
        out = static_cast<T>(number);
      }
      return;
    }
    const auto number = value->get<int64_t>();  // Negative.
    const bool fits = std::numeric_limits<T>::is_signed &&
                      number >= static_cast<int64_t>(std::numeric_limits<T>::min());
    if (Expect(fits)) out = static_cast<T>(number);
  }
  template <typename T>
  void TakeNumber(const char* name, std::optional<T>& out) {
    if (Find(name) == nullptr) return;
    T number{};
    TakeNumber(name, number);
    if (ok_) out = number;
  }
  // `decode` takes one entry and says whether it could.
  template <typename Decode>
  void TakeList(const char* name, Decode decode) {
    const json* value = Find(name);
    if (value == nullptr || !Expect(value->is_array())) return;
    for (const json& entry : *value) {
      if (!Expect(decode(entry))) return;
    }
  }
  void Take(const char* name, std::vector<std::string>& out) {
    TakeList(name, [&](const json& entry) {
      if (entry.is_string()) out.push_back(entry.get<std::string>());
      return entry.is_string();
    });
  }
  void Take(const char* name, event::Settings& out) {
    TakeList(name, [&](const json& entry) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
          !entry[1].is_string()) {
        return false;
      }
      out.emplace_back(entry[0].get<std::string>(), entry[1].get<std::string>());
      return true;
    });
  }

 private:
  bool Expect(bool fits) {
    ok_ = ok_ && fits;
    return ok_;
  }

  const json& object_;
  bool ok_;
};

bool DecodeSequence(const json& entry, event::SequenceState& sequence) {
  Members in(entry);
  in.Take("schema", sequence.schema);
  in.Take("name", sequence.name);
  in.TakeNumber("last_value", sequence.last_value);
  in.Take("is_called", sequence.is_called);
  in.TakeNumber("increment", sequence.increment);
  in.TakeNumber("cache", sequence.cache);
  return in.ok();
}

bool DecodeType(const json& entry, event::SourceType& type) {
  Members in(entry);
  in.TakeNumber("oid", type.oid);
  in.Take("schema", type.schema);
  in.Take("name", type.name);
  in.Take("typtype", type.typtype);
  in.TakeNumber("typelem", type.typelem);
  in.TakeNumber("typarray", type.typarray);
  return in.ok();
}

bool DecodeRelation(const json& entry, event::SourceRelation& relation) {
  Members in(entry);
  in.TakeNumber("oid", relation.oid);
  in.Take("schema", relation.schema);
  in.Take("name", relation.name);
  in.Take("kind", relation.kind);
  in.Take("columns", relation.columns);
  in.TakeNumber("bytes", relation.bytes);
  return in.ok();
}

template <typename T>
void TakeAll(Members& in, const char* name, std::vector<T>& out,
             bool (*decode)(const json&, T& value)) {
  in.TakeList(name, [&](const json& entry) { return decode(entry, out.emplace_back()); });
}

}  // namespace

std::string EncodeSnapshot(const event::SourceSnapshot& snapshot) {
  ordered out;
  out["format"] = kSnapshotFormat;
  out["format_version"] = kSnapshotVersion;
  out["server_version"] = snapshot.server_version;
  out["database"] = snapshot.database;
  if (!snapshot.wal_lsn.empty()) out["wal_lsn"] = snapshot.wal_lsn;
  const auto count = [&](const char* name, const std::optional<uint64_t>& value) {
    if (value) out[name] = *value;
  };
  count("commits_at_start", snapshot.commits_at_start);
  count("commits_at_end", snapshot.commits_at_end);
  count("rollbacks_at_start", snapshot.rollbacks_at_start);
  count("rollbacks_at_end", snapshot.rollbacks_at_end);
  out["complete"] = snapshot.complete;
  out["notes"] = snapshot.notes;
  out["settings"] = Pairs(snapshot.settings);
  out["extensions"] = Pairs(snapshot.extensions);
  out["sequences"] = List(snapshot.sequences, Sequence);
  out["types"] = List(snapshot.types, Type);
  out["relations"] = List(snapshot.relations, Relation);
  // Names of a database without an encoding may be no UTF-8: they become U+FFFD, no exception.
  return out.dump(-1, ' ', false, ordered::error_handler_t::replace) + "\n";
}

base::Result<event::SourceSnapshot> ParseSnapshot(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  std::string format;
  uint64_t version = 0;
  Members in(object);
  in.Take("format", format);
  in.TakeNumber("format_version", version);
  if (!in.ok() || format != kSnapshotFormat || version == 0) {
    return Fail(ErrorCode::kCorrupt, "not the source snapshot of a capture");
  }
  if (version > kSnapshotVersion) {
    return Fail(ErrorCode::kUnsupported,
                "the source snapshot has format version " + std::to_string(version) +
                    ", this scry reads up to version " + std::to_string(kSnapshotVersion) +
                    "; read it with the scry that wrote it or a newer one");
  }
  event::SourceSnapshot snapshot;
  in.TakeNumber("server_version", snapshot.server_version);
  in.Take("database", snapshot.database);
  in.Take("wal_lsn", snapshot.wal_lsn);
  in.TakeNumber("commits_at_start", snapshot.commits_at_start);
  in.TakeNumber("commits_at_end", snapshot.commits_at_end);
  in.TakeNumber("rollbacks_at_start", snapshot.rollbacks_at_start);
  in.TakeNumber("rollbacks_at_end", snapshot.rollbacks_at_end);
  in.Take("complete", snapshot.complete);
  in.Take("notes", snapshot.notes);
  in.Take("settings", snapshot.settings);
  in.Take("extensions", snapshot.extensions);
  TakeAll(in, "sequences", snapshot.sequences, DecodeSequence);
  TakeAll(in, "types", snapshot.types, DecodeType);
  TakeAll(in, "relations", snapshot.relations, DecodeRelation);
  if (!in.ok()) {
    return Fail(ErrorCode::kCorrupt, "the source snapshot of the capture cannot be read");
  }
  return snapshot;
}

base::Status WriteSnapshot(os::FileSystem& files, const std::string& directory,
                           const event::SourceSnapshot& snapshot) {
  const std::string text = EncodeSnapshot(snapshot);
  if (text.size() > kSnapshotBytesMax) {
    return Fail("the source snapshot would have " + std::to_string(text.size()) + " bytes, over " +
                std::to_string(kSnapshotBytesMax));
  }
  return os::ReplaceFile(files, directory + "/" + std::string(kSnapshotName), text);
}

}  // namespace scry::querylog
