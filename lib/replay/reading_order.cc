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
// And so long before it acknowledges a commit that others have seen.
constexpr base::Micros kAnswerUs = 10 * 1000;
// Stamps of a damaged capture must not overflow sums.
constexpr base::Micros kTimeMaxUs = INT64_MAX / 4;

base::Micros Sane(base::Micros time_us) { return std::clamp<base::Micros>(time_us, 0, kTimeMaxUs); }

bool Changes(Mode mode) { return mode == Mode::kUpdate || mode == Mode::kDelete; }

bool SameRows(const Access& a, const Access& b) {
  return a.object == b.object && (a.key == 0 || b.key == 0 || a.key == b.key);
}

// An INSERT waits for whoever inserted, changed or deleted a row of its key.
bool SameNewRow(const Access& touch, const Access& lock) {
  return touch.mode == Mode::kInsert && touch.key != 0 && touch.key == lock.key &&
         touch.object == lock.object && (lock.mode == Mode::kInsert || Changes(lock.mode));
}

// One of them takes the whole relation.
bool SameTable(const Access& touch, const Access& lock) {
  return (touch.mode == Mode::kTable || lock.mode == Mode::kTable) && SameRows(touch, lock);
}

// `writer` may have waited for a lock that `commit` let go.
bool NeededLocks(const Footprint& writer, const Footprint& commit) {
  return std::any_of(writer.touches.begin(), writer.touches.end(), [&](const Access& touch) {
    return std::any_of(commit.releases.begin(), commit.releases.end(), [&](const Access& lock) {
      return SameNewRow(touch, lock) || SameTable(touch, lock) ||
             (Changes(touch.mode) && Changes(lock.mode) && SameRows(touch, lock));
    });
  });
}

// `commit` let one row go that `change` changed.
bool ReleasedRow(const Footprint& change, const Footprint& commit) {
  return std::any_of(change.touches.begin(), change.touches.end(), [&](const Access& touch) {
    return touch.key != 0 && Changes(touch.mode) &&
           std::any_of(commit.releases.begin(), commit.releases.end(), [&](const Access& lock) {
             return Changes(lock.mode) && lock.object == touch.object && lock.key == touch.key;
           });
  });
}

// Waited for rows, and found none.
bool FoundNoRow(const ReadEvent& read) {
  const auto* exchange = std::get_if<event::Exchange>(&read.event);
  return exchange != nullptr && !read.passes_locks && FoundNoRow(*exchange, read.footprint.touches);
}

// `commit` let go what `write` looked for, and may have put something else in its place.
bool ReplacedRow(const Footprint& write, const Footprint& commit) {
  const auto released = [&](ObjectId object, uint64_t key, Mode mode) {
    return std::any_of(commit.releases.begin(), commit.releases.end(), [&](const Access& one) {
      return one.object == object && one.mode == mode && (one.key == 0 || one.key == key);
    });
  };
  return std::any_of(write.touches.begin(), write.touches.end(), [&](const Access& touch) {
    return touch.key != 0 && Changes(touch.mode) &&
           released(touch.object, touch.key, Mode::kDelete) &&
           released(touch.object, touch.key, Mode::kInsert);
  });
}

// Both may have inserted the same row.
bool InsertedBoth(const Footprint& write, const Footprint& commit) {
  return std::any_of(write.touches.begin(), write.touches.end(), [&](const Access& touch) {
    return touch.mode == Mode::kInsert &&
           std::any_of(commit.releases.begin(), commit.releases.end(), [&](const Access& one) {
             return one.mode == Mode::kInsert && SameRows(one, touch);
           });
  });
}

bool InsertedNothing(const event::Exchange& exchange) {
  return exchange.statements.size() == 1 && exchange.statements.front().outcome.tag == "INSERT 0 0";
}

// Of what a failed exchange let go, that which its transaction had got before it.
Footprint HeldBefore(const Footprint& failed) {
  Footprint held;
  std::copy_if(failed.releases.begin(), failed.releases.end(), std::back_inserter(held.releases),
               [&](const Access& lock) {
                 return std::find(failed.touches.begin(), failed.touches.end(), lock) ==
                        failed.touches.end();
               });
  return held;
}

bool Failed(const event::Exchange& exchange) {
  return std::any_of(exchange.statements.begin(), exchange.statements.end(), [](const auto& one) {
    return one.outcome.status == event::OutcomeStatus::kError;
  });
}

// Did nothing, as what it looked for was not there, or something else was, and let no locks go: it
// may as well have come later.
bool Lost(const ReadEvent& write) {
  const auto* exchange = std::get_if<event::Exchange>(&write.event);
  if (exchange == nullptr || write.passes_locks || write.lost_race) return false;
  if (!FoundNoRow(write) && !MetRow(*exchange) && !InsertedNothing(*exchange)) return false;
  return !write.takes_snapshot && HeldBefore(write.footprint).releases.empty();
}

// That it did nothing is what it would have done behind `commit`.
bool LostTo(const ReadEvent& loser, const Footprint& commit) {
  return FoundNoRow(loser) ? ReleasedRow(loser.footprint, commit)
                           : NeededLocks(loser.footprint, commit);
}

// Something in `reads` may be changed by something in `changes`. What is not known proves nothing.
bool Meets(const std::vector<Access>& reads, const std::vector<Access>& changes) {
  return std::any_of(reads.begin(), reads.end(), [&](const Access& read) {
    return read.object != kEverything &&
           std::any_of(changes.begin(), changes.end(), [&](const Access& change) {
             return change.mode != Mode::kRead && change.mode != Mode::kKeyShare &&
                    change.mode != Mode::kTable && SameRows(read, change);
           });
  });
}

void Note(std::vector<Access>& list, const std::vector<Access>& touches) {
  constexpr size_t kNotedMax = 256;  // More is not looked for.
  for (const Access& touch : touches) {
    const bool there = std::find(list.begin(), list.end(), touch) != list.end();
    if (!there && list.size() < kNotedMax) list.push_back(touch);
  }
}

const event::Exchange* ExchangeOf(const ReadEvent& read) {
  return std::get_if<event::Exchange>(&read.event);
}

bool FailedToSerialize(const event::Exchange& exchange) {
  return std::any_of(exchange.statements.begin(), exchange.statements.end(),
                     [](const auto& one) { return one.outcome.sqlstate == "40001"; });
}

}  // namespace

base::Micros ReadingOrder::MomentOf(const ReadEvent& event, base::Micros completed_us) const {
  const auto* exchange = std::get_if<event::Exchange>(&event.event);
  if (exchange == nullptr) return completed_us;
  const base::Micros forwarded_us = std::min(Sane(exchange->forwarded_us), completed_us);
  if (event.rereadable) return forwarded_us;
  if (event.only_reads) return std::min(completed_us, forwarded_us + kSnapshotUs);
  // A lost race is not run again, and its locks went before its error came.
  const bool ends = event.only_ends || event.only_unlocks || event.lost_race;
  const bool fails = !ends && exchange->status == 'E' && !event.footprint.releases.empty();
  if (!ends && !fails) return completed_us;
  if (fails && MetRow(*exchange)) completed_us = MetBefore(event, completed_us);
  const bool got_nothing = fails || event.lost_race;
  const Footprint let_go = got_nothing ? HeldBefore(event.footprint) : event.footprint;
  for (auto held = held_.lower_bound({forwarded_us, 0}); held != held_.end(); ++held) {
    if (held->first.first >= completed_us) break;
    const auto* writer = std::get_if<event::Exchange>(&held->second.event);
    if (held->second.passes_locks || (writer != nullptr && GaveUpWaiting(*writer))) continue;
    const Footprint& write = held->second.footprint;
    const bool met = ends && writer != nullptr && MetRow(*writer) && InsertedBoth(write, let_go);
    if (met || (ends ? NeededLocks(write, let_go) : ReleasedRow(write, let_go))) {
      return held->first.first - 1;
    }
  }
  return completed_us;
}

// An INSERT that met a row did not wait for whoever had changed it and was not through yet: it came
// before that change.
base::Micros ReadingOrder::MetBefore(const ReadEvent& insert, base::Micros completed_us) const {
  const event::Exchange& exchange = *ExchangeOf(insert);
  const auto meets = [&](const std::vector<Access>& list) {
    return std::any_of(
        insert.footprint.touches.begin(), insert.footprint.touches.end(), [&](const Access& touch) {
          return std::any_of(list.begin(), list.end(),
                             [&](const Access& other) { return SameNewRow(touch, other); });
        });
  };
  for (auto held = held_.lower_bound({Sane(exchange.forwarded_us), 0}); held != held_.end();
       ++held) {
    if (held->first.first >= completed_us) break;
    const event::Exchange* change = ExchangeOf(held->second);
    if (change == nullptr || change->session == exchange.session || change->status != 'T') continue;
    if (!meets(held->second.footprint.touches)) continue;
    const bool through = std::any_of(std::next(held), held_.end(), [&](const auto& later) {
      return event::SessionOf(later.second.event) == change->session &&
             meets(later.second.footprint.releases);
    });
    if (!through) return held->first.first - 1;
  }
  return completed_us;
}

// A write that found nothing lost its row if the row was replaced while it ran. Which of both was
// answered first tells nothing.
void ReadingOrder::NoteLostRows(ReadEvent& event) {
  const event::Exchange* exchange = ExchangeOf(event);
  if (exchange == nullptr) return;
  const bool writes = FoundNoRow(event);
  if (!writes && event.footprint.releases.empty()) return;
  const base::Micros from_us = Sane(exchange->forwarded_us);
  const auto look = [&](ReadEvent& other) {
    const event::Exchange* beside = ExchangeOf(other);
    if (beside == nullptr || beside->session == exchange->session) return;
    if (Sane(beside->forwarded_us) > Sane(exchange->completed_us)) return;
    if (writes && ReplacedRow(event.footprint, other.footprint)) event.lost_race = true;
    if (FoundNoRow(other) && ReplacedRow(other.footprint, event.footprint)) {
      other.lost_race = true;
    }
  };
  for (auto held = held_.lower_bound({from_us, 0}); held != held_.end(); ++held) {
    look(held->second);
  }
  if (!writes) return;
  for (auto early = early_.lower_bound(from_us); early != early_.end(); ++early) {
    look(held_.find(early->second)->second);
  }
}

// `event` stands before its completion, as somebody had waited for it and was answered meanwhile.
// Whoever was answered behind that one, and got no lock, had asked for it before.
void ReadingOrder::NoteLostLocks(const ReadEvent& event, base::Micros moment_us) {
  const event::Exchange* exchange = ExchangeOf(event);
  if (exchange == nullptr || event.footprint.releases.empty()) return;
  const base::Micros completed_us = Sane(exchange->completed_us);
  auto held = held_.lower_bound({moment_us, 0});
  for (; held != held_.end() && held->first.first < completed_us; ++held) {
    const event::Exchange* other = ExchangeOf(held->second);
    if (other == nullptr || other->session == exchange->session) continue;
    if (!LostRace(*other, /*lock_held=*/false)) continue;
    held->second.lost_race |= NeededLocks(held->second.footprint, event.footprint);
  }
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
  if (session != 0) {
    Learn(session, event);
    moment_us = std::max(moment_us, last_us_[session]);
  }
  NoteLostRows(event);
  NoteLostLocks(event, moment_us);
  const Key key(moment_us, ++events_);
  if (event.takes_snapshot) transactions_[session].snapshot = key;
  const event::Exchange* exchange = ExchangeOf(event);
  if (!event.queues.empty() && exchange != nullptr && exchange->status == 'T') {
    transactions_[session].take = key;
  }
  if (std::holds_alternative<event::SessionEnd>(event.event)) {
    last_us_.erase(session);
    transactions_.erase(session);
  }
  weight_ += event.weight;
  File(event, key);
  held_.emplace(key, std::move(event));
  PutLosersBehind(key);
}

// A statement that is a transaction by itself lets its locks go before it is acknowledged too. As
// it may have had to wait itself, only what was answered just before it can have lost to it; not so
// what its session did next.
void ReadingOrder::PutLosersBehind(Key winner) {
  const ReadEvent& event = held_.at(winner);
  const event::Exchange* exchange = ExchangeOf(event);
  const Footprint& footprint = event.footprint;
  if (exchange == nullptr || event.only_ends || footprint.releases.empty()) return;
  if (exchange->status == 'T' || Failed(*exchange) || FoundNoRow(event)) return;
  const base::Micros completed_us = Sane(exchange->completed_us);
  const base::Micros from_us = std::max(Sane(exchange->forwarded_us), completed_us - kAnswerUs);
  const auto own = static_cast<uint64_t>(exchange->session);
  std::map<Key, uint64_t> behind;  // With its session.
  auto loser = losers_.lower_bound(from_us);
  for (; loser != losers_.end() && loser->first <= completed_us; ++loser) {
    const Key key = loser->second;
    const ReadEvent& read = held_.at(key);
    const auto session = static_cast<uint64_t>(event::SessionOf(read.event));
    const auto last_us = last_us_.find(session);
    const bool is_last = last_us != last_us_.end() && last_us->second <= key.first;
    if (!is_last || key >= winner || session == own) continue;
    if (LostTo(read, footprint)) behind.emplace(key, session);
  }
  for (const auto& [key, session] : behind) MoveBehind(session, key, winner);
}

// What `event` tells of its transaction, and what that tells of the events before it.
void ReadingOrder::Learn(uint64_t session, ReadEvent& event) {
  const event::Exchange* exchange = ExchangeOf(event);
  const auto found = transactions_.find(session);
  if (exchange == nullptr || (found == transactions_.end() && !event.takes_snapshot)) return;
  const bool ends = exchange->status != 'T' || event.only_ends;
  if (found != transactions_.end() && found->second.take) {
    for (const KeyedRow& row : event.rows) Took(session, row);
  }
  if (event.takes_snapshot) transactions_[session] = {};
  Transaction& transaction = transactions_[session];
  if (event.takes_snapshot || transaction.snapshot) {
    Note(transaction.reads, event.footprint.touches);
    std::vector<Access> changes = event.footprint.touches;
    std::erase_if(changes, [](const Access& touch) { return !Changes(touch.mode); });
    Note(transaction.changes, changes);
  }
  if (transaction.snapshot) {
    if (FailedToSerialize(*exchange)) {
      SnapshotMissed(session, event);
    } else if (exchange->status != 'E') {
      MoveSnapshot(session, event);
      if (ends && event.serializable) event.had_read = transaction.reads;
    }
  }
  if (ends) transactions_.erase(session);
}

// The transaction went on well with `event`: its snapshot saw what it must have seen.
void ReadingOrder::MoveSnapshot(uint64_t session, const ReadEvent& event) {
  const Transaction& transaction = transactions_[session];
  const Key from = *transaction.snapshot;
  const auto snapshot = held_.find(from);
  if (snapshot == held_.end()) return;
  const base::Micros snapshot_done_us = Sane(event::TimeOf(snapshot->second.event));
  const bool commits = event.serializable && ExchangeOf(event)->status == 'I';
  std::optional<Key> behind;
  for (auto held = std::next(snapshot); held != held_.end(); ++held) {
    const event::Exchange* other = ExchangeOf(held->second);
    if (other == nullptr || static_cast<uint64_t>(other->session) == session) continue;
    if (Sane(other->forwarded_us) >= snapshot_done_us) continue;
    const Footprint& commit = held->second.footprint;
    const bool crossed = commits && Meets(transaction.reads, commit.releases) &&
                         Meets(held->second.had_read, transaction.changes);
    if (crossed || ReleasedRow(event.footprint, commit)) behind = held->first;
  }
  if (behind) MoveBehind(session, from, *behind);
}

// The transaction failed, since a commit that its snapshot had not seen was in its way.
void ReadingOrder::SnapshotMissed(uint64_t session, const ReadEvent& failure) {
  const Transaction& transaction = transactions_[session];
  const Key from = *transaction.snapshot;
  const auto snapshot = held_.find(from);
  if (snapshot == held_.end()) return;
  const auto in_the_way = [&](const ReadEvent& read) {
    const event::Exchange* other = ExchangeOf(read);
    return other != nullptr && static_cast<uint64_t>(other->session) != session &&
           (Meets(transaction.reads, read.footprint.releases) ||
            Meets(failure.footprint.touches, read.footprint.releases));
  };
  for (auto held = std::next(snapshot); held != held_.end(); ++held) {
    if (in_the_way(held->second)) return;
  }
  const base::Micros sent_us = Sane(ExchangeOf(snapshot->second)->forwarded_us);
  for (auto held = snapshot; held != held_.begin();) {
    --held;
    if (static_cast<uint64_t>(event::SessionOf(held->second.event)) == session) return;
    if (Sane(event::TimeOf(held->second.event)) < sent_us || !in_the_way(held->second)) continue;
    return MoveBefore(session, from, held->first);
  }
}

// The transaction goes on with a row: the one that it had taken from a queue.
void ReadingOrder::Took(uint64_t session, const KeyedRow& row) {
  const auto held = held_.find(*transactions_[session].take);
  if (held == held_.end()) return;
  ReadEvent& take = held->second;
  if (std::find(take.queues.begin(), take.queues.end(), row.object) == take.queues.end()) return;
  for (const KeyedRow& taken : take.taken) {
    if (taken.object == row.object) return;  // The first one tells.
  }
  take.taken.push_back(row);
  Queue& queue = queues_[row.object];
  if (queue.last_us >= 0 && queue.last_us <= Sane(ExchangeOf(take)->forwarded_us)) {
    ++(row.key > queue.last ? queue.ascending : queue.descending);
  }
  const base::Micros taken_us = Sane(event::TimeOf(take.event));
  if (taken_us > queue.last_us) {
    queue.last = row.key;
    queue.last_us = taken_us;
  }
  const base::Micros sent_us = Sane(ExchangeOf(take)->forwarded_us);
  queue.longest_us = std::max(queue.longest_us, taken_us - sent_us);
  queue.takes.emplace(taken_us, held->first);
  OrderTakes(session, row, queue);
}

// Those that took from the same queue at the same time stand in the order of what they took.
void ReadingOrder::OrderTakes(uint64_t session, const KeyedRow& row, const Queue& queue) {
  constexpr uint32_t kSure = 4;  // So many times as often in one direction.
  const bool ascends = queue.ascending >= kSure * std::max(queue.descending, 1U);
  const bool descends = queue.descending >= kSure * std::max(queue.ascending, 1U);
  if (!ascends && !descends) return;
  const Key own = *transactions_[session].take;
  const event::Exchange& take = *ExchangeOf(held_.find(own)->second);
  const base::Micros from_us = Sane(take.forwarded_us);
  const base::Micros to_us = Sane(take.completed_us);
  std::optional<Key> before;
  std::vector<std::pair<uint64_t, Key>> ahead;  // They come first, and stand behind.
  auto beside = queue.takes.lower_bound(from_us);
  for (; beside != queue.takes.end() && beside->first <= to_us + queue.longest_us; ++beside) {
    const Key key = beside->second;
    const ReadEvent& read = held_.find(key)->second;
    const event::Exchange* other = ExchangeOf(read);
    if (static_cast<uint64_t>(other->session) == session) continue;
    if (Sane(other->forwarded_us) > to_us) continue;
    for (const KeyedRow& taken : read.taken) {
      if (taken.object != row.object || taken.key == row.key) continue;
      const bool first = (row.key < taken.key) == ascends;
      if (first && key < own && (!before || key < *before)) before = key;
      if (!first && own < key) ahead.emplace_back(static_cast<uint64_t>(other->session), key);
    }
  }
  std::sort(ahead.begin(), ahead.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  if (before) MoveBefore(session, own, *before);
  for (const auto& [other, key] : ahead) MoveBefore(other, key, *transactions_[session].take);
}

// Not past an earlier event of the session.
void ReadingOrder::MoveBefore(uint64_t session, Key from, Key place) {
  for (auto held = held_.find(from); held != held_.begin();) {
    --held;
    if (held->first.first < place.first) break;
    if (static_cast<uint64_t>(event::SessionOf(held->second.event)) == session) return;
  }
  Rekey(session, from, place.first - 1);
}

// The session's events from `from` on that stand before `place`, in their order, and those behind
// them that stand at its moment.
void ReadingOrder::MoveBehind(uint64_t session, Key from, Key place) {
  std::vector<Key> moved;
  auto held = held_.find(from);
  for (; held != held_.end() && held->first.first <= place.first; ++held) {
    if (static_cast<uint64_t>(event::SessionOf(held->second.event)) == session) {
      moved.push_back(held->first);
    }
  }
  for (const Key& key : moved) Rekey(session, key, place.first);
  base::Micros& last_us = last_us_[session];
  last_us = std::max(last_us, place.first);
}

// In what is looked up by completion; again whenever its place changes.
void ReadingOrder::File(const ReadEvent& event, Key key) {
  const base::Micros completed_us = Sane(event::TimeOf(event.event));
  for (const KeyedRow& taken : event.taken) queues_[taken.object].takes.emplace(completed_us, key);
  if (key.first < completed_us && !event.footprint.releases.empty()) {
    early_.emplace(completed_us, key);
  }
  if (Lost(event)) losers_.emplace(completed_us, key);
}

void ReadingOrder::Unfile(const ReadEvent& event, Key key) {
  const base::Micros completed_us = Sane(event::TimeOf(event.event));
  const auto erase = [&](ByCompletion& events) {
    const auto [begin, end] = events.equal_range(completed_us);
    const auto found = std::find_if(begin, end, [&](const auto& one) { return one.second == key; });
    if (found != end) events.erase(found);
  };
  for (const KeyedRow& taken : event.taken) erase(queues_[taken.object].takes);
  erase(early_);
  erase(losers_);
}

// Behind all that stands at that moment.
void ReadingOrder::Rekey(uint64_t session, Key from, base::Micros moment_us) {
  const Key to(moment_us, ++events_);
  ReadEvent event = std::move(held_.find(from)->second);
  Unfile(event, from);
  File(event, to);
  held_.erase(from);
  held_.emplace(to, std::move(event));
  const auto transaction = transactions_.find(session);
  if (transaction != transactions_.end()) {
    for (std::optional<Key>* kept : {&transaction->second.snapshot, &transaction->second.take}) {
      if (*kept == from) *kept = to;
    }
  }
}

std::optional<ReadEvent> ReadingOrder::Next() {
  if (held_.empty()) return std::nullopt;
  const auto first = held_.begin();
  const bool settled = first->first.first + kSpanUs <= read_us_;
  if (!settled && !ended_ && weight_ <= weight_max_) return std::nullopt;
  ReadEvent event = std::move(first->second);
  Unfile(event, first->first);
  held_.erase(first);
  weight_ -= event.weight;
  return event;
}

}  // namespace scry::replay
