#include "compare/unasked_tally.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace scry::compare {
namespace {

using base::FormatCount;

constexpr auto kBaseline = static_cast<size_t>(event::LaneRole::kBaseline);
constexpr auto kCandidate = static_cast<size_t>(event::LaneRole::kCandidate);
constexpr auto kControl = static_cast<size_t>(event::LaneRole::kControl);
constexpr size_t kToldMax = 5;  // Of each kind.
constexpr size_t kNameColumnsMax = 60;

// Sums of plain digests would let two payloads make up for two others.
uint64_t Spread(uint64_t digest) {
  digest ^= digest >> 31;
  digest *= 0x9e3779b97f4a7c15ULL;
  return digest ^ (digest >> 29);
}

std::string Listed(std::vector<std::string> states) {
  if (states.empty()) return "none";
  std::string text;
  for (const std::string& state : states) text += (text.empty() ? "" : ", ") + state;
  return base::Printable(text, kNameColumnsMax);
}

std::vector<std::string> Sorted(std::vector<std::string> states) {
  std::sort(states.begin(), states.end());
  return states;
}

// The last value of each parameter.
std::map<std::string, std::string> Final(const event::Settings& changes) {
  std::map<std::string, std::string> values;
  for (const auto& [name, value] : changes) values[name] = value;
  return values;
}

// A name that applications give themselves is no business of a report.
std::string Shown(const std::string& name, const std::string& value) {
  if (name == "application_name") return "another value";
  return '"' + base::Printable(base::OneLine(value), kNameColumnsMax) + '"';
}

std::string Notifications(uint64_t count) {
  return FormatCount(count) + (count == 1 ? " notification" : " notifications");
}

void Cut(std::vector<std::string>& notes, size_t all, const char* what) {
  if (all > kToldMax) notes.push_back(fmt::format("{} more {}", FormatCount(all - kToldMax), what));
}

}  // namespace

bool UnaskedTally::Channel::Differs(bool has_control) const {
  const bool noise = has_control && lanes[kBaseline] != lanes[kControl];
  return !noise && lanes[kBaseline] != lanes[kCandidate];
}

void UnaskedTally::Notify(const event::Notification& notification, std::optional<size_t> lane) {
  if (lane && *lane >= limits_.lanes) return;
  if (lane == kControl) has_control_ = true;
  if (channels_.size() >= limits_.channels && !channels_.contains(notification.channel)) {
    ++dropped_;
    return;
  }
  Channel& channel = channels_[notification.channel];
  Count& count = lane ? channel.lanes[*lane] : channel.captured;
  ++count.count;
  count.sum += Spread(notification.payload_digest);
}

void UnaskedTally::Put(const event::UnaskedPair& pair, uint64_t fingerprint,
                       const std::string& pattern) {
  for (const event::LaneUnasked& lane : pair.lanes) dropped_ += lane.dropped;
  if (pair.lanes.size() <= kCandidate) return;
  has_control_ = has_control_ || pair.lanes.size() > kControl;
  // What follows a difference, or came in another order, says nothing by itself.
  if (pair.unsure) return;
  PutNotices(pair, fingerprint, pattern);
  PutSettings(pair);
}

void UnaskedTally::PutNotices(const event::UnaskedPair& pair, uint64_t fingerprint,
                              const std::string& pattern) {
  const auto baseline = Sorted(pair.lanes[kBaseline].notices);
  const auto candidate = Sorted(pair.lanes[kCandidate].notices);
  const bool noise =
      pair.lanes.size() > kControl && Sorted(pair.lanes[kControl].notices) != baseline;
  if (noise || baseline == candidate) return;
  if (notices_.size() >= limits_.patterns && !notices_.contains(fingerprint)) return;
  Notices& notices = notices_[fingerprint];
  if (notices.exchanges++ > 0) return;
  notices.pattern = pattern;
  notices.baseline = Listed(baseline);
  notices.candidate = Listed(candidate);
}

void UnaskedTally::PutSettings(const event::UnaskedPair& pair) {
  auto baseline = Final(pair.lanes[kBaseline].parameter_changes);
  auto candidate = Final(pair.lanes[kCandidate].parameter_changes);
  const bool has_control = pair.lanes.size() > kControl;
  auto control = has_control ? Final(pair.lanes[kControl].parameter_changes) : baseline;
  if (baseline == candidate) return;
  std::map<std::string, std::string> all = baseline;
  all.insert(candidate.begin(), candidate.end());
  for (const auto& [name, value] : all) {
    const std::string before = baseline.contains(name) ? baseline[name] : std::string();
    const std::string after = candidate.contains(name) ? candidate[name] : std::string();
    const std::string again = control.contains(name) ? control[name] : std::string();
    if (before == after || before != again) continue;
    const SettingChange change(name, before, after);
    if (settings_.size() >= limits_.settings && !settings_.contains(change)) continue;
    ++settings_[change];
  }
}

std::vector<ChannelDifference> ChannelDifferences(const UnaskedTally& tally) {
  std::vector<ChannelDifference> differences;
  for (const auto& [name, channel] : tally.channels()) {
    if (!channel.Differs(tally.has_control())) continue;
    ChannelDifference difference;
    difference.channel = base::Printable(base::OneLine(name), kNameColumnsMax);
    difference.baseline = channel.lanes[kBaseline].count;
    difference.candidate = channel.lanes[kCandidate].count;
    difference.sentence =
        difference.baseline == difference.candidate
            ? Notifications(difference.candidate) + ", but not with the same payloads"
            : fmt::format("{} instead of {}", Notifications(difference.candidate),
                          FormatCount(difference.baseline));
    differences.push_back(std::move(difference));
  }
  return differences;
}

std::vector<std::string> UnaskedNotes(const UnaskedTally& tally) {
  std::vector<std::string> notes;
  size_t told = 0;
  for (const auto& [name, channel] : tally.channels()) {
    const uint64_t baseline = channel.lanes[kBaseline].count;
    if (baseline == channel.captured.count || ++told > kToldMax) continue;
    notes.push_back(fmt::format("Channel {}: {} on the baseline, {} when captured",
                                base::Printable(base::OneLine(name), kNameColumnsMax),
                                Notifications(baseline), FormatCount(channel.captured.count)));
  }
  Cut(notes, told, "channels had other counts than when captured");
  told = 0;
  for (const auto& [fingerprint, notices] : tally.notices()) {
    if (++told > kToldMax) continue;
    notes.push_back(fmt::format("{} raises other notices in {}: {} instead of {}",
                                base::Printable(notices.pattern, kNameColumnsMax),
                                notices.exchanges == 1
                                    ? std::string("1 exchange")
                                    : FormatCount(notices.exchanges) + " exchanges",
                                notices.candidate, notices.baseline));
  }
  Cut(notes, told, "patterns raise other notices");
  told = 0;
  for (const auto& [change, count] : tally.settings()) {
    if (++told > kToldMax) continue;
    const auto& [name, before, after] = change;
    notes.push_back(fmt::format("The candidate reports {} as {} instead of {}, {} time{}",
                                base::Printable(name, kNameColumnsMax), Shown(name, after),
                                Shown(name, before), FormatCount(count), count == 1 ? "" : "s"));
  }
  Cut(notes, told, "parameters are reported otherwise");
  if (tally.dropped() > 0) {
    notes.push_back(
        fmt::format("{} notices, parameter changes or notifications were too many to "
                    "compare",
                    FormatCount(tally.dropped())));
  }
  return notes;
}

}  // namespace scry::compare
