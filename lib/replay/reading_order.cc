#include "replay/reading_order.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "replay/lost_race.h"

namespace scry::replay {
namespace {

// What belongs before its completion is looked for so long, as far as memory allows. A COMMIT that
// took longer is put in its place by the watchdog; a longer report sees more commits than it did.
constexpr base::Micros kSpanUs = 5 * 1000 * 1000;
// A busy server may let a query wait for so long before it takes the snapshot. Of shorter ones the
// completion tells as much: where the capture leaves the order open, the likelier one is taken.
constexpr base::Micros kSnapshotUs = 10 * 1000;
// Stamps of a damaged capture must not overflow sums.
constexpr base::Micros kTimeMaxUs = INT64_MAX / 4;

base::Micros Sane(base::Micros time_us) { return std::clamp<base::Micros>(time_us, 0, kTimeMaxUs); }

bool Changes(Mode mode) { return mode == Mode::kUpdate || mode == Mode::kDelete; }

// `writer` may have waited for a lock that `commit` let go.
bool NeededLocks(const Footprint& writer, const Footprint& commit) {
  return std::any_of(writer.touches.begin(), writer.touches.end(), [&](const Access& touch) {
    return Changes(touch.mode) &&
           std::any_of(commit.releases.begin(), commit.releases.end(), [&](const Access& lock) {
             return Changes(lock.mode) && lock.object == touch.object &&
                    (lock.key == 0 || touch.key == 0 || lock.key == touch.key);
           });
  });
}

// `commit` let one row go that `change` changed.
bool ReleasedRow(const Footprint& change, const Footprint& commit) {
  return std::any_of(change.touches.begin(), change.touches.end(), [&](const Access& touch) {
    return touch.key != 0 && Changes(touch.mode) &&
           std::find_if(commit.releases.begin(), commit.releases.end(), [&](const Access& lock) {
             return Changes(lock.mode) && lock.object == touch.object && lock.key == touch.key;
           }) != commit.releases.end();
  });
}

}  // namespace

base::Micros ReadingOrder::MomentOf(const ReadEvent& event, base::Micros completed_us) const {
  const auto* exchange = std::get_if<event::Exchange>(&event.event);
  if (exchange == nullptr) return completed_us;
  const base::Micros forwarded_us = std::min(Sane(exchange->forwarded_us), completed_us);
  if (event.only_reads) return std::min(completed_us, forwarded_us + kSnapshotUs);
  if (!event.only_ends) return completed_us;
  for (auto held = held_.lower_bound({forwarded_us, 0}); held != held_.end(); ++held) {
    if (held->first.first >= completed_us) break;
    const auto* writer = std::get_if<event::Exchange>(&held->second.event);
    if (writer != nullptr && GaveUpWaiting(*writer)) continue;
    if (NeededLocks(held->second.footprint, event.footprint)) return held->first.first - 1;
  }
  return completed_us;
}

void ReadingOrder::Add(ReadEvent event) {
  const base::Micros completed_us = Sane(event::TimeOf(event.event));
  read_us_ = std::max(read_us_, completed_us);
  base::Micros moment_us = MomentOf(event, completed_us);
  // A client that pipelines sends its COMMIT before what it commits is done.
  const auto session = static_cast<uint64_t>(event::SessionOf(event.event));
  if (session != 0) {
    base::Micros& last_us = last_us_[session];
    moment_us = std::max(moment_us, last_us);
    last_us = moment_us;
  }
  if (!event.takes_snapshot && snapshots_.contains(session)) {
    MoveSnapshot(session, event);
    moment_us = std::max(moment_us, last_us_[session]);
    if (!event.footprint.releases.empty() || event.only_ends) snapshots_.erase(session);
  }
  const Key key(moment_us, ++events_);
  if (event.takes_snapshot) snapshots_[session] = key;
  if (std::holds_alternative<event::SessionEnd>(event.event)) {
    last_us_.erase(session);
    snapshots_.erase(session);
  }
  weight_ += event.weight;
  held_.emplace(key, std::move(event));
}

// `change` succeeded in a transaction with one snapshot.
void ReadingOrder::MoveSnapshot(uint64_t session, const ReadEvent& change) {
  const auto* exchange = std::get_if<event::Exchange>(&change.event);
  if (exchange == nullptr || exchange->status == 'E') return;
  const Key from = snapshots_[session];
  const auto snapshot = held_.find(from);
  if (snapshot == held_.end()) return;
  const base::Micros snapshot_done_us = Sane(event::TimeOf(snapshot->second.event));
  std::optional<Key> behind;
  for (auto held = std::next(snapshot); held != held_.end(); ++held) {
    const auto* other = std::get_if<event::Exchange>(&held->second.event);
    if (other == nullptr || static_cast<uint64_t>(other->session) == session) continue;
    if (Sane(other->forwarded_us) >= snapshot_done_us) continue;
    if (ReleasedRow(change.footprint, held->second.footprint)) behind = held->first;
  }
  if (behind) MoveBehind(session, from, *behind);
}

// The session's events from `from` on that stand before `place`, in their order.
void ReadingOrder::MoveBehind(uint64_t session, Key from, Key place) {
  std::vector<ReadEvent> moved;
  for (auto held = held_.find(from); held != held_.end() && held->first < place;) {
    if (static_cast<uint64_t>(event::SessionOf(held->second.event)) != session) {
      ++held;
      continue;
    }
    moved.push_back(std::move(held->second));
    held = held_.erase(held);
  }
  snapshots_[session] = Key(place.first, events_ + 1);
  for (ReadEvent& event : moved) held_.emplace(Key(place.first, ++events_), std::move(event));
  base::Micros& last_us = last_us_[session];
  last_us = std::max(last_us, place.first);
}

std::optional<ReadEvent> ReadingOrder::Next() {
  if (held_.empty()) return std::nullopt;
  const auto first = held_.begin();
  const bool settled = first->first.first + kSpanUs <= read_us_;
  if (!settled && !ended_ && weight_ <= weight_max_) return std::nullopt;
  ReadEvent event = std::move(first->second);
  held_.erase(first);
  weight_ -= event.weight;
  return event;
}

}  // namespace scry::replay
