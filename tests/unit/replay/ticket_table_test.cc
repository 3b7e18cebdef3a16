#include "replay/ticket_table.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

TEST_CASE("a ticket table holds what a map would hold", "[replay]") {
  base::Random random(1);
  TicketTable<std::string> table;
  std::map<uint64_t, std::string> map;
  uint64_t last = 0;
  for (int i = 0; i < 20000; ++i) {
    if (random.Below(2) == 0) {
      last += 1 + (random.Below(50) == 0 ? random.Below(1000) : 0);
      table.Add(last) = std::to_string(last);
      map[last] = std::to_string(last);
    }
    const uint64_t asked = random.Below(last + 70);
    const auto found = map.find(asked);
    REQUIRE(table.Contains(asked) == (found != map.end()));
    if (found != map.end()) CHECK(*table.Find(asked) == found->second);
    if (found != map.end() || random.Below(2) == 0) {
      table.Erase(asked);
      map.erase(asked);
    }
    REQUIRE(table.size() == map.size());
  }
  const uint64_t from = last / 2;
  std::vector<std::pair<uint64_t, std::string>> seen;
  table.ForEach(from,
                [&](uint64_t ticket, const std::string& one) { seen.emplace_back(ticket, one); });
  CHECK(seen == std::vector<std::pair<uint64_t, std::string>>(map.lower_bound(from), map.end()));
}

TEST_CASE("a ticket table keeps its places while others come and go", "[replay]") {
  TicketTable<int> table;
  int& first = table.Add(1);
  first = 7;
  for (uint64_t ticket = 2; ticket < 5000; ++ticket) {
    table.Add(ticket) = 1;
    if (ticket % 3 != 0) table.Erase(ticket);
  }
  CHECK(first == 7);
  CHECK(table.Find(1) == &first);
  CHECK(table.Find(0) == nullptr);
  CHECK(table.Find(5000) == nullptr);
}

}  // namespace
}  // namespace scry::replay
