#include "wire/backend.h"

#include <string>

#include "base/random.h"
#include "support/catch.h"

namespace scry::wire {
namespace {

std::string RowDescriptionPayload() {
  base::ByteWriter out;
  out.BigU16(2);
  for (const char* name : {"id", "name"}) {
    out.CString(name);
    out.BigU32(16384);
    out.BigU16(name[0] == 'i' ? 1 : 2);
    out.BigU32(23);
    out.BigU16(4);
    out.BigU32(0xffffffff);
    out.BigU16(1);
  }
  return out.Release();
}

std::string RowPayload() {
  base::ByteWriter out;
  out.BigU16(3);
  out.BigU32(2);
  out.Text("ab");
  out.BigU32(0xffffffff);
  out.BigU32(0);
  return out.Release();
}

bool WalkRow(base::Bytes payload) {
  DataRowReader row(payload);
  RowValue value;
  while (row.Next(value)) {
  }
  return row.ok();
}

}  // namespace

TEST_CASE("RowDescription reads all fields, and nothing of a truncated one", "[wire]") {
  const std::string payload = RowDescriptionPayload();
  const auto fields = ParseRowDescription(base::AsBytes(payload));
  REQUIRE(fields);
  REQUIRE(fields->size() == 2);
  CHECK((*fields)[1].name == "name");
  CHECK((*fields)[1].table_oid == 16384);
  CHECK((*fields)[1].column_number == 2);
  CHECK((*fields)[1].type_modifier == -1);
  CHECK((*fields)[1].format == 1);
  for (size_t i = 0; i < payload.size(); ++i) {
    REQUIRE(!ParseRowDescription(base::AsBytes(payload).first(i)));
  }
  CHECK(ParseRowDescription(base::AsBytes(std::string_view("\0\0", 2)))->empty());
}

TEST_CASE("NULL is not the empty value, and a torn row is not ok", "[wire]") {
  const std::string payload = RowPayload();
  DataRowReader row(base::AsBytes(payload));
  CHECK(row.values_left() == 3);
  RowValue value;
  REQUIRE(row.Next(value));
  CHECK(value.text == "ab");
  REQUIRE(row.Next(value));
  CHECK(value.null);
  REQUIRE(row.Next(value));
  CHECK(!value.null);
  CHECK(value.text.empty());
  CHECK(!row.Next(value));
  CHECK(row.ok());
  for (size_t i = 0; i < payload.size(); ++i) REQUIRE(!WalkRow(base::AsBytes(payload).first(i)));
  CHECK(WalkRow(base::AsBytes(std::string_view("\0\0", 2))));
  CHECK(!WalkRow(base::AsBytes(std::string_view("\0\1\xff\xff\xff\xfe", 6))));
}

TEST_CASE("error fields are read whatever their order, up to where they are torn", "[wire]") {
  const std::string payload("SERREUR\0VERROR\0C23505\0Mduplicate\0Dkey\0Htry\0Xnew\0\0", 50);
  const ErrorFields fields = ParseErrorFields(base::AsBytes(payload));
  CHECK(fields.severity == "ERREUR");
  CHECK(fields.severity_plain == "ERROR");
  CHECK(fields.sqlstate == "23505");
  CHECK(fields.message == "duplicate");
  CHECK(fields.detail == "key");
  CHECK(fields.hint == "try");
  CHECK(!fields.fatal());
  CHECK(ParseErrorFields(base::AsBytes(payload).first(24)).message.empty());
  CHECK(ParseErrorFields({}).sqlstate.empty());
}

TEST_CASE("small messages read exactly", "[wire]") {
  using base::AsBytes;
  CHECK(ParseCommandComplete(AsBytes(std::string_view("SELECT 5\0", 9))) == "SELECT 5");
  CHECK(!ParseCommandComplete(AsBytes(std::string_view("SELECT 5"))));
  CHECK(ParseReadyForQuery(AsBytes(std::string_view("T"))) == uint8_t{'T'});
  CHECK(!ParseReadyForQuery(AsBytes(std::string_view("x"))));
  CHECK(!ParseReadyForQuery({}));
  CHECK(ParseParameterStatus(AsBytes(std::string_view("a\0b\0", 4)))->value == "b");
  const auto key = ParseBackendKeyData(AsBytes(std::string_view("\0\0\0\7keyk", 8)));
  CHECK(key->pid == 7);
  CHECK(key->key == "keyk");
  CHECK(ParseAuthentication(AsBytes(std::string_view("\0\0\0\0", 4))) == AuthenticationKind::kOk);
  CHECK(ParseAuthentication(AsBytes(std::string_view("\0\0\0\12SCRAM", 9))) ==
        AuthenticationKind::kSasl);
  const auto note = ParseNotification(AsBytes(std::string_view("\0\0\0\1ch\0hi\0", 10)));
  CHECK(note->channel == "ch");
  CHECK(note->payload == "hi");
  const auto copy = ParseCopyResponse(AsBytes(std::string_view("\1\0\2\0\1\0\1", 7)));
  CHECK(copy->format == 1);
  CHECK(copy->column_formats.size() == 2);
  CHECK(!ParseCopyResponse(AsBytes(std::string_view("\1\0\2\0\1", 5))));
  const auto version =
      ParseNegotiateProtocolVersion(AsBytes(std::string_view("\0\3\0\0\0\0\0\1_pq_.x\0", 15)));
  CHECK(version->unknown_options.size() == 1);
  CHECK(!ParseNegotiateProtocolVersion(AsBytes(std::string_view("\0\3\0\0\xff\xff\xff\xff", 8))));
}

TEST_CASE("no payload makes a reader read outside of it", "[wire]") {
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    base::Random random(seed);
    std::string payload(random.Below(30), '\0');
    for (char& c : payload) c = static_cast<char>(random.Below(random.Below(2) == 0 ? 4 : 256));
    const base::Bytes bytes = base::AsBytes(payload);
    WalkRow(bytes);
    ParseRowDescription(bytes);
    ParseErrorFields(bytes);
    ParseNotification(bytes);
    ParseNegotiateProtocolVersion(bytes);
    const auto copy = ParseCopyResponse(bytes);
    REQUIRE((!copy || copy->column_formats.size() * 2 + 3 == payload.size()));
  }
}

}  // namespace scry::wire
