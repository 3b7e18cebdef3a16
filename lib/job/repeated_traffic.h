// Captured traffic once more from its beginning as soon as it has ended, for as long as somebody
// needs it: for a migration that takes longer than the capture. Used by the during act. Pure but
// for what opens it; one thread.
//
// Later rounds send what the first one sent, in sessions of their own. What inserted a row with a
// key of its own finds it there already then, and fails; until it does it takes the same lock on
// its table.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "event/event_source.h"

namespace scry::job {

class RepeatedTraffic final : public event::EventSource {
 public:
  // Opens it at its beginning.
  using Open = std::function<base::Result<std::unique_ptr<event::EventSource>>()>;

  // What follows a round that was read to its end. kUnknown: it is too early to tell.
  enum class Sequel : uint8_t { kUnknown, kRepeat, kEnd };
  // `rounds`: how many were read.
  using Decide = std::function<Sequel(uint64_t rounds)>;

  // What is opened lasts from `from_us` to `to_us` of the capture's time, and so long is a round.
  RepeatedTraffic(Open open, base::Micros from_us, base::Micros to_us, Decide decide)
      : open_(std::move(open)), from_us_(from_us), to_us_(to_us), decide_(std::move(decide)) {}

  // Ends behind a round that held no exchange, too: nothing would come of the next one.
  base::Result<bool> Read(event::Event& event) override;
  bool Ready() const override;
  double ShareRead() const override;

  // That were begun.
  uint64_t rounds() const { return rounds_; }
  // Is a session one of a later round than the first?
  bool Repeats(uint64_t session) const { return rounds_ > 1 && session > first_round_sessions_; }

 private:
  base::Status Begin();
  base::Status Fetch();
  void Move(event::Event& event);
  bool EndOpenSession(event::Event& event);

  const Open open_;
  const base::Micros from_us_;
  const base::Micros to_us_;
  const Decide decide_;
  std::unique_ptr<event::EventSource> source_;  // Null: the round was read.
  std::optional<event::Event> next_;            // Of it: whether anything follows is to be known.
  uint64_t rounds_ = 0;
  base::Micros shift_us_ = 0;
  uint64_t sessions_before_ = 0;                // Added to the numbers of this round.
  uint64_t first_round_sessions_ = 0;           // The last number of the first round.
  uint64_t last_session_ = 0;                   // That came.
  uint64_t exchanges_ = 0;                      // Of this round.
  std::map<uint64_t, uint64_t> open_sessions_;  // With their exchanges so far.
};

}  // namespace scry::job
