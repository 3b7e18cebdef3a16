// Events to the raw bytes of one block and back. Used by segment_writer and segment_reader.
// Pure: no IO, no compression. Not thread-safe. Format: FORMAT.md, section "Inside a block:
// columns".
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/shared_text.h"
#include "event/event.h"
#include "querylog/format.h"

namespace scry::querylog {

inline constexpr size_t kStreamCount = 45;
inline constexpr size_t kStreamCountVersion1 = 40;

// What kEventBytesMax limits. A text that the statement before has too counts once.
uint64_t EventBytes(const event::Event& event);

// What kTextReadsMax limits.
uint64_t TextReads(const event::Event& event);

// First and last moment an event touches: both ends of a Gap, else event::TimeOf.
std::pair<base::Micros, base::Micros> MomentsOf(const event::Event& event);

// What a block header and the index say about a block.
struct BlockSummary {
  uint64_t events = 0;
  base::Micros first_us = 0;
  base::Micros last_us = 0;
  std::vector<std::pair<uint64_t, uint64_t>> sessions;  // Id and number of events, ascending by id.
};

class BlockEncoder {
 public:
  BlockEncoder() { Clear(); }

  // REQUIRES: EventBytes(event) <= kEventBytesMax.
  void Add(const event::Event& event);
  bool empty() const { return summary_.events == 0; }
  // An upper bound of what Finish() would return.
  size_t raw_bytes() const { return raw_bytes_; }
  uint64_t events() const { return summary_.events; }
  BlockSummary Summary() const;
  // The raw block. The encoder is empty after it.
  std::string Finish();

 private:
  struct Session {
    uint64_t number = 0;
    uint64_t next_index = 0;
    uint64_t events = 0;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct PairHash {
    size_t operator()(const std::pair<uint64_t, uint64_t>& pair) const {
      return static_cast<size_t>(pair.first ^ (pair.second * 0x9e3779b97f4a7c15ULL));
    }
  };

  void Clear();
  void AddBody(const event::SessionStart& start);
  void AddBody(const event::Exchange& exchange);
  void AddBody(const event::SessionEnd& end);
  void AddBody(const event::Gap& gap);
  void AddBody(const event::Cancel& cancel);
  void AddBody(const event::Notification& notification);
  void AddMessage(const event::FrontendMessage& message);
  void AddValues(const event::FrontendMessage& message);
  void AddStatements(const event::Exchange& exchange);
  void AddOutcome(const event::Outcome& outcome);
  void AddUnasked(const event::Exchange& exchange);
  Session& AddSession(event::SessionId id);
  uint64_t TextReference(std::string_view text, size_t bytes_stream);

  std::array<base::ByteWriter, kStreamCount> streams_;
  size_t raw_bytes_ = 0;
  BlockSummary summary_;  // Without `sessions`.
  std::unordered_map<uint64_t, Session> sessions_;
  std::unordered_map<std::string, uint64_t, TextHash, std::equal_to<>> texts_;
  std::unordered_map<std::pair<uint64_t, uint64_t>, uint64_t, PairHash> digests_;
  uint64_t last_new_session_ = 0;
  uint64_t last_time_ = 0;
  uint64_t last_commits_done_ = 0;
};

// Decodes one event at a time, so that memory is that of the raw block and one event.
class BlockDecoder {
 public:
  // Fails with kCorrupt if the streams do not fill `raw`. REQUIRES: 1 <= version <= kFormatVersion.
  static base::Result<std::unique_ptr<BlockDecoder>> Open(std::string raw, uint64_t events,
                                                          uint32_t version = kFormatVersion);
  BlockDecoder(const BlockDecoder&) = delete;
  BlockDecoder& operator=(const BlockDecoder&) = delete;

  // What follows the last SessionStart is left out. REQUIRES: before Next().
  void StopAfterStarts();
  // Puts the next event into `event`; false after the last. Fails with kCorrupt; nothing can be
  // read after that.
  base::Result<bool> Read(event::Event& event);
  base::Result<std::optional<event::Event>> Next();  // The same as a value.

 private:
  struct Session {
    uint64_t id = 0;
    uint64_t next_index = 0;
  };

  BlockDecoder(std::string raw, uint64_t events, uint32_t version);
  bool SplitStreams();
  void Decode(event::Event& event);
  event::SessionStart DecodeStart();
  void DecodeExchange(event::Exchange& exchange);
  event::SessionEnd DecodeEnd();
  event::Gap DecodeGap();
  void DecodeMessage(event::FrontendMessage& message);
  void DecodeValues(uint64_t form, std::string& values);
  void DecodeStatements(event::Exchange& exchange);
  void DecodeOutcome(event::Outcome& outcome);
  std::string_view DecodeRows();
  void DecodeUnasked(event::Exchange& exchange);
  event::Notification DecodeNotification();
  event::Settings DecodeSettings(uint64_t count, size_t stream);
  // In texts_; nullopt: an empty text, or a reference to none.
  std::optional<size_t> DecodeReference(uint64_t reference, size_t bytes_stream);
  std::string_view DecodeText(uint64_t reference, size_t bytes_stream);
  base::SharedText DecodeShared(uint64_t reference);
  std::string_view DecodeOther(size_t stream);
  // Takes from what one event may use.
  bool Charge(uint64_t bytes);
  bool StreamsOk() const;
  bool StreamsUsedUp() const;

  const std::string raw_;
  const uint32_t version_;
  std::vector<base::ByteReader> streams_;  // Into raw_; empty where the version has them not.
  uint64_t events_left_;
  bool stops_early_ = false;  // Then columns are not used up.
  bool ok_ = true;
  uint64_t budget_ = 0;
  std::vector<Session> sessions_;
  size_t session_ = 0;                   // In sessions_, of the event being read.
  std::vector<std::string_view> texts_;  // In raw_.
  std::unordered_map<size_t, base::SharedText>
      shared_texts_;  // Of them, those that statements have.
  std::vector<std::pair<uint64_t, uint64_t>> digests_;
  uint64_t last_new_session_ = 0;
  uint64_t last_time_ = 0;
  uint64_t last_commits_done_ = 0;
};

}  // namespace scry::querylog
