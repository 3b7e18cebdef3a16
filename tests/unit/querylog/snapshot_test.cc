// snapshot.json: what was put in comes out, and bytes that are no snapshot are an error.
#include "querylog/snapshot.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"
#include "unit/querylog/events.h"

namespace scry::querylog {
namespace {

using base::ErrorCode;

std::string With(const std::string& member) {
  return R"({"format": "scry-source-snapshot", "format_version": 1, )" + member + "}";
}

TEST_CASE("a source snapshot reads back as it was written", "[querylog]") {
  const event::SourceSnapshot written = test::SmallSnapshot();
  const auto read = ParseSnapshot(EncodeSnapshot(written));
  REQUIRE(read.ok());
  CHECK(*read == written);
  const auto empty = ParseSnapshot(EncodeSnapshot({}));
  REQUIRE(empty.ok());
  CHECK(*empty == event::SourceSnapshot());
}

TEST_CASE("names that are no UTF-8 do not keep a source snapshot from being written",
          "[querylog]") {
  event::SourceSnapshot snapshot;
  snapshot.relations.push_back({1, "public", "caf\xe9", 'r', {"\xff"}, 1234567890123});
  const auto read = ParseSnapshot(EncodeSnapshot(snapshot));
  REQUIRE(read.ok());
  CHECK(read->relations[0].name == "caf\xef\xbf\xbd");
  CHECK(read->relations[0].bytes == 1234567890123U);
}

TEST_CASE("keys that nobody knows are ignored in a source snapshot", "[querylog]") {
  const auto read = ParseSnapshot(With(R"("new": [1, {"deep": null}], "database": "shop")"));
  REQUIRE(read.ok());
  CHECK(read->database == "shop");
}

TEST_CASE("what is no source snapshot is refused", "[querylog]") {
  for (const std::string& text :
       std::vector<std::string>{"",
                                "null",
                                "[]",
                                "{}",
                                "7",
                                "{\"format\": \"scry-capture\", \"format_version\": 1}",
                                "{\"format\": 1}",
                                "{\"format\": \"scry-source-snapshot\"}",
                                "{\"format\": \"scry-source-snapshot\", \"format_version\": 0}",
                                "{\"format\": \"scry-source-snapshot\", \"format_version\": \"1\"}",
                                std::string(100000, '['),
                                With("\"database\": 1"),
                                With("\"complete\": 1"),
                                With("\"notes\": [1]"),
                                With("\"notes\": \"x\""),
                                With("\"settings\": [[\"a\"]]"),
                                With("\"settings\": [[\"a\", 1]]"),
                                With("\"settings\": {\"a\": \"b\"}"),
                                With("\"commits_at_start\": -1"),
                                With("\"commits_at_start\": 1.5"),
                                With("\"commits_at_start\": 18446744073709551616"),
                                With("\"server_version\": 1e3"),
                                With("\"server_version\": 2147483648"),
                                With("\"relations\": [null]"),
                                With("\"relations\": [{\"oid\": 4294967296}]"),
                                With("\"relations\": [{\"oid\": -1}]"),
                                With("\"relations\": [{\"kind\": \"rr\"}]"),
                                With("\"relations\": [{\"kind\": \"\"}]"),
                                With("\"relations\": [{\"columns\": [1]}]"),
                                With("\"types\": [{\"typtype\": 1}]"),
                                With("\"sequences\": [{\"last_value\": 9223372036854775808}]"),
                                With("\"sequences\": [{\"last_value\": null}]")}) {
    INFO(text.substr(0, 200));
    const auto read = ParseSnapshot(text);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("a source snapshot of a newer version is unsupported, not corrupt", "[querylog]") {
  const auto read =
      ParseSnapshot(R"({"format": "scry-source-snapshot", "format_version": 2, "types": 1})");
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("a source snapshot cut or changed at any byte is read or refused, nothing else",
          "[querylog]") {
  const std::string whole = EncodeSnapshot(test::SmallSnapshot());
  for (size_t size = 0; size + 2 < whole.size(); ++size) {
    CHECK_FALSE(ParseSnapshot(whole.substr(0, size)).ok());
  }
  base::Random random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string changed = whole;
    changed[random.Below(changed.size())] = static_cast<char>(random.Below(256));
    static_cast<void>(ParseSnapshot(changed));
  }
}

}  // namespace
}  // namespace scry::querylog
