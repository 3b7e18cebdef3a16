// Readers and writers of flat bytes. ByteReader is sticky: read all fields, ask ok() once; after a
// short read every further field is zero or empty. Views point into the bytes given.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace scry::base {

using Bytes = std::span<const uint8_t>;

inline Bytes AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename T>
T ByteSwap(T value) {
  static_assert(std::is_unsigned_v<T>);
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}
  explicit ByteReader(std::string_view text) : bytes_(AsBytes(text)) {}

  bool ok() const { return ok_; }
  // Nothing left, and nothing was missing.
  bool AtEnd() const { return ok_ && position_ == bytes_.size(); }
  size_t left() const { return ok_ ? bytes_.size() - position_ : 0; }
  size_t position() const { return position_; }

  uint8_t U8() { return Fixed<uint8_t>(true); }
  uint16_t BigU16() { return Fixed<uint16_t>(true); }
  uint32_t BigU32() { return Fixed<uint32_t>(true); }
  int32_t BigI32() { return static_cast<int32_t>(BigU32()); }
  int16_t BigI16() { return static_cast<int16_t>(BigU16()); }
  uint32_t LittleU32() { return Fixed<uint32_t>(false); }
  uint64_t LittleU64() { return Fixed<uint64_t>(false); }

  // LEB128, at most 10 bytes.
  uint64_t Varint() {
    // Most take one byte.
    if (ok_ && position_ < bytes_.size() && bytes_[position_] < 0x80) return bytes_[position_++];
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = U8();
      if (!ok_) return 0;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }
  int64_t SignedVarint() {
    const uint64_t raw = Varint();
    return static_cast<int64_t>((raw >> 1) ^ (~(raw & 1) + 1));
  }

  Bytes Take(size_t count) {
    if (!ok_ || bytes_.size() - position_ < count) {
      ok_ = false;
      return {};
    }
    const Bytes taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }
  std::string_view TakeText(size_t count) { return AsText(Take(count)); }
  std::string_view TakeRest() { return AsText(Take(left())); }

  // Up to the next zero byte, which is consumed and not returned.
  std::string_view CString() {
    // Also keeps a null pointer from memchr, which is undefined even for no bytes.
    if (left() == 0) {
      ok_ = false;
      return {};
    }
    const void* end = std::memchr(bytes_.data() + position_, 0, bytes_.size() - position_);
    if (end == nullptr) {
      ok_ = false;
      return {};
    }
    const size_t length =
        static_cast<size_t>(static_cast<const uint8_t*>(end) - (bytes_.data() + position_));
    const std::string_view text = TakeText(length);
    ++position_;
    return text;
  }

 private:
  template <typename T>
  T Fixed(bool big) {
    const Bytes raw = Take(sizeof(T));
    if (raw.empty()) return 0;
    T value = 0;
    std::memcpy(&value, raw.data(), sizeof(T));
    const bool swap = big == (std::endian::native == std::endian::little);
    return swap ? ByteSwap(value) : value;
  }

  Bytes bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

// Appends to a string it owns.
class ByteWriter {
 public:
  void U8(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void BigU16(uint16_t value) { Fixed(value, true); }
  void BigU32(uint32_t value) { Fixed(value, true); }
  void LittleU32(uint32_t value) { Fixed(value, false); }
  void LittleU64(uint64_t value) { Fixed(value, false); }
  void Varint(uint64_t value) {
    while (value >= 0x80) {
      U8(static_cast<uint8_t>(value | 0x80));
      value >>= 7;
    }
    U8(static_cast<uint8_t>(value));
  }
  void SignedVarint(int64_t value) {
    Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  void Text(std::string_view text) { out_.append(text); }
  void CString(std::string_view text) {
    out_.append(text);
    out_.push_back('\0');
  }
  void Sized(std::string_view text) {
    Varint(text.size());
    out_.append(text);
  }

  size_t size() const { return out_.size(); }
  void clear() { out_.clear(); }
  std::string& str() { return out_; }
  const std::string& str() const { return out_; }
  std::string Release() { return std::move(out_); }

 private:
  template <typename T>
  void Fixed(T value, bool big) {
    const bool swap = big == (std::endian::native == std::endian::little);
    const T stored = swap ? ByteSwap(value) : value;
    char raw[sizeof(T)];
    std::memcpy(raw, &stored, sizeof(T));
    out_.append(raw, sizeof(T));
  }

  std::string out_;
};

}  // namespace scry::base
