// What the source of a capture was when the capture began, as plain values: replay sets sequences
// from it, maps types and relations by name, and compares settings. Made by job, kept by querylog.
// All strings own their bytes, as UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/event.h"

namespace scry::event {

struct SequenceState {
  std::string schema;
  std::string name;
  // nullopt: it could not be read. A sequence with a cache is ahead of what its sessions have used.
  std::optional<int64_t> last_value;
  bool is_called = false;
  int64_t increment = 1;
  int64_t cache = 1;
  friend bool operator==(const SequenceState&, const SequenceState&) = default;
};

// A type whose oid differs in a copy that was not made file by file.
struct SourceType {
  uint32_t oid = 0;
  std::string schema;
  std::string name;
  char typtype = 'b';     // Of pg_type: 'b', 'c', 'd', 'e', 'r', 'm' or 'p'.
  uint32_t typelem = 0;   // Of an array: its elements' type.
  uint32_t typarray = 0;  // The type of arrays of it.
  friend bool operator==(const SourceType&, const SourceType&) = default;
};

// A table, partitioned table, view, materialised view or foreign table.
struct SourceRelation {
  uint32_t oid = 0;
  std::string schema;
  std::string name;
  char kind = 'r';                   // Of pg_class: 'r', 'p', 'v', 'm' or 'f'.
  std::vector<std::string> columns;  // By attribute number, from 1; "" for a dropped one.
  // With indexes and TOAST, as the server's last VACUUM or ANALYZE counted pages. Of what has rows.
  std::optional<uint64_t> bytes;
  friend bool operator==(const SourceRelation&, const SourceRelation&) = default;
};

struct SourceSnapshot {
  int server_version = 0;  // 150004 for 15.4.
  std::string database;
  std::string wal_lsn;  // "0/16B3748", of the moment; empty: unknown.
  Settings settings;    // As the capture's own role has them by default, without units.
  Settings extensions;  // Name and version.
  std::vector<SequenceState> sequences;
  std::vector<SourceType> types;
  std::vector<SourceRelation> relations;
  // The server's own count of this database's transactions, by whomever they were, at both ends of
  // the capture.
  std::optional<uint64_t> commits_at_start;
  std::optional<uint64_t> commits_at_end;
  std::optional<uint64_t> rollbacks_at_start;
  std::optional<uint64_t> rollbacks_at_end;
  bool complete = true;            // False: a limit cut one of the lists.
  std::vector<std::string> notes;  // What could not be read, in words.
  friend bool operator==(const SourceSnapshot&, const SourceSnapshot&) = default;
};

}  // namespace scry::event
