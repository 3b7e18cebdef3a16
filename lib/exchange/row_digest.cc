#include "exchange/row_digest.h"

#include <xxhash.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "wire/backend.h"

namespace scry::exchange {
namespace {

using event::ValueEquality;

constexpr uint64_t kNullCell = 0x6e756c6c63656c6cULL;

// Finisher of splitmix64. A plain sum of XXH3 values would do against accidents; mixing also breaks
// relations between rows that differ in one byte.
uint64_t Mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

uint64_t HashOf(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

// As a server writes them, numerics differ by their scale alone: zeros behind the point, and in the
// binary form the number of digits there.
uint64_t NumericHash(std::string_view bytes, bool binary) {
  constexpr size_t kHeader = 8;  // Digits, weight, sign, scale; two bytes each.
  if (binary && bytes.size() >= kHeader) {
    const std::string_view digits = bytes.substr(kHeader);
    return XXH3_64bits_withSeed(digits.data(), digits.size(), HashOf(bytes.substr(0, 6)));
  }
  if (!binary && bytes.find('.') != std::string_view::npos) {
    bytes = bytes.substr(0, bytes.find_last_not_of('0') + 1);
    if (bytes.ends_with('.')) bytes.remove_suffix(1);
  }
  return HashOf(bytes == "-0" ? "0" : bytes);
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

void CellHashes::Describe(const std::vector<event::Column>& columns) {
  const auto by_bytes = [](const event::Column& column) {
    return event::EqualityOf(column) == ValueEquality::kBytes;
  };
  kinds_.clear();
  if (std::all_of(columns.begin(), columns.end(), by_bytes)) return;
  for (const event::Column& column : columns) {
    kinds_.push_back({event::EqualityOf(column), column.format == 1});
  }
}

void CellHashes::AddRow(base::Bytes data_row) {
  if (!complete_ && kinds_.empty()) return;
  wire::DataRowReader row(data_row);
  if (complete_ && cells_.size() + row.values_left() > cells_max_) Drop();
  if (!complete_ && kinds_.empty()) return;
  const bool by_value = row.values_left() == kinds_.size();
  uint64_t row_hash = 0;
  wire::RowValue value;
  for (size_t i = 0; row.Next(value); ++i) {
    const Kind kind = by_value ? kinds_[i] : Kind();
    const bool number = kind.equality == ValueEquality::kNumeric;
    uint64_t hash = kNullCell;
    if (!value.null) hash = number ? NumericHash(value.text, kind.binary) : HashOf(value.text);
    if (complete_) cells_.push_back(hash);
    if (number || kind.equality == ValueEquality::kBytes) row_hash = Mix(row_hash ^ hash) + hash;
  }
  if (!row.ok()) return GiveUp();
  if (by_value) values_.AddHash(row_hash);
}

void CellHashes::Drop() {
  complete_ = false;
  cells_ = std::vector<uint64_t>();
}

void CellHashes::GiveUp() {
  Drop();
  kinds_.clear();
}

void CellHashes::Clear() {
  complete_ = true;
  cells_.clear();
  kinds_.clear();
  values_.Clear();
}

event::ValueDigest CellHashes::values() const {
  if (kinds_.empty()) return {};
  return {true, values_.ordered(), values_.unordered()};
}

void KeptRows::Add(base::Bytes data_row) {
  if (!complete_) return;
  if (!HasRoom(data_row.size())) return GiveUp();
  const auto size = static_cast<uint32_t>(data_row.size());
  const char size_bytes[kSizeBytes] = {static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                                       static_cast<char>(size >> 8), static_cast<char>(size)};
  rows_.append(size_bytes, kSizeBytes);
  rows_.append(base::AsText(data_row));
}

void KeptRows::Clear() {
  complete_ = true;
  // What was rarely needed is not held for as long as the session lasts.
  if (limit_ > bytes_max_) rows_ = std::string();
  limit_ = bytes_max_;
  rows_.clear();
}

}  // namespace scry::exchange
