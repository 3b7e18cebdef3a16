#include "replay/message_rewriter.h"

#include <string>

#include "base/random.h"
#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using Messages = std::vector<event::FrontendMessage>;

event::SourceType Mood(uint32_t oid) {
  event::SourceType type;
  type.oid = oid;
  type.schema = "public";
  type.name = "mood";
  return type;
}

// Orders and items as an application has them: production's 105 is 107 here.
struct Rewriting {
  Rewriting() {
    const MappedColumn order{1, ValueKind::kInteger, true, true};
    const MappedColumn of_order{1, ValueKind::kInteger, false, true};
    const MappedColumn item{2, ValueKind::kInteger, true, true};
    columns.Put("shop", "Odd orders", "id", order);
    columns.Put("shop", "Odd orders", "note", {});
    columns.Put("shop", "items", "id", item);
    columns.Put("shop", "items", "order_id", of_order);
    columns.Put("shop", "keys", "uuid", {3, ValueKind::kUuid, true, false});
    columns.Put("shop", "items", "xmin", {4, ValueKind::kXid, true, false, true});
    columns.PutKey("items", 5000, {{"id", 1, ValueKind::kInteger}});
    values.Put(4, "750", "40000");
    values.Put(4, RowVersion("750", {"8"}), "750");
    values.Put(4, RowVersion("750", {"7"}), "41000");
    values.Learn(1, "105", "107");
    values.Learn(1, "106", "70000");
    values.Learn(2, "9", "-3");
    values.Learn(3, std::string(32, 'a'), std::string(32, 'b'));
  }
  std::optional<Messages> Do(const Messages& messages,
                             const std::vector<std::pair<std::string, uint32_t>>& statements = {}) {
    event::Exchange exchange;
    exchange.messages = messages;
    for (const auto& [text, message] : statements) {
      event::Statement& statement = exchange.statements.emplace_back();
      statement.text = text;
      statement.message = message;
      statement.ordinal = ordinals ? static_cast<uint32_t>(exchange.statements.size() - 1) : 0;
    }
    auto out = MessageRewriter(types, columns, values, sites, stats).Rewrite(exchange, narrow);
    NoteNarrow(exchange, narrow);
    return out;
  }
  // What a simple query becomes; itself where it stays.
  std::string Text(const std::string& sql, uint32_t statements = 1) {
    std::vector<std::pair<std::string, uint32_t>> all(statements, {sql, 0});
    ordinals = true;
    const auto out = Do(MessagesOf(wire::EncodeQuery(sql)), all);
    return out ? out->front().head.substr(0, out->front().head.size() - 1) : sql;
  }

  TypeOids types = TypeOids({Mood(20001)}, {Mood(16401)});
  ColumnCatalog columns;
  IdentityMap values{100};
  event::SitesCache sites;
  IdentityStats stats;
  NarrowStatements narrow;
  bool ordinals = false;
};

std::string Parse(const std::vector<uint32_t>& types, std::string_view text = "select $1") {
  wire::Parse parse;
  parse.name = "s";
  parse.text = text;
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

TEST_CASE("only binary parameters are looked into for types", "[replay]") {
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

TEST_CASE("literals change where the text says whose they are", "[replay]") {
  Rewriting rewriting;
  CHECK(rewriting.Text("select * from \"Odd orders\" where id = 105 and note = 105") ==
        "select * from \"Odd orders\" where id = 107 and note = 105");
  CHECK(rewriting.Text("insert into items (order_id, id) values (105, 9), ('105', 10)") ==
        "insert into items (order_id, id) values (107,  -3), ('107', 10)");
  CHECK(rewriting.Text("insert into items values (9, 105)") ==
        "insert into items values ( -3, 107)");
  CHECK(rewriting.Text("select id from items where order_id in (104, 105) limit 105") ==
        "select id from items where order_id in (104, 107) limit 105");
  CHECK(rewriting.Text("select 1 from items where order_id = any ('{104,105}')") ==
        "select 1 from items where order_id = any ('{104,107}')");
  CHECK(
      rewriting.Text("delete from items where id = 9; delete from items where order_id = 105", 2) ==
      "delete from items where id =  -3; delete from items where order_id = 107");
  CHECK(rewriting.Text("select note from \"Odd orders\" o join items on order_id = 105") ==
        "select note from \"Odd orders\" o join items on order_id = 107");
  CHECK(rewriting.Text("select 1 from keys where uuid = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'") ==
        "select 1 from keys where uuid = 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb'");
  CHECK(rewriting.stats.values_sent == 12);
}

TEST_CASE("texts that name nothing of ours stay, to the byte", "[replay]") {
  Rewriting rewriting;
  for (const char* text :
       {"select 105", "select 105 from elsewhere where id = 105", "not sql 105",
        "select '105' from items -- order_id = 105", "select * from items where order_id = 104"}) {
    CHECK(rewriting.Text(text) == text);
  }
  rewriting.columns.Put("other", "items", "order_id", {});
  CHECK(rewriting.Text("select 1 from items where order_id = 105") ==
        "select 1 from items where order_id = 105");
  CHECK(rewriting.stats.values_ambiguous == 1);
  CHECK(rewriting.Text("select 1 from shop.items where order_id = 105") ==
        "select 1 from shop.items where order_id = 107");
}

TEST_CASE("parameters change in the form they came in", "[replay]") {
  Rewriting rewriting;
  const std::string sql = "update items set line = $2 where order_id = $1";
  wire::Bind bind;
  bind.portal = "p";
  bind.statement = "s";
  bind.formats = {1, 0};
  bind.parameters = {"\0\0\0\x69"sv, "105"};
  const auto messages = [&] {
    return MessagesOf(Parse({}, sql) + wire::EncodeBind(bind) + wire::EncodeExecute("p") +
                      wire::EncodeSync());
  };
  const Messages captured = messages();
  bind.parameters[0] = "\0\0\0\x6b"sv;
  CHECK(rewriting.Do(captured, {{sql, 2}}) == messages());
  bind.formats = {};
  bind.parameters = {" 105", std::nullopt};
  const Messages text = messages();
  bind.parameters[0] = "107";
  CHECK(rewriting.Do(text, {{sql, 2}}) == messages());
  bind.parameters[0] = "104";
  CHECK_FALSE(rewriting.Do(messages(), {{sql, 2}}));
}

TEST_CASE("the xmin that an application kept becomes the lane's", "[replay]") {
  Rewriting rewriting;
  CHECK(rewriting.Text("update items set line = 1 where id = 9 and xmin = '750'") ==
        "update items set line = 1 where id =  -3 and xmin = '40000'");
  CHECK(rewriting.Text("delete from items i where i.xmin::text = '750'") ==
        "delete from items i where i.xmin::text = '40000'");
  CHECK(rewriting.Text("delete from items where xmin = 750") ==
        "delete from items where xmin = 40000");
  // One transaction of production wrote many rows, and of some of them a lane has another version.
  CHECK(rewriting.Text("delete from items where id = 7 and xmin = '750'") ==
        "delete from items where id = 7 and xmin = '41000'");
  const std::string kept = "delete from items where xmin = '750' and id = 8";
  CHECK(rewriting.Text(kept) == kept);
  const std::string by_key = "delete from items where id = $2 and xmin = $1";
  const auto row = [&](std::string_view xmin) {
    wire::Bind bind;
    bind.formats = {0, 1};
    bind.parameters = {xmin, "\0\7"sv};
    return MessagesOf(wire::EncodeParse({"", by_key, {}}) + wire::EncodeBind(bind) +
                      wire::EncodeExecute("") + wire::EncodeSync());
  };
  CHECK(rewriting.Do(row("750"), {{by_key, 2}}) == row("41000"));
  const std::string sql = "delete from items where xmin = $1";
  const auto messages = [&](uint32_t type, std::string_view value) {
    wire::Bind bind;
    bind.statement = "s";
    bind.formats = {1};
    bind.parameters = {value};
    return MessagesOf(Parse({type}, sql) + wire::EncodeBind(bind) + wire::EncodeExecute("") +
                      wire::EncodeSync());
  };
  CHECK(rewriting.Do(messages(28, "\0\0\x02\xee"sv), {{sql, 2}}) == messages(28, "\0\0\x9c\x40"sv));
  // A bigint compares with no xid.
  CHECK_FALSE(rewriting.Do(messages(21, "\x02\xee"sv), {{sql, 2}}));
}

TEST_CASE("a parameter that means two things stays", "[replay]") {
  Rewriting rewriting;
  const std::string sql = "select 1 from items where order_id = $1 or id = $1";
  const auto messages =
      MessagesOf(wire::EncodeParse({"", sql, {}}) + wire::EncodeBind({"", "", {}, {"105"}, {}}) +
                 wire::EncodeExecute("") + wire::EncodeSync());
  CHECK_FALSE(rewriting.Do(messages, {{sql, 2}}));
  CHECK(rewriting.stats.values_ambiguous == 1);
}

TEST_CASE("a value that outgrows its declared type gets a statement of its own", "[replay]") {
  Rewriting rewriting;
  const std::string sql = "select * from items where order_id = $1";
  rewriting.Do(MessagesOf(Parse({21}, sql) + wire::EncodeSync()));
  wire::Bind bind;
  bind.portal = "p";
  bind.statement = "s";
  bind.formats = {1};
  bind.parameters = {"\0\x6a"sv};
  bind.result_formats = {1};
  const auto rest = wire::EncodeExecute("p") + wire::EncodeSync();
  const auto out = rewriting.Do(MessagesOf(wire::EncodeBind(bind) + rest), {{sql, 1}});
  REQUIRE(out);
  bind.statement = "scry_wider";
  bind.parameters = {"\0\0\0\0\0\1\x11\x70"sv};
  wire::Parse parse;
  parse.name = "scry_wider";
  parse.text = sql;
  parse.parameter_types = {20};
  CHECK(*out == MessagesOf(wire::EncodeParse(parse) +
                           wire::EncodeDescribe(wire::Target::kStatement, "scry_wider") +
                           wire::EncodeBind(bind) +
                           wire::EncodeClose(wire::Target::kStatement, "scry_wider") + rest));
}

TEST_CASE("without values of its own a lane gets every message as it is", "[replay]") {
  Rewriting rewriting;
  rewriting.types = TypeOids();
  base::Random random(5);
  const std::string sql = "select * from items where order_id = $1 and id = 9";
  const std::string whole = Extended(sql, {"105"}) + wire::EncodeQuery(sql);
  IdentityMap none(10);
  for (int i = 0; i < 500; ++i) {
    std::string bytes = whole;
    if (i > 0) bytes[5 + random.Below(bytes.size() - 5)] = static_cast<char>(random.Below(256));
    event::Exchange exchange;
    event::FrontendMessage message;
    message.type = static_cast<uint8_t>(bytes[0]);
    message.head = bytes.substr(5);
    exchange.messages = {message};
    exchange.statements.emplace_back().text = sql;
    CHECK_FALSE(
        MessageRewriter(rewriting.types, rewriting.columns, none, rewriting.sites, rewriting.stats)
            .Rewrite(exchange, {}));
    // With some, damage does no harm.
    (void)rewriting.Do(exchange.messages, {{sql, 0}});
  }
}

TEST_CASE("data of COPY gets the lane's values", "[replay]") {
  Rewriting rewriting;
  rewriting.columns.Put("shop", "made", "twice", {}, true);
  rewriting.columns.Put("shop", "made", "order_id", {1, ValueKind::kInteger, false, true});
  const auto data = [](std::string_view bytes) {
    return event::FrontendMessage{'d', {}, std::string(bytes), {}};
  };
  const event::FrontendMessage done{'c', {}, {}, {}};
  // What is sent for these pieces of data; empty: as they are.
  const auto sent = [&](const std::string& sql, const std::vector<std::string>& pieces) {
    Messages messages = MessagesOf(wire::EncodeQuery(sql));
    for (const std::string& piece : pieces) messages.push_back(data(piece));
    messages.push_back(done);
    const auto out = rewriting.Do(messages, {{sql, 0}});
    std::string all;
    for (const auto& message : out.value_or(Messages())) {
      if (message.type == 'd') all += message.values;
    }
    if (out) CHECK(out->back() == done);
    return all;
  };
  CHECK(sent("copy items from stdin", {"9\t105\n", "10\t106\n"}) == "-3\t107\n10\t70000\n");
  CHECK(sent("copy items (order_id, id) from stdin", {"10", "5\t9", "\n"}) == "107\t-3\n");
  CHECK(sent("copy shop.items (order_id) from stdin csv", {"\"105\"\n"}) == "\"107\"\n");
  CHECK(sent("copy items from stdin", {"1\t2\n"}).empty());
  CHECK(sent("copy items (id) from stdin", {"105\n"}).empty());
  CHECK(sent("copy others from stdin", {"9\t105\n"}).empty());
  // A generated column is not in the data.
  CHECK(sent("copy made from stdin", {"105\n"}) == "107\n");
  CHECK(rewriting.stats.values_sent == 7);

  // Two statements of one text, each with its own data; nothing for the first.
  const std::string both = "copy items from stdin; copy \"Odd orders\" (id) from stdin";
  Messages messages = MessagesOf(wire::EncodeQuery(both));
  messages.insert(messages.end(), {done, data("105\n"), done});
  rewriting.ordinals = true;
  const auto out = rewriting.Do(messages, {{both, 0}, {both, 0}});
  REQUIRE(out);
  messages[2].values = "107\n";
  CHECK(*out == messages);

  // Types of the lane, in what is binary.
  std::string rows = "PGCOPY\n\377\r\n\0"s + std::string(8, '\0') + "\0\1\0\0\0\24"s;
  const std::string array = "\0\0\0\1\0\0\0\0\0\0"s;  // One dimension, no NULL.
  rows += array + "\x4e\x21"s + "\0\0\0\0\0\0\0\1"s + "\377\377"s;
  const std::string binary = "copy made from stdin (format binary)";
  const std::string mapped = sent(binary, {rows});
  REQUIRE(mapped.size() == rows.size());
  CHECK(mapped.find("\0\0\x40\x11"s) != std::string::npos);
}

TEST_CASE("damaged messages go out as they are", "[replay]") {
  Rewriting rewriting;
  auto messages = MessagesOf(Parse({20001}));
  messages[0].head.pop_back();
  CHECK_FALSE(rewriting.Do(messages));
  messages[0].head.clear();
  CHECK_FALSE(rewriting.Do(messages));
}

TEST_CASE("functions of users called by OID are known for what they are", "[replay]") {
  wire::FunctionCall call;
  call.function_oid = 952;  // lo_open
  CHECK_FALSE(CallsUnknownFunction(MessagesOf(wire::EncodeFunctionCall(call)).front()));
  call.function_oid = 20001;
  CHECK(CallsUnknownFunction(MessagesOf(wire::EncodeFunctionCall(call)).front()));
  CHECK_FALSE(CallsUnknownFunction(MessagesOf(wire::EncodeSync()).front()));
}

}  // namespace
}  // namespace scry::replay
