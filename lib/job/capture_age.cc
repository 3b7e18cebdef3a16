#include "job/capture_age.h"

#include <fmt/format.h>

#include "base/units.h"

namespace scry::job {

std::vector<std::string> CaptureAgeNotes(const shadow::ShadowInfo& shadow,
                                         const std::vector<report::CaptureFacts>& captures) {
  std::vector<std::string> notes;
  if (shadow.provider != shadow::ProviderKind::kPhysical) return notes;
  for (const report::CaptureFacts& capture : captures) {
    // 0: one of the two is not known.
    if (capture.started_us <= 0 || capture.started_us >= shadow.created_us) continue;
    notes.push_back(fmt::format(
        "{} began {} before the shadow was made: that holds what the traffic wrote until then, so "
        "its writes may collide. Make the shadow first, then capture.",
        base::Printable(capture.name, 200),
        base::FormatDuration(shadow.created_us - capture.started_us)));
  }
  return notes;
}

}  // namespace scry::job
