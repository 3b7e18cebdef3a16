#include "exchange/row_digest.h"

#include <xxhash.h>

#include <string_view>
#include <utility>

#include "wire/backend.h"

namespace scry::exchange {
namespace {

constexpr uint64_t kNullCell = 0x6e756c6c63656c6cULL;

// Finisher of splitmix64. A plain sum of XXH3 values would do against accidents; mixing also breaks
// relations between rows that differ in one byte.
uint64_t Mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

void FreeState(XXH3_state_s* state) { XXH3_freeState(state); }

}  // namespace

RowDigest::RowDigest() : stream_(nullptr, &FreeState) {}
RowDigest::~RowDigest() = default;
RowDigest::RowDigest(RowDigest&&) noexcept = default;
RowDigest& RowDigest::operator=(RowDigest&&) noexcept = default;

void RowDigest::AddHash(uint64_t hash) {
  ordered_ = Mix(ordered_ ^ hash) + hash;
  unordered_ += Mix(hash);
}

void RowDigest::Add(base::Bytes row) { AddHash(XXH3_64bits(row.data(), row.size())); }

void RowDigest::Begin() {
  if (!stream_) stream_.reset(XXH3_createState());
  if (stream_) XXH3_64bits_reset(stream_.get());
}

void RowDigest::Piece(base::Bytes piece) {
  if (stream_) XXH3_64bits_update(stream_.get(), piece.data(), piece.size());
}

void RowDigest::End() {
  if (stream_) AddHash(XXH3_64bits_digest(stream_.get()));
}

size_t CopyHeaderBytes(base::Bytes data) {
  constexpr std::string_view kSignature("PGCOPY\n\377\r\n\0", 11);
  base::ByteReader in(data);
  if (in.TakeText(kSignature.size()) != kSignature) return 0;
  in.BigU32();  // Flags.
  in.Take(in.BigU32());
  return in.ok() ? data.size() - in.left() : 0;
}

void CellHashes::AddRow(base::Bytes data_row) {
  if (!complete_) return;
  wire::DataRowReader row(data_row);
  if (cells_.size() + row.values_left() > cells_max_) return GiveUp();
  wire::RowValue value;
  while (row.Next(value)) {
    cells_.push_back(value.null ? kNullCell : XXH3_64bits(value.text.data(), value.text.size()));
  }
  if (!row.ok()) GiveUp();
}

void CellHashes::GiveUp() {
  complete_ = false;
  cells_ = std::vector<uint64_t>();
}

void CellHashes::Clear() {
  complete_ = true;
  cells_.clear();
}

void KeptRows::Add(base::Bytes data_row) {
  if (!complete_) return;
  constexpr size_t kSizeBytes = 4;
  if (rows_.size() + kSizeBytes + data_row.size() > bytes_max_) return GiveUp();
  const auto size = static_cast<uint32_t>(data_row.size());
  const char size_bytes[kSizeBytes] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                       static_cast<char>(size >> 8), static_cast<char>(size)};
  rows_.append(size_bytes, kSizeBytes);
  rows_.append(base::AsText(data_row));
}

void KeptRows::Clear() {
  complete_ = true;
  rows_.clear();
}

}  // namespace scry::exchange
