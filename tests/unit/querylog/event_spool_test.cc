#include "querylog/event_spool.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "os/file.h"
#include "support/catch.h"
#include "unit/querylog/events.h"

namespace scry::querylog {
namespace {

// Event by event: the texts of all of them at once would be many times the events.
void CheckHolds(const EventSpool& spool, const test::Events& events) {
  auto source = spool.Open();
  REQUIRE(source.ok());
  for (const event::Event& event : events) {
    const auto next = (*source)->Next();
    REQUIRE(next.ok());
    REQUIRE(*next);
    REQUIRE(test::Dump(**next) == test::Dump(event));
  }
  const auto end = (*source)->Next();
  REQUIRE(end.ok());
  CHECK(!*end);
}

TEST_CASE("a spool gives back what was added, as often as it is read", "[querylog]") {
  std::string folder = (std::filesystem::temp_directory_path() / "scry-test-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/events";
  for (const size_t count : {size_t{0}, size_t{1}, size_t{2000}}) {
    test::Events events = test::RandomEvents(count + 7, count);
    // Of one that begins again its times go back.
    events.insert(events.end(), events.begin(), events.begin() + static_cast<long>(count / 2));
    auto spool = EventSpool::Create(os::RealFileSystem(), path);
    REQUIRE(spool.ok());
    for (const event::Event& event : events) REQUIRE((*spool)->Add(event).ok());
    REQUIRE((*spool)->Finish().ok());
    if (count > 1) CHECK(std::filesystem::file_size(path) > (size_t{3} << 20));  // Many blocks.
    for (int times = 0; times < 2; ++times) CheckHolds(**spool, events);
    CHECK(!EventSpool::Create(os::RealFileSystem(), path).ok());  // Nobody else's file.
    spool->reset();
    CHECK(!std::filesystem::exists(path));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace scry::querylog
