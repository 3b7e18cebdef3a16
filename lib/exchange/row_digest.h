// Digests of result rows and hashes of their values (XXH3), for event::Outcome and
// event::LaneOutcome. Used by AnswerReader. Not thread-safe. Digests are stored in captures: their
// definition is fixed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "event/lane_pair.h"
#include "event/value_equality.h"

struct XXH3_state_s;

namespace scry::exchange {

// Of the rows of one statement. A row may come whole or in pieces; both give the same digest.
class RowDigest {
 public:
  RowDigest();
  ~RowDigest();
  RowDigest(RowDigest&&) noexcept;
  RowDigest& operator=(RowDigest&&) noexcept;

  void Add(base::Bytes row);
  void Begin();
  void Piece(base::Bytes piece);
  void End();
  void AddHash(uint64_t hash);  // Of a row.
  void Clear() { ordered_ = unordered_ = 0; }

  // Both 0 when there were no rows. `ordered` depends on the order of rows; `unordered` is a sum,
  // so duplicates count (a XOR would cancel them).
  uint64_t ordered() const { return ordered_; }
  uint64_t unordered() const { return unordered_; }

 private:
  uint64_t ordered_ = 0;
  uint64_t unordered_ = 0;
  std::unique_ptr<XXH3_state_s, void (*)(XXH3_state_s*)>
      stream_;  // Made for the first streamed row.
};

// Of the first CopyData of COPY TO STDOUT (FORMAT binary): how many bytes are the format's header,
// which comes before the first row. 0: it has none, or none that is whole.
size_t CopyHeaderBytes(base::Bytes data);

// The hash of every value of every row, up to a limit. NULL and the empty string differ; numerics
// of another scale do not, once the columns are described. Beside that, the digest by value of all
// rows where columns have values that only that tells to be equal.
class CellHashes {
 public:
  explicit CellHashes(uint64_t cells_max = 0) : cells_max_(cells_max) {}

  // Before the first row.
  void Describe(const std::vector<event::Column>& columns);
  void AddRow(base::Bytes data_row);
  // Keeps no hashes of these rows.
  void Drop();
  // A row that came in pieces, or no DataRow at all: its values are not known.
  void GiveUp();
  void Clear();

  bool complete() const { return complete_; }
  size_t size_bytes() const { return cells_.size() * sizeof(uint64_t); }
  std::vector<uint64_t> Take() { return std::move(cells_); }  // Empty unless complete().
  event::ValueDigest values() const;

 private:
  struct Kind {
    event::ValueEquality equality = event::ValueEquality::kBytes;
    bool binary = false;
  };

  uint64_t cells_max_;
  bool complete_ = true;
  std::vector<uint64_t> cells_;
  std::vector<Kind> kinds_;  // By column. Empty: the bytes of all tell.
  RowDigest values_;
};

// Rows as they came, up to a limit: a RowList (event.h).
class KeptRows {
 public:
  explicit KeptRows(uint64_t bytes_max = 0) : bytes_max_(bytes_max), limit_(bytes_max) {}

  void Add(base::Bytes data_row);
  void GiveUp() { complete_ = false; }
  void Clear();
  // Also: nothing more is kept anyway.
  bool HasRoom(size_t row_bytes) const {
    return !complete_ || rows_.size() + kSizeBytes + row_bytes <= limit_;
  }
  // Until Clear(). REQUIRES: not less than before.
  void Widen(uint64_t bytes_max) { limit_ = bytes_max; }

  bool complete() const { return complete_; }
  size_t size_bytes() const { return rows_.size(); }
  std::string Take() { return std::exchange(rows_, std::string()); }

 private:
  static constexpr size_t kSizeBytes = 4;

  uint64_t bytes_max_;
  uint64_t limit_;
  bool complete_ = true;
  std::string rows_;
};

}  // namespace scry::exchange
