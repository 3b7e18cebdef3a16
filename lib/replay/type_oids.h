// OIDs of the types that a database's users made: a copy that was not made file by file has others
// than its source, and a migration that makes a type anew has others than the baseline. They are
// matched by name. Pure, but for ReadTypes. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "event/source_snapshot.h"
#include "pg/admin.h"

namespace scry::replay {

// OIDs from here on are given out by a database; those below mean the same everywhere.
inline constexpr uint32_t kFirstUserOid = 16384;

// Types of users and of extensions, as the snapshot of a source has them. Blocks.
base::Result<std::vector<event::SourceType>> ReadTypes(pg::AdminSession& lane);

class TypeOids {
 public:
  // Every type means itself.
  TypeOids() = default;
  // From the OIDs of one database to those of another. Arrays go with their elements, since the
  // name of an array type depends on what else had that name.
  TypeOids(const std::vector<event::SourceType>& from, const std::vector<event::SourceType>& to);

  // Nothing has to be changed.
  bool empty() const { return other_.empty(); }
  // Types of `from` that `to` has not.
  size_t missing() const { return missing_; }
  // Itself where nothing else is known.
  uint32_t Map(uint32_t oid) const;

  // A value in binary form: arrays and records name the types of what they hold. nullopt: nothing
  // in it has to be changed. What is no such value, to the byte, is left alone. The size stays.
  std::optional<std::string> MapBinary(std::string_view value) const;
  // Values of this type may hold OIDs.
  static bool MayHoldOids(uint32_t type_oid);

 private:
  class Reading;

  std::unordered_map<uint32_t, uint32_t> other_;  // Only those that differ.
  size_t missing_ = 0;
};

// Types that traffic makes while it is replayed: every lane gives out OIDs of its own, and what
// made them may not have committed, so no catalog tells their names. Two that come in the same
// place of an answer are taken to be the same type, and then are so for good.
class NewTypes {
 public:
  NewTypes() = default;
  // What a lane and the baseline had when the replay began.
  NewTypes(const std::vector<event::SourceType>& lane,
           const std::vector<event::SourceType>& baseline);

  // The lane answered with a column of one type, the baseline with one of the other in its place.
  // The baseline's where both are the same type, else the lane's.
  uint32_t Map(uint32_t lane_oid, uint32_t baseline_oid);

 private:
  static constexpr size_t kPairsMax = 64 * 1024;

  std::unordered_set<uint32_t> lane_known_;
  std::unordered_set<uint32_t> baseline_known_;
  std::unordered_map<uint32_t, uint32_t> pairs_;  // From the lane's to the baseline's, one to one.
  std::unordered_set<uint32_t> paired_;           // Of the baseline.
};

}  // namespace scry::replay
