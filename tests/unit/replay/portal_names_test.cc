#include "replay/portal_names.h"

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "script.h"
#include "support/catch.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

using Cells = std::vector<std::optional<std::string>>;

std::string Rows(const std::vector<Cells>& rows) {
  base::ByteWriter out;
  for (const Cells& row : rows) {
    base::ByteWriter cells;
    cells.BigU16(static_cast<uint16_t>(row.size()));
    for (const auto& cell : row) {
      cells.BigU32(cell ? static_cast<uint32_t>(cell->size()) : UINT32_MAX);
      if (cell) cells.Text(*cell);
    }
    const std::string bytes = cells.Release();
    out.BigU32(static_cast<uint32_t>(bytes.size()));
    out.Text(bytes);
  }
  return out.Release();
}

std::string Named(int number) { return "<unnamed portal " + std::to_string(number) + ">"; }

std::string Rewritten(const PortalNames& names, const std::string& bytes) {
  std::vector<event::FrontendMessage> messages = MessagesOf(bytes);
  names.Rewrite(messages);
  std::string out;
  for (const auto& message : messages) {
    wire::AppendMessage(out, message.type, message.head, message.values, message.tail);
  }
  return out;
}

}  // namespace

TEST_CASE("equal names need no mapping", "[replay]") {
  PortalNames names;
  names.Learn(Rows({{Named(1)}}), Rows({{Named(1)}}));
  names.Learn(Rows({{"7"}}), Rows({{"8"}}));
  CHECK(names.empty());
}

TEST_CASE("a portal goes by its name on the lane, wherever it stands", "[replay]") {
  PortalNames names;
  names.Learn(Rows({{std::nullopt, Named(1)}, {"x", Named(2)}}),
              Rows({{std::nullopt, Named(2)}, {"x", Named(10)}}));
  CHECK(Rewritten(names, wire::EncodeQuery("fetch all in \"" + Named(1) + "\"; close \"" +
                                           Named(2) + "\"")) ==
        wire::EncodeQuery("fetch all in \"" + Named(2) + "\"; close \"" + Named(10) + "\""));
  CHECK(Rewritten(names, wire::EncodeExecute(Named(2), 5)) == wire::EncodeExecute(Named(10), 5));
  CHECK(Rewritten(names, wire::EncodeDescribe(wire::Target::kPortal, Named(1))) ==
        wire::EncodeDescribe(wire::Target::kPortal, Named(2)));
  CHECK(Rewritten(names, wire::EncodeClose(wire::Target::kPortal, Named(1))) ==
        wire::EncodeClose(wire::Target::kPortal, Named(2)));
  const std::string one = Named(1);
  const std::string two = Named(2);
  const std::string ten = Named(10);
  wire::Bind bind;
  bind.parameters = {std::nullopt, one, "other", two};
  wire::Bind sent;
  sent.parameters = {std::nullopt, two, "other", ten};
  CHECK(Rewritten(names, wire::EncodeBind(bind)) == wire::EncodeBind(sent));
}

TEST_CASE("what only looks like a portal's name stays as it is", "[replay]") {
  PortalNames names;
  names.Learn(Rows({{Named(1)}}), Rows({{Named(2)}}));
  for (const std::string& text :
       {"select 1 -- " + Named(1), std::string("fetch \"<unnamed portal \""),
        std::string("fetch \"<unnamed portal 1"), "fetch in \"" + Named(3) + "\"",
        std::string("fetch \"<unnamed portal 99999999999999999999>\"")}) {
    CHECK(Rewritten(names, wire::EncodeQuery(text)) == wire::EncodeQuery(text));
  }
  const std::string inside = "a " + Named(1);
  wire::Bind bind;
  bind.parameters = {inside};
  CHECK(Rewritten(names, wire::EncodeBind(bind)) == wire::EncodeBind(bind));
}

TEST_CASE("names end with their transaction", "[replay]") {
  PortalNames names;
  names.Learn(Rows({{Named(1)}}), Rows({{Named(2)}}));
  names.Clear();
  CHECK(names.empty());
}

TEST_CASE("rows that are cut short teach nothing and do no harm", "[replay]") {
  const std::string captured = Rows({{Named(1)}, {Named(2)}});
  const std::string lane = Rows({{Named(3)}, {Named(4)}});
  for (size_t size = 0; size < captured.size(); ++size) {
    PortalNames names;
    names.Learn(captured.substr(0, size), lane);
    names.Learn(captured, lane.substr(0, size));
  }
  PortalNames names;
  names.Learn(captured, lane);
  std::vector<event::FrontendMessage> messages(1);
  messages[0].type = wire::frontend::kBind;
  messages[0].values = std::string("\x00\x00\x7f\xff", 4) + Named(1);
  const std::string before = messages[0].values;
  names.Rewrite(messages);
  CHECK(messages[0].values == before);
}

}  // namespace scry::replay
