// Tells when the replay of a source began, and when something of its captured time happens by the
// clock. Used by the during act: one thread reads, others may ask and wait.
#pragma once

#include <mutex>
#include <optional>
#include <stop_token>

#include "base/clock.h"
#include "base/result.h"
#include "event/event_source.h"

namespace scry::job {

// Times are monotonic ones, but where they are named captured.
class StartingGun final : public event::EventSource {
 public:
  // `speed`: of the replay, against the capture. The source outlives it.
  StartingGun(event::EventSource& source, double speed) : source_(source), speed_(speed) {}
  // Fires as replay takes the first session, whose time is the replay's zero.
  base::Result<bool> Read(event::Event& event) override;
  bool Ready() const override { return source_.Ready(); }
  // Of the time that it is expected to take, as nobody knows how much there is to read.
  double ShareRead() const override;
  void Expect(base::Micros duration_us) { expected_us_ = duration_us; }
  // 0: it has not begun.
  base::Micros started_us() const;
  // When something of the capture's time happens. nullopt: it has not begun.
  std::optional<base::Micros> MomentOf(base::Micros captured_us) const;
  // The same, when it has begun. nullopt: stopped before.
  std::optional<base::Micros> AwaitMomentOf(base::Micros captured_us, const std::stop_token& stop);
  // Nothing came of it: whoever waits goes on.
  void FireAnyway(base::Micros captured_us) { Fire(captured_us); }

 private:
  void Fire(base::Micros captured_us);

  event::EventSource& source_;
  const double speed_;
  base::Micros expected_us_ = 0;
  mutable std::mutex mutex_;
  bool fired_ = false;            // Written by the reader alone, guarded by mutex_.
  base::Micros at_us_ = 0;        // The same ...
  base::Micros captured_us_ = 0;  // ... and the same.
};

}  // namespace scry::job
