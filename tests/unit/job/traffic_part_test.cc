#include "job/traffic_part.h"

#include "support/catch.h"

namespace scry::job {
namespace {

using migration::LockMode;

event::Event Exchange(uint64_t session, base::Micros from, base::Micros to, char status) {
  event::Exchange exchange;
  exchange.session = event::SessionId{session};
  exchange.forwarded_us = from;
  exchange.completed_us = to;
  exchange.status = static_cast<uint8_t>(status);
  return exchange;
}

event::Event Query(uint64_t session, base::Micros from, base::Micros to, char status,
                   const std::string& text) {
  event::Event event = Exchange(session, from, to, status);
  std::get<event::Exchange>(event).statements.emplace_back().text = text;
  return event;
}

TEST_CASE("the longest transaction counts its idle time, and the end of its session", "[job]") {
  const PartWish wish;
  event::FactsCache facts;
  TransactionScan scan(wish, facts);
  scan.Take(Exchange(1, 100, 200, 'T'));
  scan.Take(Exchange(2, 150, 450, 'I'));
  scan.Take(Exchange(1, 900, 1000, 'I'));
  scan.Take(Exchange(1, 1100, 1150, 'I'));
  TransactionScan copy = scan;
  copy.Finish();
  CHECK(copy.longest() == TransactionSpan{100, 1000});
  scan.Take(Exchange(3, 2000, 2100, 'E'));
  event::SessionEnd end;
  end.session = event::SessionId{3};
  end.at_us = 5000;
  scan.Take(end);
  scan.Finish();
  CHECK(scan.longest().begin_us == 2000);
  CHECK(scan.end_us() == 5000);
}

TEST_CASE("a transaction still open ends with the capture", "[job]") {
  const PartWish wish;
  event::FactsCache facts;
  TransactionScan scan(wish, facts);
  scan.Take(Exchange(1, 100, 200, 'T'));
  scan.Take(Exchange(2, 300, 700, 'I'));
  scan.Finish();
  CHECK(scan.longest().end_us == 700);
}

TEST_CASE("a transaction counts from when it names one of the tables", "[job]") {
  PartWish wish;
  wish.tables = {{"orders", LockMode::kAccessExclusive}, {"Odd", LockMode::kAccessExclusive}};
  wish.hold_us = 300;
  event::FactsCache facts;
  TransactionScan scan(wish, facts);
  scan.Take(Query(1, 0, 5000, 'I', "select 'orders' from other"));  // No table of that name.
  scan.Take(Query(2, 0, 10, 'T', "begin"));
  scan.Take(Query(2, 1000, 1010, 'T', "select 1 from other"));
  scan.Take(Query(2, 2000, 2010, 'T', "update SHOP.Orders set a = 1"));
  scan.Take(Query(2, 2500, 2510, 'I', "commit"));
  scan.Take(Query(3, 3000, 3100, 'I', "select * from \"Odd\""));
  scan.Take(Query(4, 4000, 6000, 'I', "select pg_sleep(2)"));
  scan.Finish();
  CHECK(scan.longest() == TransactionSpan{2000, 2510});
  CHECK(scan.TakeSpans() == std::vector<TransactionSpan>{{2000, 2510}});
}

TEST_CASE("a transaction counts from when it is in the way of the migration's lock", "[job]") {
  const auto begins = [](LockMode wanted) {
    PartWish wish;
    wish.tables = {{"orders", wanted}};
    event::FactsCache facts;
    TransactionScan scan(wish, facts);
    scan.Take(Query(1, 0, 10, 'T', "insert into log select a from orders"));
    scan.Take(Query(1, 1000, 1010, 'T', "select a from shop.orders for update"));
    scan.Take(
        Query(1, 2000, 2010, 'T', "with x as (delete from orders returning a) select a from x"));
    scan.Take(Query(1, 3000, 3010, 'T', "alter table orders add b int"));
    scan.Take(Query(1, 9000, 9010, 'I', "commit"));
    scan.Finish();
    return scan.longest().begin_us;
  };
  CHECK(begins(LockMode::kAccessExclusive) == 0);
  CHECK(begins(LockMode::kExclusive) == 1000);
  CHECK(begins(LockMode::kShareRowExclusive) == 2000);
  CHECK(begins(LockMode::kShare) == 2000);
  CHECK(begins(LockMode::kRowExclusive) == 3000);
}

}  // namespace
}  // namespace scry::job
