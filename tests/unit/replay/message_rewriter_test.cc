#include "replay/message_rewriter.h"

#include <string>

#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

event::SourceType Mood(uint32_t oid) {
  event::SourceType type;
  type.oid = oid;
  type.schema = "public";
  type.name = "mood";
  return type;
}

struct Rewriting {
  TypeOids types = TypeOids({Mood(20001)}, {Mood(16401)});
  IdentityStats stats;
  std::optional<std::vector<event::FrontendMessage>> Do(
      const std::vector<event::FrontendMessage>& messages) {
    return MessageRewriter(types, stats).Rewrite(messages);
  }
};

std::string Parse(const std::vector<uint32_t>& types) {
  wire::Parse parse;
  parse.name = "s";
  parse.text = "select $1";
  parse.parameter_types = types;
  return wire::EncodeParse(parse);
}

TEST_CASE("declared types become the lane's", "[replay]") {
  Rewriting rewriting;
  const auto rewritten = rewriting.Do(MessagesOf(Parse({23, 20001, 0}) + wire::EncodeSync()));
  REQUIRE(rewritten);
  CHECK(*rewritten == MessagesOf(Parse({23, 16401, 0}) + wire::EncodeSync()));
}

TEST_CASE("where nothing differs nothing is copied", "[replay]") {
  Rewriting rewriting;
  CHECK_FALSE(rewriting.Do(MessagesOf(Parse({23, 0}) + Extended("select 1", {"a", {}}))));
  rewriting.types = TypeOids();
  CHECK_FALSE(rewriting.Do(MessagesOf(Parse({20001}))));
}

TEST_CASE("only binary parameters are looked into", "[replay]") {
  Rewriting rewriting;
  base::ByteWriter array;
  for (const uint32_t word : {0U, 0U, 20001U}) array.BigU32(word);
  base::ByteWriter other;
  for (const uint32_t word : {0U, 0U, 16401U}) other.BigU32(word);
  wire::Bind bind;
  bind.statement = "s";
  bind.formats = {0, 1, 1};
  bind.parameters = {array.str(), array.str(), std::nullopt};
  bind.result_formats = {1, 0};
  const auto rewritten = rewriting.Do(MessagesOf(wire::EncodeBind(bind)));
  REQUIRE(rewritten);
  bind.parameters[1] = other.str();
  CHECK(*rewritten == MessagesOf(wire::EncodeBind(bind)));
}

TEST_CASE("damaged messages go out as they are", "[replay]") {
  Rewriting rewriting;
  auto messages = MessagesOf(Parse({20001}));
  messages[0].head.pop_back();
  CHECK_FALSE(rewriting.Do(messages));
  messages[0].head.clear();
  CHECK_FALSE(rewriting.Do(messages));
}

TEST_CASE("functions of users called by OID are counted", "[replay]") {
  Rewriting rewriting;
  wire::FunctionCall call;
  call.function_oid = 952;  // lo_open
  CHECK_FALSE(rewriting.Do(MessagesOf(wire::EncodeFunctionCall(call))));
  CHECK(rewriting.stats.functions_unknown == 0);
  call.function_oid = 20001;
  CHECK_FALSE(rewriting.Do(MessagesOf(wire::EncodeFunctionCall(call))));
  CHECK(rewriting.stats.functions_unknown == 1);
}

}  // namespace
}  // namespace scry::replay
