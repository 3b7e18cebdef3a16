#include "replay/cancel_book.h"

#include <vector>

#include "support/catch.h"

namespace scry::replay {
namespace {

using Times = std::vector<base::Micros>;

event::Cancel At(base::Micros at_us, uint64_t session = 1) {
  return {event::SessionId{session}, at_us};
}
event::Exchange Ran(base::Micros forwarded_us, base::Micros completed_us,
                    const std::string& sqlstate = {}, uint64_t session = 1) {
  event::Exchange exchange;
  exchange.session = event::SessionId{session};
  exchange.forwarded_us = forwarded_us;
  exchange.completed_us = completed_us;
  event::Statement& statement = exchange.statements.emplace_back();
  statement.outcome.status =
      sqlstate.empty() ? event::OutcomeStatus::kDone : event::OutcomeStatus::kError;
  statement.outcome.sqlstate = sqlstate;
  return exchange;
}

}  // namespace

TEST_CASE("a cancel belongs to what its session ran at that time", "[replay]") {
  CancelBook book;
  CHECK(book.Take(Ran(100, 200)).empty());
  book.Add(At(350));
  book.Add(At(380));
  CHECK(book.Take(Ran(300, 400, "57014", 2)).empty());  // Of another session.
  CHECK(book.Take(Ran(300, 400, "57014")) == Times{50, 80});
  CHECK(book.Take(Ran(400, 500)).empty());
  CHECK(book.missed() == 0);
}

TEST_CASE("of a pipeline, a cancel belongs to what had its turn", "[replay]") {
  CancelBook book;
  CHECK(book.Take(Ran(100, 200)).empty());
  book.Add(At(250));
  CHECK(book.Take(Ran(110, 300)) == Times{50});  // It began when the one before was done.
}

TEST_CASE("a cancel that came a moment too early hits what it cancelled", "[replay]") {
  CancelBook book;
  book.Add(At(290));
  CHECK(book.Take(Ran(300, 400, "57014")) == Times{0});
  book.Add(At(490));
  CHECK(book.Take(Ran(500, 600)).empty());
  CHECK(book.missed() == 1);
}

TEST_CASE("cancels without a victim are counted", "[replay]") {
  CancelBook book;
  book.Add(At(10, 0));  // Of a session that is not captured.
  book.Add(At(20));     // Of one that is idle until it ends.
  book.Add(At(30));
  book.End(event::SessionId{1});
  book.End(event::SessionId{7});
  CHECK(book.missed() == 3);
}

TEST_CASE("a flood of cancels is held up to a limit and counted", "[replay]") {
  CancelBook book;
  for (int i = 0; i < 70'000; ++i) book.Add(At(i));
  CHECK(book.missed() == 70'000 - 65'536);
}

}  // namespace scry::replay
