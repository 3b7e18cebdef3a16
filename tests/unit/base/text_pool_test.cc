#include "base/text_pool.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::base {
namespace {

TEST_CASE("a text is kept once, and as long as somebody holds it", "[base]") {
  std::optional<TextPool> pool(std::in_place);
  Random random(1);
  std::vector<SharedText> held(64);
  for (int i = 0; i < 20000; ++i) {
    SharedText& place = held[random.Below(held.size())];
    place.reset();
    if (random.Below(4) == 0) continue;
    const std::string text(random.Below(40), 'x');
    place = pool->Share(text);
    REQUIRE(*place == text);
  }
  std::map<std::string, const std::string*> kept;
  for (const SharedText& text : held) {
    if (!text) continue;
    const auto [one, added] = kept.emplace(*text, text.get());
    CHECK(one->second == text.get());
  }
  CHECK(pool->size() == kept.size());
  pool.reset();
  for (const SharedText& text : held) {
    if (text) CHECK(text->find_first_not_of('x') == std::string::npos);
  }
}

}  // namespace
}  // namespace scry::base
