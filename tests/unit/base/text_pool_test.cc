#include "base/text_pool.h"

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "base/shared_text.h"
#include "support/catch.h"

namespace scry::base {
namespace {

TEST_CASE("copies of a text share its bytes", "[base]") {
  const SharedText text("select 1");
  const SharedText copy = text;
  const SharedText apart(std::string("select 1"));
  CHECK(copy.SharesWith(text));
  CHECK_FALSE(apart.SharesWith(text));
  CHECK(apart == text);
  CHECK(text == "select 1");
  CHECK(text != std::string("select 2"));
  const std::string& string = text;
  CHECK(string.size() == text.size());
  CHECK(SharedText().empty());
  CHECK(SharedText() == SharedText(""));
  CHECK(SharedText() == "");
}

TEST_CASE("a text is kept once, and as long as somebody holds it", "[base]") {
  std::optional<TextPool> pool(std::in_place);
  Random random(1);
  std::vector<std::optional<SharedText>> held(64);
  for (int i = 0; i < 20000; ++i) {
    std::optional<SharedText>& place = held[random.Below(held.size())];
    place.reset();
    if (random.Below(4) == 0) continue;
    const std::string text(random.Below(40), 'x');
    place = pool->Share(text);
    REQUIRE(*place == text);
  }
  std::map<std::string, SharedText> kept;
  for (const auto& text : held) {
    if (!text) continue;
    const auto [one, added] = kept.emplace(text->str(), *text);
    CHECK(one->second.SharesWith(*text));
  }
  CHECK(pool->size() == kept.size());
  kept.clear();
  pool.reset();
  for (const auto& text : held) {
    if (text) CHECK(text->view().find_first_not_of('x') == std::string_view::npos);
  }
}

TEST_CASE("the last holder of a text may be on another thread", "[base]") {
  TextPool pool;
  const auto use = [&pool](uint64_t seed) {
    Random random(seed);
    std::vector<SharedText> held(8);
    bool right = true;
    for (int i = 0; i < 20000; ++i) {
      const std::string text(1 + random.Below(4), 'x');
      SharedText& place = held[random.Below(held.size())];
      place = pool.Share(text);
      right = right && place == text;
    }
    return right;
  };
  bool right = false;
  std::thread other([&] { right = use(1); });
  CHECK(use(2));
  other.join();
  CHECK(right);
  CHECK(pool.size() == 0);
}

}  // namespace
}  // namespace scry::base
