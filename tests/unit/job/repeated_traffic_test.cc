#include "job/repeated_traffic.h"

#include <deque>
#include <utility>
#include <vector>

#include "support/catch.h"

namespace scry::job {
namespace {

using base::Micros;

class Vector final : public event::EventSource {
 public:
  explicit Vector(std::deque<event::Event> events) : events_(std::move(events)) {}
  base::Result<bool> Read(event::Event& event) override {
    if (events_.empty()) return false;
    event = std::move(events_.front());
    events_.pop_front();
    return true;
  }

 private:
  std::deque<event::Event> events_;
};

event::Event Start(uint64_t session, Micros at) {
  event::SessionStart start;
  start.session = event::SessionId{session};
  start.at_us = at;
  return start;
}

event::Event Exchange(uint64_t session, Micros from, Micros to) {
  event::Exchange exchange;
  exchange.session = event::SessionId{session};
  exchange.forwarded_us = from;
  exchange.completed_us = to;
  return exchange;
}

event::Event End(uint64_t session, Micros at) {
  event::SessionEnd end;
  end.session = event::SessionId{session};
  end.at_us = at;
  return end;
}

using Sequel = RepeatedTraffic::Sequel;

RepeatedTraffic Repeated(const std::vector<event::Event>& events, Micros from, Micros to,
                         RepeatedTraffic::Decide decide) {
  return {[events]() -> base::Result<std::unique_ptr<event::EventSource>> {
            return std::unique_ptr<event::EventSource>(
                std::make_unique<Vector>(std::deque<event::Event>(events.begin(), events.end())));
          },
          from, to, std::move(decide)};
}

TEST_CASE("each round has sessions of its own and begins where the one before ended", "[job]") {
  RepeatedTraffic traffic = Repeated(
      {Start(1, 100), Start(3, 110), Exchange(3, 150, 160), Exchange(1, 120, 190), End(3, 500)},
      100, 200, [](uint64_t) { return Sequel::kRepeat; });
  std::vector<std::pair<uint64_t, Micros>> seen;
  for (int i = 0; i < 14; ++i) {
    const auto event = traffic.Next();
    REQUIRE(event.ok());
    REQUIRE(*event);
    seen.emplace_back(static_cast<uint64_t>(event::SessionOf(**event)), event::TimeOf(**event));
    CHECK(traffic.rounds() == (i < 6 ? 1U : i < 12 ? 2U : 3U));
    CHECK(traffic.Repeats(seen.back().first) == (i >= 6));
  }
  // Session 3 went on behind the part, session 1 had no end at all: both end with the round.
  CHECK(seen == std::vector<std::pair<uint64_t, Micros>>{{1, 100},
                                                         {3, 110},
                                                         {3, 160},
                                                         {1, 190},
                                                         {3, 200},
                                                         {1, 200},
                                                         {4, 200},
                                                         {6, 210},
                                                         {6, 260},
                                                         {4, 290},
                                                         {6, 300},
                                                         {4, 300},
                                                         {7, 300},
                                                         {9, 310}});
}

TEST_CASE("traffic is not repeated where it need not be, or where there is none", "[job]") {
  RepeatedTraffic once =
      Repeated({Start(1, 0), Exchange(1, 1, 2)}, 0, 10, [](uint64_t) { return Sequel::kEnd; });
  RepeatedTraffic nothing =
      Repeated({Start(1, 0), End(1, 5)}, 0, 10, [](uint64_t) { return Sequel::kRepeat; });
  for (RepeatedTraffic* traffic : {&once, &nothing}) {
    for (int i = 0; i < 2; ++i) CHECK((*traffic->Next()).has_value());
    CHECK_FALSE((*traffic->Next()).has_value());
    CHECK(traffic->Ready());
  }
}

TEST_CASE("what follows a round is asked for until it is known", "[job]") {
  Sequel next = Sequel::kUnknown;
  RepeatedTraffic traffic =
      Repeated({Start(1, 0), Exchange(1, 1, 2), End(1, 5)}, 0, 10,
               [&](uint64_t rounds) { return rounds == 2 ? Sequel::kEnd : next; });
  CHECK(traffic.Ready());
  for (int i = 0; i < 3; ++i) {
    CHECK(traffic.Ready());
    CHECK((*traffic.Next()).has_value());
  }
  CHECK_FALSE(traffic.Ready());
  next = Sequel::kRepeat;
  CHECK(traffic.Ready());
  for (int i = 0; i < 3; ++i) CHECK((*traffic.Next()).has_value());
  CHECK_FALSE((*traffic.Next()).has_value());
}

}  // namespace
}  // namespace scry::job
