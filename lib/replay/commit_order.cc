#include "replay/commit_order.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

namespace scry::replay {
namespace {

// Lists are looked through for what is done when they have doubled and are longer than this.
constexpr size_t kSweepMin = 64;
// Whether one comes behind another is looked for among so many; seldom asked.
constexpr size_t kLookedAtMax = 4096;

bool OnlyReads(const std::vector<Access>& touches) {
  return std::all_of(touches.begin(), touches.end(),
                     [](const Access& access) { return access.mode == Mode::kRead; });
}

// New rows keep their order whatever their keys are: where they come to lie should not differ.
Access InOneLine(Access touch) {
  if (touch.mode == Mode::kInsert) touch.key = 0;
  return touch;
}

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
  constexpr SlotMask kTables = Touch(Mode::kTable) | Release(Mode::kTable);
  constexpr SlotMask kReads =
      Touch(Mode::kRead) | Touch(Mode::kKeyShare) | kChanges | Touch(Mode::kTable);
  if (releases) {
    // Whoever reads, or tries for the lock (NOWAIT, SKIP LOCKED), did so before.
    return {access.mode == Mode::kRead ? 0 : kReads, 0};
  }
  const bool whole = access.key == 0;
  switch (access.mode) {
    case Mode::kRead:
      return {kSeen | kTables, 0};
    case Mode::kAppend:
      return {kTables, 0};
    case Mode::kInsert:
      return {Touch(Mode::kInsert) | (kSeen & ~Release(Mode::kAppend)) | kTables, kChanges};
    case Mode::kKeyShare:
      return {kSeen | Touch(Mode::kDelete) | kTables, 0};
    case Mode::kUpdate:
    case Mode::kDelete: {
      SlotMask below = kSeen | kChanges | kTables;
      if (whole) below |= Touch(Mode::kInsert);
      if (access.mode == Mode::kDelete) {
        below |= Touch(Mode::kKeyShare) | Release(Mode::kKeyShare);
      }
      return {below, 0};
    }
    case Mode::kTable:
      return {(SlotMask{1} << kSlots) - 1, 0};
  }
  return {};
}

CommitOrder::Ticket CommitOrder::Admit(const Footprint& footprint, const Origin& origin) {
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
  Node& node = nodes_[ticket];
  node.sent_us = origin.sent_us;
  node.barrier = footprint.barrier;
  node.only_releases = footprint.touches.empty();
  node.only_reads = footprint.releases.empty() && OnlyReads(footprint.touches);
  Link(ticket, origin.session);
  // All waits first: an exchange does not wait for itself.
  for (const bool releases : {false, true}) {
    for (Access access : releases ? footprint.releases : footprint.touches) {
      if (!releases) access = InOneLine(access);
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
  for (const Access& access : footprint.touches) File(ticket, InOneLine(access), false);
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

void CommitOrder::Link(Ticket ticket, uint64_t session) {
  if (session == 0) return;
  Ticket& last = last_of_[session];
  const auto before = nodes_.find(last);
  if (before != nodes_.end()) before->second.next = ticket;
  last = ticket;
  if (last_of_.size() < kSweepMin || last_of_.size() < 2 * last_swept_) return;
  std::erase_if(last_of_, [&](const auto& one) { return !nodes_.contains(one.second); });
  last_swept_ = last_of_.size();
}

void CommitOrder::Unlink(Ticket ticket, Ticket earlier) {
  if (std::erase(nodes_[earlier].dependents, ticket) == 0) return;
  if (--nodes_[ticket].waits == 0) freed_.push_back(ticket);
}

bool CommitOrder::MoveBehind(Ticket read, base::Micros answered_us) {
  const auto found = nodes_.find(read);
  if (found == nodes_.end() || found->second.behind != 0) return false;
  const std::vector<Ticket>& dependents = found->second.dependents;
  const auto first = std::find_if(dependents.begin(), dependents.end(), [&](Ticket ticket) {
    const auto node = nodes_.find(ticket);
    return node != nodes_.end() && !node->second.barrier && node->second.sent_us < answered_us;
  });
  if (first == dependents.end()) return false;
  const Ticket commit = *first;
  std::vector<Ticket> holders;
  if (!FindHolders(commit, read, holders)) return false;
  for (const Ticket holder : holders) Unlink(commit, holder);
  nodes_[commit].dependents.push_back(read);
  nodes_[read].behind = commit;
  ++nodes_[read].waits;
  moved_to_.insert(commit);
  return true;
}

// What comes after `read` and holds `commit` up, `read` included. False: it may not be let past one
// of them, or too much would have to be looked at.
bool CommitOrder::FindHolders(Ticket commit, Ticket read, std::vector<Ticket>& holders) const {
  const Node& last = nodes_.at(commit);
  // Later ones lead back only by way of what moved.
  const Ticket end = moved_to_.empty() ? commit : std::max(commit, *moved_to_.rbegin());
  std::unordered_set<Ticket> seen = {read};
  std::vector<Ticket> left = {read};
  while (!left.empty()) {
    const Ticket ticket = left.back();
    left.pop_back();
    const auto found = nodes_.find(ticket);
    if (found == nodes_.end()) continue;
    const Node& node = found->second;
    if (node.next == commit || seen.size() > kLookedAtMax) return false;
    const auto visit = [&](Ticket later) {
      if (later == 0 || later > end) return;
      if (seen.insert(later).second) left.push_back(later);
    };
    visit(node.next);
    for (const Ticket later : node.dependents) {
      if (later != commit) {
        visit(later);
        continue;
      }
      // What only commits waits for readers, and for whoever could not have got its locks.
      if (node.barrier || !(last.only_releases || node.only_reads)) return false;
      holders.push_back(ticket);
    }
  }
  return true;
}

bool CommitOrder::WaitsFor(Ticket later, Ticket earlier, const OtherWaits& others) const {
  std::unordered_set<Ticket> seen = {earlier};
  std::vector<Ticket> left = {earlier};
  while (!left.empty() && seen.size() <= kLookedAtMax) {
    const Ticket ticket = left.back();
    left.pop_back();
    if (ticket == later) return true;
    const auto visit = [&](Ticket next) {
      if (next != 0 && seen.insert(next).second) left.push_back(next);
    };
    const auto [from, to] = others.equal_range(ticket);
    for (auto other = from; other != to; ++other) visit(other->second);
    const auto found = nodes_.find(ticket);
    if (found == nodes_.end()) continue;
    visit(found->second.next);
    for (const Ticket dependent : found->second.dependents) visit(dependent);
  }
  return false;
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
  if (found->second.behind != 0) ForgetMove(found->second.behind);  // It ran out of order.
  nodes_.erase(found);
  for (const Ticket later : dependents) {
    const auto waiting = nodes_.find(later);
    if (waiting == nodes_.end()) continue;
    if (waiting->second.behind == ticket) {
      waiting->second.behind = 0;
      ForgetMove(ticket);
    }
    if (--waiting->second.waits == 0) freed_.push_back(later);
  }
}

void CommitOrder::ForgetMove(Ticket commit) {
  const auto found = moved_to_.find(commit);
  if (found != moved_to_.end()) moved_to_.erase(found);
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
