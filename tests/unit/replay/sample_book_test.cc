#include "replay/sample_book.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

uint64_t FingerprintOf(event::FactsCache& facts, const std::string& sql) {
  return facts.Get(sql, 0).fingerprint;
}

std::string Bytes(const std::vector<event::FrontendMessage>& messages) {
  std::string bytes;
  for (const auto& message : messages) {
    wire::AppendMessage(bytes, message.type, message.Payload());
  }
  return bytes;
}

TEST_CASE("a sample runs what was captured, complete with its Parse", "[replay]") {
  const std::string sql = "select v from t where id = $1";
  Script script;
  script.Start(1, "app");
  wire::Parse parse;
  parse.name = "by_id";
  parse.text = sql;
  parse.parameter_types = {23};
  script.Send(1, wire::EncodeParse(parse) + wire::EncodeSync(), {});
  wire::Bind bind;
  bind.portal = "p";
  bind.statement = "by_id";
  bind.formats = {1};
  const std::string value("\0\0\0\7", 4);
  bind.parameters = {value};
  bind.result_formats = {1};
  script.Send(1, wire::EncodeBind(bind) + wire::EncodeExecute("p", 10) + wire::EncodeSync(), {sql});
  script.End(1);

  event::FactsCache facts;
  const uint64_t fingerprint = FingerprintOf(facts, sql);
  SampleBook book({fingerprint}, 5, 1);
  REQUIRE(book.Scan(script, facts).ok());
  REQUIRE(book.samples().size() == 1);
  REQUIRE(book.samples().at(fingerprint).size() == 1);
  const Sample& sample = book.samples().at(fingerprint)[0];
  CHECK(sample.text == sql);
  CHECK(sample.session.parameters == event::Settings{{"user", "app"}});
  parse.name = {};
  bind.portal = bind.statement = {};
  CHECK(Bytes(sample.messages) == wire::EncodeParse(parse) + wire::EncodeBind(bind) +
                                      wire::EncodeDescribe(wire::Target::kPortal, "") +
                                      wire::EncodeExecute("") + wire::EncodeSync());
}

TEST_CASE("a sample is played with the tag it was captured with", "[replay]") {
  const std::string sql = "delete from t where id = 1";
  Script script;
  script.Start(1, "app");
  script.Query(1, sql).statements.at(0).outcome.tag = "DELETE 1";
  script.End(1);
  event::FactsCache facts;
  SampleBook book({FingerprintOf(facts, sql)}, 5, 1);
  REQUIRE(book.Scan(script, facts).ok());
  SampleSource source(book.samples(), 1, 1);
  std::vector<std::string> tags;
  for (const auto& event : All(source)) {
    const auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange != nullptr) tags.push_back(exchange->statements.at(0).outcome.tag);
  }
  CHECK(tags == std::vector<std::string>{"", "DELETE 1", ""});
}

TEST_CASE("what cannot be run alone is no sample", "[replay]") {
  const std::string sql = "select v from t where id = 1";
  event::FactsCache facts;
  const uint64_t fingerprint = FingerprintOf(facts, sql);
  Script script;
  script.Query(9, sql);  // Of a session whose start is missing.
  script.Start(1);
  wire::Bind bind;
  bind.statement = "prepared_before";
  script.Send(1, wire::EncodeBind(bind) + wire::EncodeExecute("") + wire::EncodeSync(), {sql});
  script.Send(1, wire::EncodeExecute("open_before") + wire::EncodeSync(), {sql});
  wire::Parse parse;
  parse.name = "s";
  parse.text = sql;
  bind.statement = "s";
  script.Send(1, wire::EncodeParse(parse) + wire::EncodeSync(), {});
  script.Send(1, wire::EncodeClose(wire::Target::kStatement, "s") + wire::EncodeSync(), {});
  script.Send(1, wire::EncodeBind(bind) + wire::EncodeExecute("") + wire::EncodeSync(), {sql});
  script.Query(1, sql).statements[0].outcome.status = event::OutcomeStatus::kError;
  script.Query(1, sql).statements[0].outcome.status = event::OutcomeStatus::kSkipped;
  script.Query(1, sql + "; " + sql);
  script.Query(1, "select other");
  SampleBook book({fingerprint}, 5, 1);
  REQUIRE(book.Scan(script, facts).ok());
  size_t kept = 0;
  for (const auto& [print, samples] : book.samples()) kept += samples.size();
  CHECK(kept == 0);
}

TEST_CASE("every execution has the same chance to be a sample", "[replay]") {
  event::FactsCache facts;
  const uint64_t fingerprint = FingerprintOf(facts, "select 1");
  std::map<std::string, int> taken;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    Script script;
    script.Start(1);
    for (int i = 0; i < 20; ++i) script.Query(1, "select " + std::to_string(i));
    SampleBook book({fingerprint}, 5, seed);
    REQUIRE(book.Scan(script, facts).ok());
    REQUIRE(book.samples().at(fingerprint).size() == 5);
    for (const Sample& sample : book.samples().at(fingerprint)) ++taken[sample.text];
  }
  CHECK(taken.size() == 20);
  for (const auto& [text, count] : taken) {  // 100 expected, deviation 8.7.
    INFO(text);
    CHECK(count > 55);
    CHECK(count < 145);
  }
}

TEST_CASE("samples are played each in its own transaction, all of them, in the order of the seed",
          "[replay]") {
  event::FactsCache facts;
  Script script;
  script.Start(1, "app");
  script.Start(2, "web");
  for (int i = 0; i < 4; ++i) {
    script.Query(1, "select " + std::to_string(i));
    script.Query(2, "select a from t where b = " + std::to_string(i));
  }
  SampleBook book(
      {FingerprintOf(facts, "select 1"), FingerprintOf(facts, "select a from t where b = 1")}, 3,
      1);
  REQUIRE(book.Scan(script, facts).ok());
  const auto texts = [&](uint64_t seed) {
    SampleSource source(book.samples(), 7, seed);
    std::vector<std::string> found;
    std::set<uint64_t> sessions;
    std::map<uint64_t, uint64_t> index;
    for (const auto& event : All(source)) {
      if (const auto* start = std::get_if<event::SessionStart>(&event)) {
        CHECK(sessions.insert(static_cast<uint64_t>(start->session)).second);
      }
      const auto* exchange = std::get_if<event::Exchange>(&event);
      if (exchange == nullptr) continue;
      const auto session = static_cast<uint64_t>(exchange->session);
      CHECK(sessions.contains(session));
      CHECK(exchange->index == index[session]++);
      REQUIRE(exchange->statements.size() == 1);
      found.push_back(exchange->statements[0].text);
    }
    CHECK(sessions.size() == 2);
    return found;
  };
  const std::vector<std::string> first = texts(5);
  CHECK(first == texts(5));
  CHECK(first != texts(6));
  REQUIRE(first.size() == 6 * 7 * 3);
  std::map<std::string, int> runs;
  for (size_t i = 0; i < first.size(); i += 3) {
    CHECK(first[i] == "BEGIN");
    CHECK(first[i + 2] == "ROLLBACK");
    ++runs[first[i + 1]];
  }
  CHECK(runs.size() == 6);
  for (const auto& [text, count] : runs) CHECK(count == 7);
}

}  // namespace
}  // namespace scry::replay
