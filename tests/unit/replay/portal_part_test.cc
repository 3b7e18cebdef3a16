#include "replay/portal_part.h"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;

event::FrontendMessage Bind(const std::string& portal) {
  const std::string end(6, '\0');
  return {frontend::kBind, portal + std::string(1, '\0') + "s" + std::string(1, '\0'), {}, end};
}

event::FrontendMessage Execute(const std::string& portal, char limit) {
  return {frontend::kExecute, portal + std::string(4, '\0') + limit, {}, {}};
}

event::Exchange Of(std::vector<event::FrontendMessage> messages) {
  event::Exchange exchange;
  exchange.messages = std::move(messages);
  return exchange;
}

TEST_CASE("an Execute of all rows of a portal just bound has no part", "[replay]") {
  CHECK_FALSE(PortalPartOf(Of({Bind(""), Execute("", 0)}), 1));
  CHECK_FALSE(PortalPartOf(Of({{frontend::kQuery, "select 1", {}, {}}}), 0));
  CHECK_FALSE(PortalPartOf(Of({}), 3));
  CHECK_FALSE(PortalPartOf(Of({{frontend::kExecute, "no end", {}, {}}}), 0));
}

TEST_CASE("an Execute with a limit, and one that goes on, tell their part", "[replay]") {
  const event::Exchange exchange = Of({Bind("p"), Execute("p", 10), Bind("q"), Execute("p", 20),
                                       Execute("q", 0), Bind("p"), Execute("p", 30)});
  const auto first = PortalPartOf(exchange, 1);
  REQUIRE(first);
  CHECK(first->name == "p");
  CHECK(first->rows_max == 10);
  CHECK(first->first);
  const auto second = PortalPartOf(exchange, 3);
  REQUIRE(second);
  CHECK(second->rows_max == 20);
  CHECK_FALSE(second->first);
  CHECK_FALSE(PortalPartOf(exchange, 4));
  CHECK(PortalPartOf(exchange, 6)->first);
  // Bound in an earlier exchange: whatever it gives is what was left.
  const auto rest = PortalPartOf(Of({Execute("", 0)}), 0);
  REQUIRE(rest);
  CHECK(rest->name.empty());
  CHECK_FALSE(rest->first);
}

}  // namespace
}  // namespace scry::replay
