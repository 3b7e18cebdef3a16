#include "job/repeated_traffic.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace scry::job {
namespace {

using base::Micros;

void SetSession(event::Event& event, uint64_t id) {
  std::visit([&](auto& one) { one.session = event::SessionId{id}; }, event);
}

void Shift(event::Event& event, Micros by_us) {
  if (auto* exchange = std::get_if<event::Exchange>(&event)) {
    exchange->forwarded_us += by_us;
    exchange->first_answer_us += by_us;
    exchange->completed_us += by_us;
  } else if (auto* gap = std::get_if<event::Gap>(&event)) {
    gap->from_us += by_us;
    gap->to_us += by_us;
  } else if (auto* start = std::get_if<event::SessionStart>(&event)) {
    start->at_us += by_us;
  } else if (auto* end = std::get_if<event::SessionEnd>(&event)) {
    end->at_us += by_us;
  } else if (auto* cancel = std::get_if<event::Cancel>(&event)) {
    cancel->at_us += by_us;
  } else if (auto* notification = std::get_if<event::Notification>(&event)) {
    notification->at_us += by_us;
  }
}

}  // namespace

base::Result<bool> RepeatedTraffic::Read(event::Event& event) {
  if (rounds_ == 0) SCRY_TRY(Begin());
  for (;;) {
    if (next_) {
      event = std::move(*next_);
      SCRY_TRY(Fetch());
      return true;
    }
    if (exchanges_ == 0 || decide_(rounds_) != Sequel::kRepeat) return false;
    // Those that are still open would take the connections of the next round's.
    if (EndOpenSession(event)) return true;
    SCRY_TRY(Begin());
  }
}

base::Status RepeatedTraffic::Begin() {
  SCRY_TRY_ASSIGN(source_, open_());
  if (rounds_ == 1) first_round_sessions_ = last_session_;
  if (rounds_ > 0) shift_us_ += std::max<Micros>(to_us_ - from_us_, 1);
  sessions_before_ = last_session_;
  exchanges_ = 0;
  ++rounds_;
  return Fetch();
}

base::Status RepeatedTraffic::Fetch() {
  SCRY_TRY_ASSIGN(next_, source_->Next());
  if (next_) {
    Move(*next_);
  } else {
    source_.reset();
  }
  return {};
}

bool RepeatedTraffic::Ready() const {
  return rounds_ == 0 || next_ || exchanges_ == 0 || decide_(rounds_) != Sequel::kUnknown;
}

double RepeatedTraffic::ShareRead() const {
  return source_ && rounds_ == 1 ? source_->ShareRead() : -1;
}

// Transactions and sessions that go on behind the part end with it.
void RepeatedTraffic::Move(event::Event& event) {
  auto session = static_cast<uint64_t>(event::SessionOf(event));
  if (session != 0) {
    session += sessions_before_;
    last_session_ = std::max(last_session_, session);
    SetSession(event, session);
  }
  Shift(event, shift_us_);
  if (std::holds_alternative<event::SessionStart>(event)) {
    open_sessions_.try_emplace(session, 0);
  } else if (std::holds_alternative<event::Exchange>(event)) {
    ++exchanges_;
    const auto open = open_sessions_.find(session);
    if (open != open_sessions_.end()) ++open->second;
    Micros& forwarded_us = std::get<event::Exchange>(event).forwarded_us;
    forwarded_us = std::min(forwarded_us, to_us_ + shift_us_);
  } else if (auto* end = std::get_if<event::SessionEnd>(&event)) {
    open_sessions_.erase(session);
    end->at_us = std::min(end->at_us, to_us_ + shift_us_);
  }
}

bool RepeatedTraffic::EndOpenSession(event::Event& event) {
  if (open_sessions_.empty()) return false;
  const auto first = open_sessions_.begin();
  event::SessionEnd end;
  end.session = event::SessionId{first->first};
  end.at_us = to_us_ + shift_us_;
  end.reason = event::EndReason::kCaptureEnded;
  end.exchanges = first->second;
  open_sessions_.erase(first);
  event = end;
  return true;
}

}  // namespace scry::job
