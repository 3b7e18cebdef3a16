#include "base/bytes.h"

#include <limits>
#include <string>

#include "base/random.h"
#include "support/catch.h"

namespace scry::base {
namespace {

using namespace std::string_view_literals;

TEST_CASE("integers have the byte order their name says", "[base]") {
  ByteWriter writer;
  writer.U8(0x01);
  writer.BigU16(0x0203);
  writer.BigU32(0x04050607);
  writer.LittleU32(0x08090a0b);
  writer.LittleU64(0x0c0d0e0f10111213);
  CHECK(writer.str() ==
        "\x01\x02\x03\x04\x05\x06\x07\x0b\x0a\x09\x08\x13\x12\x11\x10\x0f\x0e\x0d\x0c"sv);
  ByteReader reader(writer.str());
  CHECK(reader.U8() == 0x01);
  CHECK(reader.BigU16() == 0x0203);
  CHECK(reader.BigU32() == 0x04050607);
  CHECK(reader.LittleU32() == 0x08090a0b);
  CHECK(reader.LittleU64() == 0x0c0d0e0f10111213);
  CHECK(reader.AtEnd());
}

TEST_CASE("negative numbers of the protocol are read as such", "[base]") {
  CHECK(ByteReader("\xff\xff\xff\xff"sv).BigI32() == -1);
  CHECK(ByteReader("\x80\x00\x00\x00"sv).BigI32() == std::numeric_limits<int32_t>::min());
  CHECK(ByteReader("\xff\xfe"sv).BigI16() == -2);
}

TEST_CASE("a varint reads back, is as short as can be, and ends where it should", "[base]") {
  Random random(1);
  for (int round = 0; round < 20000; ++round) {
    const uint64_t value = random.Next() >> random.Below(64);
    ByteWriter writer;
    writer.Varint(value);
    writer.SignedVarint(static_cast<int64_t>(value));
    writer.SignedVarint(-static_cast<int64_t>(value >> 1));
    ByteReader reader(writer.str());
    CHECK(reader.Varint() == value);
    CHECK(reader.SignedVarint() == static_cast<int64_t>(value));
    CHECK(reader.SignedVarint() == -static_cast<int64_t>(value >> 1));
    CHECK(reader.AtEnd());
  }
  const auto size = [](uint64_t value) {
    ByteWriter writer;
    writer.Varint(value);
    return writer.size();
  };
  CHECK(size(127) == 1);
  CHECK(size(128) == 2);
  CHECK(size(UINT64_MAX) == 10);
}

TEST_CASE("the extremes of signed varints read back", "[base]") {
  for (const int64_t value : {std::numeric_limits<int64_t>::min(), int64_t{-1}, int64_t{0},
                              std::numeric_limits<int64_t>::max()}) {
    ByteWriter writer;
    writer.SignedVarint(value);
    ByteReader reader(writer.str());
    CHECK(reader.SignedVarint() == value);
    CHECK(reader.AtEnd());
  }
}

TEST_CASE("a varint without an end is refused", "[base]") {
  for (const int length : {1, 5, 9, 10, 11, 100}) {
    const std::string bytes(static_cast<size_t>(length), '\x80');
    ByteReader reader(bytes);
    CHECK(reader.Varint() == 0);
    CHECK_FALSE(reader.ok());
  }
}

TEST_CASE("after a short read every further field is zero or empty", "[base]") {
  ByteReader reader("abc"sv);
  CHECK(reader.U8() == 'a');
  CHECK(reader.BigU32() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.U8() == 0);
  CHECK(reader.Varint() == 0);
  CHECK(reader.Take(1).empty());
  CHECK(reader.Take(0).empty());
  CHECK(reader.CString().empty());
  CHECK(reader.TakeRest().empty());
  CHECK(reader.left() == 0);
  CHECK_FALSE(reader.AtEnd());
}

TEST_CASE("truncation at every byte is noticed and never read past", "[base]") {
  ByteWriter writer;
  writer.BigU32(7);
  writer.CString("name");
  writer.Varint(300);
  writer.Text("xy");
  writer.LittleU64(1);
  const auto read = [](std::string_view text) {
    ByteReader reader(text);
    reader.BigU32();
    reader.CString();
    reader.Varint();
    reader.Take(2);
    reader.LittleU64();
    return reader.AtEnd();
  };
  CHECK(read(writer.str()));
  for (size_t length = 0; length < writer.size(); ++length) {
    const std::string cut = writer.str().substr(0, length);  // Its own bytes, so that ASan sees.
    CHECK_FALSE(read(cut));
  }
  CHECK_FALSE(read(writer.str() + "z"));
}

TEST_CASE("lengths near the top of the range do not wrap around", "[base]") {
  ByteReader reader("abcd"sv);
  reader.U8();
  CHECK(reader.Take(SIZE_MAX).empty());
  CHECK_FALSE(reader.ok());
  ByteReader other("abcd"sv);
  CHECK(other.TakeText(SIZE_MAX - 1).empty());
  CHECK_FALSE(other.ok());
}

TEST_CASE("a C string ends at its zero byte, which is consumed", "[base]") {
  ByteReader reader("ab\0\0c"sv);
  CHECK(reader.CString() == "ab");
  CHECK(reader.CString().empty());
  CHECK(reader.ok());
  CHECK(reader.CString().empty());
  CHECK_FALSE(reader.ok());
  ByteReader empty(""sv);
  CHECK(empty.AtEnd());
  CHECK(empty.CString().empty());
  CHECK_FALSE(empty.ok());
}

TEST_CASE("sized text carries its length and any bytes", "[base]") {
  ByteWriter writer;
  writer.Sized("a\0b"sv);
  writer.Sized("");
  ByteReader reader(writer.str());
  CHECK(reader.TakeText(reader.Varint()) == "a\0b"sv);
  CHECK(reader.TakeText(reader.Varint()).empty());
  CHECK(reader.AtEnd());
  const std::string released = writer.Release();
  CHECK(released.size() == 5);
}

TEST_CASE("swapping bytes twice changes nothing", "[base]") {
  CHECK(ByteSwap(uint8_t{0x12}) == 0x12);
  CHECK(ByteSwap(uint16_t{0x1234}) == 0x3412);
  CHECK(ByteSwap(uint32_t{0x12345678}) == 0x78563412);
  CHECK(ByteSwap(ByteSwap(uint64_t{0x123456789abcdef0})) == 0x123456789abcdef0);
}

}  // namespace
}  // namespace scry::base
