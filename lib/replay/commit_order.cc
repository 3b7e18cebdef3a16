#include "replay/commit_order.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace scry::replay {
namespace {

// Lists are looked through for what is done when they have doubled and are longer than this.
constexpr size_t kSweepMin = 64;

size_t SlotOf(const Access& access, bool releases) {
  return static_cast<size_t>(access.mode) + (releases ? kModes : 0);
}

}  // namespace

bool CommitOrder::Trace::Empty() const {
  return std::all_of(slots.begin(), slots.end(), [](const Slot& s) { return s.tickets.empty(); });
}

CommitOrder::Waits CommitOrder::WaitsOf(const Access& access, bool releases) {
  constexpr SlotMask kSeen = Release(Mode::kAppend) | Release(Mode::kInsert) |
                             Release(Mode::kUpdate) | Release(Mode::kDelete);
  constexpr SlotMask kChanges = Touch(Mode::kUpdate) | Touch(Mode::kDelete);
  constexpr SlotMask kReads = Touch(Mode::kRead) | Touch(Mode::kKeyShare) | kChanges;
  if (releases) {
    // Whoever reads, or tries for the lock (NOWAIT, SKIP LOCKED), did so before.
    return {access.mode == Mode::kRead ? 0 : kReads, 0};
  }
  const bool whole = access.key == 0;
  switch (access.mode) {
    case Mode::kRead:
      return {kSeen, 0};
    case Mode::kAppend:
      return {};
    case Mode::kInsert:
      return {Touch(Mode::kInsert) | (kSeen & ~Release(Mode::kAppend)), kChanges};
    case Mode::kKeyShare:
      return {kSeen | Touch(Mode::kDelete), 0};
    case Mode::kUpdate:
    case Mode::kDelete: {
      SlotMask below = kSeen | kChanges;
      if (whole) below |= Touch(Mode::kInsert);
      if (access.mode == Mode::kDelete) {
        below |= Touch(Mode::kKeyShare) | Release(Mode::kKeyShare);
      }
      return {below, 0};
    }
  }
  return {};
}

CommitOrder::Ticket CommitOrder::Admit(const Footprint& footprint) {
  if (footprint.empty()) return 0;
  const Ticket ticket = ++last_;
  if (footprint.barrier) {
    std::vector<Ticket> open;
    for (const auto& [earlier, node] : nodes_) {
      // Those before the last barrier are waited for by it.
      if (earlier >= barrier_) open.push_back(earlier);
    }
    nodes_.try_emplace(ticket);
    for (const Ticket earlier : open) WaitFor(ticket, earlier);
    barrier_ = ticket;
  } else {
    nodes_.try_emplace(ticket);
    WaitFor(ticket, barrier_);
  }
  // All waits first: an exchange does not wait for itself.
  for (const bool releases : {false, true}) {
    for (const Access& access : releases ? footprint.releases : footprint.touches) {
      const Waits waits = WaitsOf(access, releases);
      WaitFor(ticket, everything_.whole, waits.below | waits.whole);
      if (access.object == kEverything) {
        WaitFor(ticket, everything_.all, waits.below);
        continue;
      }
      Object& object = objects_[access.object];
      WaitFor(ticket, object.level.whole, waits.below | waits.whole);
      if (access.key == 0) {
        WaitFor(ticket, object.level.all, waits.below);
      } else if (const auto key = object.keys.find(access.key); key != object.keys.end()) {
        WaitFor(ticket, key->second, waits.below);
      }
    }
  }
  for (const Access& access : footprint.touches) File(ticket, access, false);
  for (const Access& access : footprint.releases) File(ticket, access, true);
  return ticket;
}

void CommitOrder::WaitFor(Ticket ticket, Ticket earlier) {
  const auto found = nodes_.find(earlier);
  if (found == nodes_.end() || earlier == ticket) return;
  std::vector<Ticket>& dependents = found->second.dependents;
  // Once is enough; repeats come one behind the other.
  if (!dependents.empty() && dependents.back() == ticket) return;
  dependents.push_back(ticket);
  ++nodes_[ticket].waits;
}

void CommitOrder::WaitFor(Ticket ticket, Trace& trace, SlotMask slots) {
  for (size_t slot = 0; slot < kSlots; ++slot) {
    if ((slots >> slot & 1) == 0) continue;
    Sweep(trace.slots[slot]);
    for (const Ticket earlier : trace.slots[slot].tickets) WaitFor(ticket, earlier);
  }
}

void CommitOrder::File(Ticket ticket, const Access& access, bool releases) {
  const size_t slot = SlotOf(access, releases);
  const bool everything = access.object == kEverything;
  if (!everything) Put(ticket, everything_.all, slot);
  Level& level = everything ? everything_ : objects_[access.object].level;
  if (everything || access.key == 0) {
    if (!releases) Forget(level, access.mode);
    Put(ticket, level.whole, slot);
  } else {
    Object& object = objects_[access.object];
    SweepKeys(object);
    Put(ticket, object.keys[access.key], slot);
  }
  Put(ticket, level.all, slot);
}

// What changes the whole has waited for all changes before it: whoever comes next has only to wait
// for it.
void CommitOrder::Forget(Level& level, Mode mode) {
  if (mode != Mode::kUpdate && mode != Mode::kDelete) return;
  for (Trace* trace : {&level.all, &level.whole}) {
    trace->slots[static_cast<size_t>(Mode::kUpdate)] = {};
    if (mode == Mode::kDelete) trace->slots[static_cast<size_t>(Mode::kDelete)] = {};
  }
}

void CommitOrder::Put(Ticket ticket, Trace& trace, size_t slot) {
  Trace::Slot& list = trace.slots[slot];
  if (!list.tickets.empty() && list.tickets.back() == ticket) return;
  if (list.tickets.size() >= kSweepMin && list.tickets.size() >= 2 * list.swept) Sweep(list);
  list.tickets.push_back(ticket);
}

void CommitOrder::Sweep(Trace::Slot& slot) {
  std::erase_if(slot.tickets, [&](Ticket ticket) { return !nodes_.contains(ticket); });
  slot.swept = slot.tickets.size();
}

void CommitOrder::SweepKeys(Object& object) {
  if (object.keys.size() < kSweepMin || object.keys.size() < 2 * object.keys_swept) return;
  for (auto key = object.keys.begin(); key != object.keys.end();) {
    for (Trace::Slot& slot : key->second.slots) Sweep(slot);
    key = key->second.Empty() ? object.keys.erase(key) : std::next(key);
  }
  object.keys_swept = object.keys.size();
}

bool CommitOrder::MayStart(Ticket ticket) const {
  const auto found = nodes_.find(ticket);
  return found == nodes_.end() || found->second.waits == 0;
}

void CommitOrder::Done(Ticket ticket) {
  const auto found = nodes_.find(ticket);
  if (found == nodes_.end()) return;
  const std::vector<Ticket> dependents = std::move(found->second.dependents);
  nodes_.erase(found);
  for (const Ticket later : dependents) {
    const auto waiting = nodes_.find(later);
    if (waiting != nodes_.end() && --waiting->second.waits == 0) freed_.push_back(later);
  }
}

std::vector<CommitOrder::Ticket> CommitOrder::TakeFreed() {
  return std::exchange(freed_, std::vector<Ticket>());
}

size_t CommitOrder::entries() const {
  size_t entries = 0;
  const auto count = [&](const Trace& trace) {
    for (const Trace::Slot& slot : trace.slots) entries += slot.tickets.size();
  };
  const auto level = [&](const Level& one) {
    count(one.all);
    count(one.whole);
  };
  level(everything_);
  for (const auto& [id, object] : objects_) {
    level(object.level);
    for (const auto& [key, trace] : object.keys) count(trace);
  }
  return entries;
}

}  // namespace scry::replay
