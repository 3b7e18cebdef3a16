#include "job/capture_age.h"

#include "support/catch.h"

namespace scry::job {
namespace {

TEST_CASE("traffic from before its shadow is told", "[job]") {
  shadow::ShadowInfo shadow;
  shadow.created_us = 10'000'000'000;
  report::CaptureFacts before;
  before.name = "caps/old";
  before.started_us = 6'400'000'000;
  report::CaptureFacts behind;
  behind.name = "caps/new";
  behind.started_us = 10'000'000'000;
  const report::CaptureFacts unknown;
  CHECK(CaptureAgeNotes(shadow, {before, behind, unknown}) ==
        std::vector<std::string>{
            "caps/old began 1 h 00 min before the shadow was made: that holds what the traffic "
            "wrote until then, so its writes may collide. Make the shadow first, then capture."});
  shadow.provider = shadow::ProviderKind::kDump;
  CHECK(CaptureAgeNotes(shadow, {before}).empty());
}

}  // namespace
}  // namespace scry::job
