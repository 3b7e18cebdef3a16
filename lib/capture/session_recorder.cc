#include "capture/session_recorder.h"

#include <utility>

#include "wire/backend.h"

namespace scry::capture {
namespace {

exchange::TrackerLimits Limits(uint64_t exchange_bytes_max) {
  exchange::TrackerLimits limits;
  limits.exchange_bytes_max = exchange_bytes_max;
  limits.in_flight_bytes_max = exchange_bytes_max * 4;
  return limits;
}

}  // namespace

class SessionRecorder::FrontendFrames final : public wire::FrameSink {
 public:
  FrontendFrames(exchange::ExchangeTracker& tracker, base::Micros now_us)
      : tracker_(tracker), now_us_(now_us) {}
  void OnFrame(uint8_t type, base::Bytes payload) override {
    tracker_.OnFrontend(type, payload, now_us_);
  }
  void OnPiece(uint8_t type, uint32_t length, uint32_t offset, base::Bytes piece) override {
    tracker_.OnFrontendPiece(type, length, offset, piece, now_us_);
  }

 private:
  exchange::ExchangeTracker& tracker_;
  const base::Micros now_us_;
};

class SessionRecorder::BackendFrames final : public wire::FrameSink {
 public:
  BackendFrames(SessionRecorder& recorder, base::Micros now_us)
      : recorder_(recorder), now_us_(now_us) {}
  void OnFrame(uint8_t type, base::Bytes payload) override {
    if (type == wire::backend::kBackendKeyData) {
      const auto key = wire::ParseBackendKeyData(payload);
      if (key) recorder_.backend_pid_ = key->pid;
    }
    recorder_.tracker_.OnBackend(type, payload, now_us_);
  }
  void OnPiece(uint8_t type, uint32_t length, uint32_t offset, base::Bytes piece) override {
    recorder_.tracker_.OnBackendPiece(type, length, offset, piece, now_us_);
  }

 private:
  SessionRecorder& recorder_;
  const base::Micros now_us_;
};

SessionRecorder::SessionRecorder(event::SessionStart facts, event::EventSink& sink,
                                 exchange::CaptureCommon& common, uint64_t exchange_bytes_max)
    : session_(facts.session),
      tracker_(std::move(facts), common, sink, Limits(exchange_bytes_max)) {}

void SessionRecorder::OnFrontend(base::Bytes bytes, base::Micros now_us) {
  FrontendFrames frames(tracker_, now_us);
  frontend_.Feed(bytes, frames);
  if (frontend_.broken() && !broken_) {
    broken_ = true;
    tracker_.OnBroken(frontend_.reason(), now_us);
  }
}

void SessionRecorder::OnBackend(base::Bytes bytes, base::Micros now_us) {
  BackendFrames frames(*this, now_us);
  backend_.Feed(bytes, frames);
  if (backend_.broken() && !broken_) {
    broken_ = true;
    tracker_.OnBroken(backend_.reason(), now_us);
  }
}

}  // namespace scry::capture
