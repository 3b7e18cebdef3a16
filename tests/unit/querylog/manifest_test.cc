#include "querylog/manifest.h"

#include "support/catch.h"

namespace scry::querylog {
namespace {

Manifest Sample() {
  Manifest manifest;
  manifest.scry_version = "0.1.0";
  manifest.capture_id = "000102030405060708090a0b0c0d0e0f";
  manifest.started_wall_us = 1795180625123456;
  manifest.server_version = "15.14";
  manifest.facts = {{"database", "shop"}, {"encoding", "UTF8"}};
  return manifest;
}

TEST_CASE("a manifest reads back as it was written", "[querylog]") {
  Manifest manifest = Sample();
  for (const bool sealed : {false, true}) {
    manifest.sealed = sealed;
    if (sealed) manifest.totals = {3, 100, 90, 2, 7, 4096, -5};
    const auto read = ParseManifest(EncodeManifest(manifest));
    REQUIRE(read.ok());
    CHECK(read->scry_version == manifest.scry_version);
    CHECK(read->capture_id == manifest.capture_id);
    CHECK(read->started_wall_us == manifest.started_wall_us);
    CHECK(read->server_version == manifest.server_version);
    CHECK(read->facts == manifest.facts);
    CHECK(read->sealed == sealed);
    CHECK(read->totals == manifest.totals);
  }
}

TEST_CASE("a fact that names a password is never written", "[querylog]") {
  Manifest manifest = Sample();
  manifest.facts["SSLPassword"] = "hunter2";
  CHECK(EncodeManifest(manifest).find("hunter2") == std::string::npos);
}

TEST_CASE("a fact of broken UTF-8 does not break the manifest", "[querylog]") {
  Manifest manifest = Sample();
  manifest.facts["database"] = "\xff\xfe";
  CHECK(ParseManifest(EncodeManifest(manifest)).ok());
}

TEST_CASE("a manifest of a newer version is refused with both versions named", "[querylog]") {
  Manifest manifest = Sample();
  manifest.format_version = 9;
  const auto read = ParseManifest(EncodeManifest(manifest));
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code == base::ErrorCode::kUnsupported);
  CHECK(read.error().message ==
        "the capture has format version 9, this scry reads up to version 2; read it with the scry "
        "that wrote it or a newer one");
}

TEST_CASE("what is no manifest is corrupt", "[querylog]") {
  const std::string good = EncodeManifest(Sample());
  for (size_t size = 0; size + 2 < good.size(); ++size) {
    REQUIRE_FALSE(ParseManifest(good.substr(0, size)).ok());
  }
  for (const char* text :
       {"", "[]", "null", "{}", "{\"format\":7}", "{\"format\":\"scry-capture\"}",
        "{\"format\":\"scry-capture\",\"format_version\":1,\"capture_id\":\"xy\"}",
        "{\"format\":\"scry-capture\",\"format_version\":\"1\"}"}) {
    const auto read = ParseManifest(text);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == base::ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace scry::querylog
