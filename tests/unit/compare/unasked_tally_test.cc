#include "compare/unasked_tally.h"

#include "support/catch.h"

namespace scry::compare {
namespace {

using Texts = std::vector<std::string>;

class Told {
 public:
  void Send(const std::string& payload, const std::vector<size_t>& lanes, bool captured = true) {
    event::Notification notification;
    notification.channel = "orders";
    notification.payload_digest = event::DigestOf(payload);
    if (captured) tally.Notify(notification, std::nullopt);
    for (const size_t lane : lanes) tally.Notify(notification, lane);
  }
  void Notices(const std::vector<Texts>& lanes, bool unsure = false) {
    event::UnaskedPair pair;
    pair.unsure = unsure;
    for (const Texts& lane : lanes) pair.lanes.push_back({lane, {}, 0});
    tally.Put(pair, 7, "drop table t");
  }
  void Settings(const std::vector<event::Settings>& lanes) {
    event::UnaskedPair pair;
    for (const event::Settings& lane : lanes) pair.lanes.push_back({{}, lane, 0});
    tally.Put(pair, 7, "set x");
  }
  UnaskedTally tally;
};

}  // namespace

TEST_CASE("equal notifications in any order are no difference", "[compare]") {
  Told told;
  for (const size_t lane : {size_t{0}, size_t{1}, size_t{2}}) {
    told.Send(lane == 1 ? "a" : "b", {lane}, lane == 0);
    told.Send(lane == 1 ? "b" : "a", {lane}, lane == 0);
  }
  CHECK(ChannelDifferences(told.tally).empty());
  CHECK(UnaskedNotes(told.tally).empty());
}

TEST_CASE("a channel that the candidate is told less on is a difference", "[compare]") {
  Told told;
  for (int i = 0; i < 15; ++i)
    told.Send("x", i < 12 ? std::vector<size_t>{0, 1, 2} : std::vector<size_t>{0, 2});
  const auto differences = ChannelDifferences(told.tally);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].channel == "orders");
  CHECK(differences[0].sentence == "12 notifications instead of 15");
}

TEST_CASE("as many notifications with other payloads are a difference", "[compare]") {
  Told told;
  told.Send("x", {0, 2});
  told.Send("y", {1}, false);
  const auto differences = ChannelDifferences(told.tally);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].sentence == "1 notification, but not with the same payloads");
}

TEST_CASE("what baseline and control do not share says nothing", "[compare]") {
  Told told;
  told.Send("at 12:00:01", {0});
  told.Send("at 12:00:02", {1}, false);
  told.Send("at 12:00:03", {2}, false);
  CHECK(ChannelDifferences(told.tally).empty());
  told.Notices({{"01000"}, {}, {}});
  CHECK(told.tally.notices().empty());
}

TEST_CASE("other counts than in the capture are a note", "[compare]") {
  Told told;
  told.Send("x", {0, 1, 2});
  told.Send("x", {});
  CHECK(UnaskedNotes(told.tally) ==
        Texts{"Channel orders: 1 notification on the baseline, 2 when captured"});
}

TEST_CASE("other notices are a note per pattern", "[compare]") {
  Told told;
  told.Notices({{"00000", "01000"}, {"01000", "00000"}, {"00000", "01000"}});
  CHECK(UnaskedNotes(told.tally).empty());
  told.Notices({{"00000"}, {}, {"00000"}});
  told.Notices({{"00000"}, {}, {"00000"}});
  told.Notices({{"00000"}, {}, {"00000"}}, true);
  CHECK(UnaskedNotes(told.tally) ==
        Texts{"drop table t raises other notices in 2 exchanges: none instead of 00000"});
}

TEST_CASE("a parameter that only the candidate reports otherwise is a note", "[compare]") {
  Told told;
  const event::Settings berlin = {{"DateStyle", "ISO"}, {"TimeZone", "Europe/Berlin"}};
  told.Settings({berlin, {{"DateStyle", "ISO"}, {"TimeZone", "UTC"}}, berlin});
  CHECK(UnaskedNotes(told.tally) ==
        Texts{"The candidate reports TimeZone as \"UTC\" instead of \"Europe/Berlin\", 1 time"});
}

TEST_CASE("hostile names and floods stay within limits", "[compare]") {
  UnaskedLimits limits;
  limits.channels = 2;
  UnaskedTally tally(limits);
  for (int i = 0; i < 10; ++i) {
    event::Notification notification;
    notification.channel = "\x1b[2J" + std::to_string(i);
    tally.Notify(notification, 0);
    tally.Notify(notification, 99);
  }
  CHECK(tally.channels().size() == 2);
  CHECK(tally.dropped() == 8);
  for (const std::string& note : UnaskedNotes(tally)) CHECK(note.find('\x1b') == std::string::npos);
}

}  // namespace scry::compare
