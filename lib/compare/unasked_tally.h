// What servers sent unasked (notifications, notices, parameter changes), added up so that lanes can
// be told apart: per channel, per pattern and per parameter. It weighs no statement and gates
// nothing. Filled by PatternTable, read by Judge(). Pure; bounded; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "event/lane_pair.h"

namespace scry::compare {

struct UnaskedLimits {
  size_t channels = 1000;
  size_t patterns = 1000;  // With other notices.
  size_t settings = 200;
  size_t lanes = 3;
};

class UnaskedTally {
 public:
  explicit UnaskedTally(UnaskedLimits limits = {}) : limits_(limits) {}

  // `lane`: where it came; none: in the capture.
  void Notify(const event::Notification& notification, std::optional<size_t> lane);
  // `fingerprint` and `pattern`: of the exchange's first statement.
  void Put(const event::UnaskedPair& pair, uint64_t fingerprint, const std::string& pattern);

  // Payloads as a multiset: two are equal if (but for chance) their counts and sums are.
  struct Count {
    uint64_t count = 0;
    uint64_t sum = 0;
    friend bool operator==(const Count&, const Count&) = default;
  };
  struct Channel {
    Count captured;
    std::array<Count, 3> lanes;  // By LaneRole.
    // The candidate got others than the baseline, though the control got the same.
    bool Differs(bool has_control) const;
  };
  struct Notices {
    std::string pattern;
    uint64_t exchanges = 0;
    std::string baseline;  // Of the first: "01000, 00000"; "none".
    std::string candidate;
  };
  using SettingChange = std::tuple<std::string, std::string, std::string>;  // Name, lanes' values.

  const std::map<std::string, Channel>& channels() const { return channels_; }
  const std::map<uint64_t, Notices>& notices() const { return notices_; }
  const std::map<SettingChange, uint64_t>& settings() const { return settings_; }
  uint64_t dropped() const { return dropped_; }  // Messages past a limit.
  bool has_control() const { return has_control_; }

 private:
  void PutNotices(const event::UnaskedPair& pair, uint64_t fingerprint, const std::string& pattern);
  void PutSettings(const event::UnaskedPair& pair);

  const UnaskedLimits limits_;
  std::map<std::string, Channel> channels_;
  std::map<uint64_t, Notices> notices_;
  std::map<SettingChange, uint64_t> settings_;
  uint64_t dropped_ = 0;
  bool has_control_ = false;
};

// Sentences for a report. Channels that differ between lanes, each with what to say of it:
struct ChannelDifference {
  std::string channel;
  uint64_t baseline = 0;
  uint64_t candidate = 0;
  std::string sentence;  // "12 notifications instead of 15".
};
std::vector<ChannelDifference> ChannelDifferences(const UnaskedTally& tally);
// All that is worth a note: other counts than in the capture, other notices, other parameters.
std::vector<std::string> UnaskedNotes(const UnaskedTally& tally);

}  // namespace scry::compare
